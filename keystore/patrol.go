package keystore

import (
	"bytes"
	"errors"
	"time"

	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// patrol verifies the whole store again and again while it is open: some buckets at a
// time, each time in a snapshot of its own, and then the objects of each token.
type patrol struct {
	background
	size schema.Bucket // how many buckets are verified at a time
}

const (
	// patrolRecords is about how many records one piece verifies, in half a millisecond.
	patrolRecords = 512
	// patrolShare is the share of a processor that the walk takes: one in so many. A store of
	// a million tokens takes half an hour.
	patrolShare = 50
	// patrolPause is the pause between two walks.
	patrolPause = 2 * time.Second
	// patrolWait is the pause after an error other than a finding.
	patrolWait = time.Minute
)

// patrol begins to walk.
func (s *Store) patrol() { s.patrols.start(s.walkOn) }

func (s *Store) walkOn(ends <-chan struct{}) {
	for {
		wait, err := patrolPause, s.walk(func(worked time.Duration) bool { return rest(ends, worked*(patrolShare-1)) })
		switch {
		case errors.Is(err, kv.ErrClosed), errors.Is(err, kv.ErrBroken), errors.Is(err, errStopped):
			return
		case err != nil && !errors.Is(err, ErrTampered):
			s.log.Warn("background verification of the store failed and will be retried", "error", err)
			wait = patrolWait
		}
		if !rest(ends, wait) {
			return
		}
	}
}

// errStopped ends a walk with the store.
var errStopped = errors.New("the store is being closed")

// rest waits, and reports whether it goes on then.
func rest(ends <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ends:
		return false
	case <-t.C:
		return true
	}
}

// walk verifies the store once. It calls pause after each piece with the time that the piece
// took; pause reports whether to go on. walk goes on after a finding.
func (s *Store) walk(pause func(time.Duration) bool) error {
	var found error
	piece := func(verify func() error) error {
		begun := time.Now()
		switch err := verify(); {
		case errors.Is(err, ErrTampered):
			found = errors.Join(found, err)
		case err != nil:
			return err
		}
		if !pause(time.Since(begun)) {
			return errStopped
		}
		return nil
	}
	if err := piece(func() error { return s.View((*Tx).verifyAccumulators) }); err != nil {
		return err
	}
	for first := schema.Bucket(0); first < schema.Buckets; {
		end := min(first+s.patrols.next(), schema.Buckets)
		if err := piece(func() error { return s.walkBuckets(first, end) }); err != nil {
			return err
		}
		first = end
	}
	for last, done := []byte(nil), false; !done; {
		err := piece(func() error {
			next, err := s.walkToken(last)
			last, done = next, next == nil
			return err
		})
		if err != nil {
			return err
		}
	}
	return found
}

// next is how many buckets to verify at a time.
func (p *patrol) next() schema.Bucket {
	if p.size == 0 {
		p.size = 1
	}
	return p.size
}

// walkBuckets verifies some buckets.
func (s *Store) walkBuckets(first, end schema.Bucket) error {
	records := 0
	err := s.View(func(tx *Tx) (err error) {
		records, err = tx.verifyBuckets(first, end)
		return err
	})
	if p := &s.patrols; records < patrolRecords/2 {
		p.size = min(2*p.next(), schema.Buckets)
	} else if records > 2*patrolRecords {
		p.size = max(p.next()/2, 1)
	}
	return err
}

// walkToken compares the objects of the token after one, and returns its key; nil is
// that there is none.
func (s *Store) walkToken(last []byte) (next []byte, err error) {
	err = s.View(func(tx *Tx) error {
		next = nil
		err := tx.scanRaw([]byte{schema.PrefixSummary}, last, func(key, _ []byte) error {
			next = bytes.Clone(key)
			return kv.ErrStop
		})
		id, ok := schema.RecordID(next)
		if err != nil || !ok {
			return err
		}
		keys, err := tx.keysOf(id)
		if isMissing(err) {
			return tampered("there is a summary of token %s, and no such token", text(id))
		}
		if err != nil {
			return err
		}
		sm, err := tx.loadSummary(id, keys)
		if err != nil {
			return err
		}
		return tx.walkObjects(id, keys, sm, func(uint64, schema.Part, []byte) error { return nil })
	})
	return next, err
}
