package kvtest

import (
	"errors"
	"sync"

	"vtoken/keystore/kv"
)

// Op is a kind of storage call that can fail.
type Op string

// The calls that a [Faulty] engine counts.
const (
	OpGet    Op = "get"
	OpScan   Op = "scan"
	OpPut    Op = "put"
	OpDelete Op = "delete"
	OpCommit Op = "commit" // nothing is changed
)

// Faulty is an engine whose n-th call of a kind fails once.
type Faulty struct {
	kv.Engine

	mu   sync.Mutex
	op   Op
	left int
	err  error
	hit  bool
	only bool // a transaction without the failure is not committed
}

// ErrRehearsed is what a commit fails with after [Faulty.Rehearse], if all its calls worked.
var ErrRehearsed = errors.New("the call that should fail did not happen")

// Fail arms the engine: the n-th call of the kind from now on, counted from 1,
// returns err instead of doing anything.
func (f *Faulty) Fail(op Op, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.op, f.left, f.err, f.hit, f.only = op, n, err, false, false
}

// Rehearse is like Fail, and a transaction in which the call does not happen fails as well,
// with [ErrRehearsed]. So the engine keeps what it holds, and the next call can be tried.
func (f *Faulty) Rehearse(op Op, n int, err error) {
	f.Fail(op, n, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.only = true
}

// Hit reports whether the armed failure has happened.
func (f *Faulty) Hit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

// try counts a call and says how it ends.
func (f *Faulty) try(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.op != op || f.hit {
		return nil
	}
	if f.left--; f.left > 0 {
		return nil
	}
	f.hit = true
	return f.err
}

// View runs fn on a snapshot whose reads may fail.
func (f *Faulty) View(fn func(kv.Reader) error) error {
	return f.Engine.View(func(r kv.Reader) error { return fn(faultyReader{r, f}) })
}

// Update runs fn in a transaction whose calls may fail, and whose commit may.
func (f *Faulty) Update(fn func(kv.Writer) error) error {
	return f.Engine.Update(func(w kv.Writer) error {
		if err := fn(faultyWriter{faultyReader{w, f}, w}); err != nil {
			return err
		}
		if err := f.try(OpCommit); err != nil {
			return err
		}
		return f.missed()
	})
}

// missed is ErrRehearsed if the engine was armed in vain.
func (f *Faulty) missed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.only && !f.hit {
		return ErrRehearsed
	}
	return nil
}

type faultyReader struct {
	kv.Reader
	f *Faulty
}

func (r faultyReader) Get(key []byte) ([]byte, error) {
	if err := r.f.try(OpGet); err != nil {
		return nil, err
	}
	return r.Reader.Get(key)
}

func (r faultyReader) Scan(prefix, after []byte, fn func(key, value []byte) error) error {
	if err := r.f.try(OpScan); err != nil {
		return err
	}
	return r.Reader.Scan(prefix, after, fn)
}

type faultyWriter struct {
	faultyReader
	w kv.Writer
}

func (w faultyWriter) Put(key, value []byte) error {
	if err := w.f.try(OpPut); err != nil {
		return err
	}
	return w.w.Put(key, value)
}

func (w faultyWriter) Delete(key []byte) error {
	if err := w.f.try(OpDelete); err != nil {
		return err
	}
	return w.w.Delete(key)
}
