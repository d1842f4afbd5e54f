package keystore

import (
	"errors"
	"fmt"
	"sync"

	"vtoken/keystore/envelope"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/secret"
)

// rootKeys are the root keys that this run knows: the present one, which seals,
// and those before it, because a view may be older than a rotation. It is safe
// for concurrent use.
type rootKeys struct {
	mu      sync.RWMutex
	present *envelope.Key
	known   map[envelope.KeyID]*envelope.Key
}

func newRootKeys(present *envelope.Key) *rootKeys {
	return &rootKeys{present: present, known: map[envelope.KeyID]*envelope.Key{present.ID(): present}}
}

// sealing is the present root key.
func (r *rootKeys) sealing() *envelope.Key {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.present
}

// Open opens what was sealed under any of the root keys.
func (r *rootKeys) Open(p envelope.Place, blob []byte) (plain []byte, version uint64, err error) {
	h, err := envelope.Parse(blob)
	if err != nil {
		return nil, 0, err
	}
	r.mu.RLock()
	k, ok := r.known[h.Key]
	r.mu.RUnlock()
	if !ok {
		return nil, 0, fmt.Errorf("%w: %x", envelope.ErrKey, h.Key)
	}
	return k.Open(p, blob)
}

// add makes another root key known.
func (r *rootKeys) add(k *envelope.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.known[k.ID()]; !ok {
		r.known[k.ID()] = k
	}
}

// use makes a root key the present one.
func (r *rootKeys) use(k *envelope.Key) {
	r.add(k)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.present = k
}

// Wipe overwrites the keys.
func (r *rootKeys) Wipe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.known {
		k.Wipe()
	}
}

func placeOldRoot() envelope.Place { return place(schema.ID{}, schema.ID{}, 0, fieldOldRoot) }

// unlockOld loads the root key before the present one, if a rotation is not
// finished.
func (s *Store) unlockOld(r kv.Reader) error {
	blob, err := r.Get(schema.KeyOldRoot())
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fault(err)
	}
	raw, _, err := s.root.Open(placeOldRoot(), blob)
	if err != nil {
		return tampered("open the old root key: %w", err)
	}
	defer clear(raw)
	old, err := envelope.NewKey(raw)
	if err != nil {
		return err
	}
	s.root.add(old)
	return nil
}

// RootKey returns a copy of the root key, for the daemon's successor ([Options].Root). The
// caller wipes it.
func (s *Store) RootKey() secret.Bytes { return s.root.sealing().Raw() }
