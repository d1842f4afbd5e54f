package keystore

import (
	"sync"
	"time"

	"vtoken/keystore/schema"
)

// Recipient is a KEK of the store, and how it did when it was last tried.
type Recipient struct {
	ID, URI string
	// Recovery is set for a passphrase, which opens the store anywhere.
	Recovery bool
	// Tried is when the KEK was last tried in this run, zero for not at all, and
	// Opens whether it did open the store.
	Tried time.Time
	Opens bool
}

// Recipients lists the KEKs of the store. Unlike [Store.KEKs] it tries none, so
// that it may be asked often: an HSM counts wrong PINs.
func (s *Store) Recipients() ([]Recipient, error) {
	list, err := s.recipients()
	if err != nil {
		return nil, err
	}
	out := make([]Recipient, len(list))
	for i, r := range list {
		last := s.options.tries.last(r.ID)
		out[i] = Recipient{ID: text(r.ID), URI: r.URI, Recovery: r.recovery(), Tried: last.at, Opens: last.opens}
	}
	return out, nil
}

// tries remember how each recipient did when it was last tried.
type tries struct {
	mu   sync.Mutex
	list map[schema.ID]attempt
}

type attempt struct {
	at    time.Time
	opens bool
}

// note remembers how a try ended. nil forgets it.
func (t *tries) note(id schema.ID, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.list == nil {
		t.list = map[schema.ID]attempt{}
	}
	t.list[id] = attempt{time.Now(), err == nil}
}

// last is the last try of a recipient, zero where there was none.
func (t *tries) last(id schema.ID) attempt {
	if t == nil {
		return attempt{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list[id]
}
