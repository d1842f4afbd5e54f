package kv

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxGroup bounds the updates that share a commit, so that the first of them
// does not wait for ever longer.
const maxGroup = 256

// DB is an engine whose concurrent updates share commits. It is safe for
// concurrent use.
type DB struct {
	engine Engine

	mu    sync.Mutex
	queue []*call // updates that wait for a leader

	lead chan struct{} // holds one value while somebody leads

	observe func(updates int, took time.Duration, err error)
	begin   func()
	end     func(Writer) error
}

// Group puts group commit on top of an engine, which belongs to the DB then.
func Group(e Engine) *DB { return &DB{engine: e, lead: make(chan struct{}, 1)} }

// Observe has fn told of every commit from now on: how many updates shared it,
// how long it took, and how it ended. It is called before the first update.
func (db *DB) Observe(fn func(updates int, took time.Duration, err error)) { db.observe = fn }

// Around has begin called before the first update of each commit runs, and end after the
// last one, to write what they have in common once. Where end fails, so does the commit. It
// is called before the first update.
func (db *DB) Around(begin func(), end func(Writer) error) { db.begin, db.end = begin, end }

// View runs fn on the newest committed snapshot and returns its error.
func (db *DB) View(fn func(Reader) error) error { return db.engine.View(fn) }

// Scrub overwrites a part of what was deleted or replaced.
func (db *DB) Scrub(from int) (next int, err error) { return db.engine.Scrub(from) }

// Close closes the engine.
func (db *DB) Close() error { return db.engine.Close() }

// call is one Update.
type call struct {
	fn        func(Tx) error
	done      chan struct{} // closed when err is set
	err       error
	panicked  any // what fn panicked with
	onCommit  []func()
	onFailure []func(error)
}

// Update runs fn and commits what it wrote to stable storage, or nothing where
// fn or the commit fails. It returns the error of fn unchanged.
func (db *DB) Update(fn func(Tx) error) error {
	c := &call{fn: fn, done: make(chan struct{})}
	db.mu.Lock()
	db.queue = append(db.queue, c)
	db.mu.Unlock()
	select {
	case <-c.done:
	case db.lead <- struct{}{}:
		db.leadOnce(c)
	}
	if c.panicked != nil {
		panic(c.panicked)
	}
	return c.err
}

// leadOnce commits groups until c is done. The queue is in order, so that one
// group nearly always suffices.
func (db *DB) leadOnce(c *call) {
	defer func() { <-db.lead }()
	for {
		select {
		case <-c.done:
			return
		default:
			db.commit(db.take())
		}
	}
}

// take removes the next group from the queue.
func (db *DB) take() []*call {
	db.mu.Lock()
	defer db.mu.Unlock()
	n := min(len(db.queue), maxGroup)
	group := slices.Clone(db.queue[:n])
	db.queue = slices.Delete(db.queue, 0, n)
	return group
}

// errNothing ends an engine's update in which no closure succeeded.
var errNothing = errors.New("nothing to commit")

// commit runs a group in one transaction and tells every member how it went.
func (db *DB) commit(group []*call) {
	defer func() {
		for _, c := range group {
			close(c.done)
		}
	}()
	begun, wrote := time.Now(), 0
	err := db.engine.Update(func(w Writer) error {
		wrote = 0
		if db.begin != nil {
			db.begin()
		}
		for _, c := range group {
			tx := &savepoint{Writer: w}
			c.run(tx)
			c.onCommit, c.onFailure = tx.onCommit, tx.onFailure
			if c.failed() {
				if err := tx.undo(); err != nil {
					return fmt.Errorf("undo a failed update: %w", err)
				}
				continue
			}
			if len(tx.log) > 0 || len(tx.onCommit) > 0 {
				wrote++
			}
		}
		if wrote == 0 {
			return errNothing
		}
		if db.end != nil {
			return db.end(w)
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		err = nil
	} else if db.observe != nil {
		db.observe(wrote, time.Since(begun), err)
	}
	for _, c := range group {
		c.finish(err)
	}
}

func (c *call) failed() bool { return c.err != nil || c.panicked != nil }

// run calls fn. A group that is committed again calls it again.
func (c *call) run(tx *savepoint) {
	c.err, c.panicked = nil, nil
	defer func() { c.panicked = recover() }()
	c.err = c.fn(tx)
}

// finish settles the outcome of a call whose group ended with err.
func (c *call) finish(err error) {
	if c.failed() {
		return
	}
	if c.err = err; err != nil {
		for _, fn := range c.onFailure {
			fn(err)
		}
		return
	}
	defer func() { c.panicked = recover() }()
	for _, fn := range c.onCommit {
		fn()
	}
}

// savepoint is the part of one update in the transaction of a group. It keeps
// what it overwrote, so that it can be undone alone.
type savepoint struct {
	Writer
	log       []undo
	onCommit  []func()
	onFailure []func(error)
}

// undo is one key and the value that it had; nil where there was none.
type undo struct{ key, old []byte }

// OnCommit has fn called after the commit.
func (s *savepoint) OnCommit(fn func()) { s.onCommit = append(s.onCommit, fn) }

// OnFailure has fn called after a commit that failed.
func (s *savepoint) OnFailure(fn func(error)) { s.onFailure = append(s.onFailure, fn) }

// Put sets the value of a key.
func (s *savepoint) Put(key, value []byte) error {
	if err := s.remember(key); err != nil {
		return err
	}
	return s.Writer.Put(key, value)
}

// Delete removes a key.
func (s *savepoint) Delete(key []byte) error {
	if err := s.remember(key); err != nil {
		return err
	}
	return s.Writer.Delete(key)
}

func (s *savepoint) remember(key []byte) error {
	old, err := s.Get(key)
	switch {
	case errors.Is(err, ErrNotFound):
		old = nil
	case err != nil:
		return err
	default:
		old = append(make([]byte, 0, len(old)), old...)
	}
	s.log = append(s.log, undo{slices.Clone(key), old})
	return nil
}

// undo reverts the writes, the last one first.
func (s *savepoint) undo() error {
	for _, u := range slices.Backward(s.log) {
		var err error
		if u.old == nil {
			err = s.Writer.Delete(u.key)
		} else {
			err = s.Writer.Put(u.key, u.old)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
