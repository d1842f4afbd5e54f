package keystore

import (
	"bytes"
	"errors"
	"time"

	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// patrol verifies the whole store again and again while it is open. It walks over the
// records that the header's sum covers, some at a time and between two commits. What
// updates change of the records behind it they change in its sum as well, so that the
// sum can be compared with the header's at the end, however long the walk took. Then
// it compares the objects of each token with the token's sum.
type patrol struct {
	background
	// last is the key that the walk has come to, and sum the sum so far. Both belong to
	// the update that runs.
	last []byte
	sum  sum
}

const (
	// patrolRecords is how many records are looked at between two commits, which wait
	// for it: a fifth of a millisecond.
	patrolRecords = 256
	// patrolShare is the part of a processor that the walk takes: one in so many. The
	// store of a million tokens takes half an hour.
	patrolShare = 50
	// patrolPause is how long it rests between two walks.
	patrolPause = 2 * time.Second
	// patrolWait is how long it rests after a failure that is no finding.
	patrolWait = time.Minute
)

func (p *patrol) restart() { p.last, p.sum = nil, sum{} }

// walked reports whether the sum of the walk is over a key.
func (p *patrol) walked(key []byte) bool { return bytes.Compare(key, p.last) <= 0 }

// patrol begins to walk.
func (s *Store) patrol() { s.patrols.start(s.walkOn) }

func (s *Store) walkOn(ends <-chan struct{}) {
	for {
		wait, err := patrolPause, s.walk(func(worked time.Duration) bool { return rest(ends, worked*(patrolShare-1)) })
		switch {
		case errors.Is(err, kv.ErrClosed), errors.Is(err, kv.ErrBroken), errors.Is(err, errStopped):
			return
		case err != nil && !errors.Is(err, ErrTampered):
			s.log.Warn("the store is not verified in the background for a while", "error", err)
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

// walk verifies the store once. pause is called after each piece with the time that it
// took, and says whether to go on. A finding does not keep the tokens from being
// looked at, each by itself.
func (s *Store) walk(pause func(time.Duration) bool) error {
	var found error
	for done := false; !done; {
		begun := time.Now()
		var err error
		done, err = s.walkRecords()
		switch {
		case errors.Is(err, ErrTampered):
			s.alarm(err)
			found, done = err, true
		case err != nil:
			return err
		}
		if !pause(time.Since(begun)) {
			return errStopped
		}
	}
	var last []byte
	for {
		begun := time.Now()
		next, err := s.walkToken(last)
		switch {
		case errors.Is(err, ErrTampered):
			found = errors.Join(found, err)
		case err != nil:
			return err
		}
		if next == nil {
			return found
		}
		last = next
		if !pause(time.Since(begun)) {
			return errStopped
		}
	}
}

// walkRecords looks at some records between two commits, and compares the sum after
// the last one.
func (s *Store) walkRecords() (done bool, err error) {
	var fnErr error
	p := &s.patrols
	err = s.db.Update(func(w kv.Tx) error {
		tx := &Tx{s: s, r: w, w: w}
		if done, fnErr = tx.walkSome(p); fnErr != nil || done {
			p.restart()
		}
		return fnErr
	})
	return done, outcome(err, fnErr)
}

func (tx *Tx) walkSome(p *patrol) (done bool, err error) {
	left := patrolRecords
	beyond := append([]byte{schema.PrefixObject}, bytes.Repeat([]byte{0xff}, 32)...)
	for {
		stopped := false
		err := tx.scan(nil, bytes.Clone(p.last), func(key, value []byte) error {
			if key[0] == schema.PrefixObject || left == 0 {
				stopped = true
				return kv.ErrStop
			}
			left--
			p.last = append(p.last[:0], key...)
			if schema.Summed(key) {
				p.sum = p.sum.plus(element(tx.s.sys.sum, key, value))
			}
			return nil
		})
		switch {
		case err != nil:
			return false, err
		case !stopped:
			h, err := tx.loadHeader()
			if err == nil && h.sum != p.sum {
				err = tampered("records were removed, added or put back to an older state while the store is in use")
			}
			return err == nil, err
		case left == 0:
			return false, nil
		}
		p.last = beyond // the objects
	}
}

// walkToken compares the objects of the token after one, and returns its key; nil is
// that there is none.
func (s *Store) walkToken(last []byte) (next []byte, err error) {
	err = s.View(func(tx *Tx) error {
		next = nil
		err := tx.scan([]byte{schema.PrefixSummary}, last, func(key, _ []byte) error {
			next = bytes.Clone(key)
			return kv.ErrStop
		})
		id, ok := schema.RecordID(next)
		if err != nil || !ok {
			return err
		}
		keys, err := tx.keysOf(id)
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
