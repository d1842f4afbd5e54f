// Package mem is a storage engine in memory, for tests and for stores that are
// not to outlive the process. An update copies the list of keys, so it is meant
// for thousands of keys, not for millions.
package mem

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"vtoken/keystore/kv"
)

// Engine keeps everything in memory.
type Engine struct {
	write   sync.Mutex   // held by the one update
	using   sync.RWMutex // held for reading by views and updates, for writing by Close
	closed  bool
	current atomic.Pointer[snapshot]
}

var _ kv.Engine = (*Engine)(nil)

// New is an empty engine.
func New() *Engine {
	e := new(Engine)
	e.current.Store(new(snapshot))
	return e
}

// View runs fn on the newest committed snapshot.
func (e *Engine) View(fn func(kv.Reader) error) error {
	e.using.RLock()
	defer e.using.RUnlock()
	if e.closed {
		return kv.ErrClosed
	}
	return fn(e.current.Load())
}

// Update runs fn on a copy and makes the copy current.
func (e *Engine) Update(fn func(kv.Writer) error) error {
	e.write.Lock()
	defer e.write.Unlock()
	e.using.RLock()
	defer e.using.RUnlock()
	if e.closed {
		return kv.ErrClosed
	}
	next := &snapshot{slices.Clone(e.current.Load().entries)}
	if err := fn(writer{next}); err != nil {
		return err
	}
	e.current.Store(next)
	return nil
}

// Scrub has nothing to do: what was replaced is the garbage collector's.
func (e *Engine) Scrub(int) (int, error) { return 0, nil }

// Close forgets everything.
func (e *Engine) Close() error {
	e.using.Lock()
	defer e.using.Unlock()
	e.closed = true
	e.current.Store(new(snapshot))
	return nil
}

type entry struct{ key, value []byte }

// snapshot is a list of entries in the order of keys.
type snapshot struct{ entries []entry }

func (s *snapshot) search(key []byte) (int, bool) {
	return slices.BinarySearchFunc(s.entries, key, func(e entry, k []byte) int { return bytes.Compare(e.key, k) })
}

// Get returns the value of a key.
func (s *snapshot) Get(key []byte) ([]byte, error) {
	i, ok := s.search(key)
	if !ok {
		return nil, kv.ErrNotFound
	}
	return s.entries[i].value, nil
}

// Scan walks over the keys with a prefix.
func (s *snapshot) Scan(prefix, after []byte, fn func(key, value []byte) error) error {
	i, _ := s.search(prefix)
	if after != nil {
		j, found := s.search(after)
		if found {
			j++
		}
		i = max(i, j)
	}
	for ; i < len(s.entries) && bytes.HasPrefix(s.entries[i].key, prefix); i++ {
		if err := fn(s.entries[i].key, s.entries[i].value); err == kv.ErrStop {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

type writer struct{ *snapshot }

// Put sets the value of a key.
func (w writer) Put(key, value []byte) error {
	if err := kv.CheckPut(key, value); err != nil {
		return err
	}
	e := entry{slices.Clone(key), append([]byte{}, value...)}
	i, found := w.search(key)
	if found {
		w.entries[i] = e
	} else {
		w.entries = slices.Insert(w.entries, i, e)
	}
	return nil
}

// Delete removes a key.
func (w writer) Delete(key []byte) error {
	if i, found := w.search(key); found {
		w.entries = slices.Delete(w.entries, i, i+1)
	}
	return nil
}
