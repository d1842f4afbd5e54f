package keystore

import (
	"errors"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Tx is a transaction: a snapshot to read in a View, and to write to in an
// Update. It is used by one goroutine and not after its function returns.
//
// Reading, replacing or deleting a record that is not there is
// record.ErrNotFound. Records that come out may be kept and are not shared.
type Tx struct {
	s *Store
	r kv.Reader
	w kv.Tx // nil in a View

	start uint64            // the commits that a View sees at least
	wrote map[uint64]uint64 // hashes of keys and values that an Update wrote
	whole bool              // everything is verified in the end, and nothing at its first use

	node      *node
	sums      map[schema.Bucket]*accumulator
	summaries map[schema.ID]*summary
	usages    map[schema.ID]*usage // of users; nil is to be counted again
	moved     bool                 // a token has got another owner, or was deleted
	tokens    map[schema.ID]noted  // the tokens that were read
	changes   []record.Change
	urgent    urgency // how soon the update must be counted
	owner     owner   // who pays for it
	api       bool    // it comes from the API
}

// noted is what a transaction remembers of a token that it read or wrote.
type noted struct {
	boundKey []byte
	owner    record.UserID
}

// flush writes the sums that changed, and notifies the watchers on commit.
func (tx *Tx) flush() error {
	for id, sm := range tx.summaries {
		if err := errors.Join(tx.settle(id, sm), tx.putSummary(id, sm)); err != nil {
			return err
		}
	}
	if err := tx.removeUsages(); err != nil {
		return err
	}
	if err := tx.stageSums(); err != nil {
		return err
	}
	tx.stageUsages()
	if changes := tx.changes; len(changes) > 0 {
		tx.w.OnCommit(func() { tx.s.tell(changes) })
	}
	return nil
}

// get reads a value, nil where there is none.
func (tx *Tx) get(key []byte) ([]byte, error) {
	if err := tx.trust(key); err != nil {
		return nil, err
	}
	v, err := tx.r.Get(key)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		v = nil
	case err != nil:
		return nil, fault(err)
	case v == nil:
		v = []byte{}
	}
	if err := tx.compare(key, v); err != nil {
		return nil, err
	}
	return v, nil
}

// put writes a value that is in a bucket.
func (tx *Tx) put(key, value []byte) error {
	if err := tx.account(key, value); err != nil {
		return err
	}
	return tx.write(key, value)
}

// remove deletes a value that is in a bucket.
func (tx *Tx) remove(key []byte) error {
	if err := tx.account(key, nil); err != nil {
		return err
	}
	return tx.erase(key)
}

// account changes the sum of the bucket of a key that gets a value, or loses it where
// value is nil.
func (tx *Tx) account(key, value []byte) error {
	if tx.w == nil {
		return errReadOnly
	}
	old, err := tx.get(key)
	if err != nil {
		return err
	}
	bucket, _ := schema.BucketOf(key)
	a, err := tx.accumulator(bucket)
	if err != nil {
		return err
	}
	if old != nil {
		tx.dropKey(key, old)
		a.sum = a.sum.minus(element(tx.s.sys.sum, key, old))
	}
	if value != nil {
		a.sum = a.sum.plus(element(tx.s.sys.sum, key, value))
	}
	a.dirty = true
	return nil
}

// errReadOnly is what writing in a View returns.
var errReadOnly = ck.Errorf(ck.CKR_GENERAL_ERROR, "a view cannot write; use an update")

// seal writes a sealed value behind a prefix in the clear, one version on from
// the one that it replaces.
func (tx *Tx) seal(k *envelope.Key, key, prefix []byte, p envelope.Place, plain []byte) error {
	old, err := tx.get(key)
	if err != nil {
		return err
	}
	blob, err := k.Seal(p, nextVersion(old, len(prefix)), plain)
	if err != nil {
		return err
	}
	return tx.put(key, append(append(make([]byte, 0, len(prefix)+len(blob)), prefix...), blob...))
}

// nextVersion is the version after the one of a sealed value, 1 where there is
// none.
func nextVersion(old []byte, prefix int) uint64 {
	if len(old) < prefix {
		return 1
	}
	h, err := envelope.Parse(old[prefix:])
	if err != nil {
		return 1
	}
	return h.Version + 1
}

// scan lists keys and values; what fn gets is valid during the call.
func (tx *Tx) scan(prefix, after []byte, fn func(key, value []byte) error) error {
	if err := tx.trust(prefix); err != nil { // that nothing is missing
		return err
	}
	return tx.scanRaw(prefix, after, func(key, value []byte) error {
		if err := tx.trust(key); err != nil {
			return err
		}
		if value == nil {
			value = []byte{}
		}
		if err := tx.compare(key, value); err != nil {
			return err
		}
		return fn(key, value)
	})
}

// scanRaw is scan without comparing what is read with what is known.
func (tx *Tx) scanRaw(prefix, after []byte, fn func(key, value []byte) error) error {
	var fnErr error
	err := tx.r.Scan(prefix, after, func(key, value []byte) error {
		fnErr = fn(key, value)
		return fnErr
	})
	if err == nil || fnErr != nil {
		return err
	}
	return fault(err)
}

// keysUnder lists the keys with a prefix.
func (tx *Tx) keysUnder(prefix []byte) (keys [][]byte, err error) {
	err = tx.scan(prefix, nil, func(key, _ []byte) error {
		keys = append(keys, append([]byte(nil), key...))
		return nil
	})
	return keys, err
}
