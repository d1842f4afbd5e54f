package bolt

import (
	"bytes"
	"strings"

	"github.com/tidwall/btree"

	"vtoken/keystore/kv"
)

// writer keeps what an update writes until its commit, in order. bbolt splits
// pages at the commit only: within one transaction its leaves grow without bound,
// and each new key moves those behind it. Keys that come in order are each put at
// the end of what came before, so that a hundred thousand cost as little as one.
type writer struct {
	reader
	pending *btree.Map[string, []byte] // nil is a key that is deleted
}

func newWriter(r reader) writer { return writer{r, new(btree.Map[string, []byte])} }

// Get returns the value of a key.
func (w writer) Get(key []byte) ([]byte, error) {
	if value, ok := w.pending.Get(string(key)); ok {
		if value == nil {
			return nil, kv.ErrNotFound
		}
		return value, nil
	}
	return w.reader.Get(key)
}

// Put sets the value of a key.
func (w writer) Put(key, value []byte) error {
	if err := kv.CheckPut(key, value); err != nil {
		return err
	}
	if value == nil {
		value = []byte{}
	}
	w.pending.Set(string(key), value)
	return nil
}

// Delete removes a key.
func (w writer) Delete(key []byte) error {
	w.pending.Set(string(key), nil)
	return nil
}

// Scan walks over the keys with a prefix, those that are pending among those that
// are stored.
func (w writer) Scan(prefix, after []byte, fn func(key, value []byte) error) error {
	news := w.from(prefix, after)
	stopped := false
	emit := func(key, value []byte) error {
		err := fn(key, value)
		stopped = err == kv.ErrStop
		return err
	}
	err := w.reader.Scan(prefix, after, func(key, value []byte) error {
		if err := news.before(key, emit); err != nil {
			return err
		}
		if news.ok && news.Key() == string(key) {
			value = news.Value()
			news.next()
			if value == nil {
				return nil
			}
		}
		return emit(key, value)
	})
	if err != nil || stopped {
		return err
	}
	if err := news.before(nil, emit); err != kv.ErrStop {
		return err
	}
	return nil
}

// walk goes over what is pending under a prefix.
type walk struct {
	btree.MapIter[string, []byte]
	prefix string
	ok     bool // it is at a key
}

func (w writer) from(prefix, after []byte) *walk {
	start := prefix
	if bytes.Compare(after, prefix) > 0 {
		start = after
	}
	n := &walk{MapIter: w.pending.Iter(), prefix: string(prefix)}
	n.ok = n.Seek(string(start)) && strings.HasPrefix(n.Key(), n.prefix)
	if n.ok && after != nil && n.Key() == string(after) {
		n.next()
	}
	return n
}

func (n *walk) next() { n.ok = n.Next() && strings.HasPrefix(n.Key(), n.prefix) }

// before passes on what is pending before a key; nil is after all.
func (n *walk) before(key []byte, fn func(key, value []byte) error) error {
	for ; n.ok && (key == nil || n.Key() < string(key)); n.next() {
		if n.Value() == nil {
			continue
		}
		if err := fn([]byte(n.Key()), n.Value()); err != nil {
			return err
		}
	}
	return nil
}

// flush gives bbolt what is pending.
func (w writer) flush() (err error) {
	defer recovered(&err, "write the keys")
	w.pending.Scan(func(key string, value []byte) bool {
		if value == nil {
			err = w.b.Delete([]byte(key))
		} else {
			err = w.b.Put([]byte(key), value)
		}
		return err == nil
	})
	return classify(err)
}
