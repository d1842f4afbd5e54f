package vtoken

import (
	"slices"
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// token is a loaded token, shared by all applications that have it open.
type token struct {
	id   record.TokenID
	slot ck.SlotID
	rec  atomic.Pointer[record.Token]
	uses int // attachments and PIN checks; Engine.mu
	home
	userLogins int // applications in which the user is logged in; home.mu

	pinMu  [2]sync.Mutex // by pin.Role
	memory [2][]byte     // the PIN memory, each under its pinMu; see held
	wrong  [2]wrongPINs  // likewise
	held   held          // of a PIN-bound token
}

// The loaded tokens that no application uses stay in memory, so that a
// short-lived process finds its token ready, until there are more than these.
const (
	maxIdleTokens  = 1024
	maxIdleObjects = 200_000
)

func (t *token) record() *record.Token { return t.rec.Load() }

// acquire loads the token where it is not, and counts one more use of it.
func (e *Engine) acquire(id record.TokenID) (*token, error) {
	if t := e.reuse(id); t != nil {
		return t, nil
	}
	var rec *record.Token
	var objects []*object.Object
	read := func(tx ReadTx) (err error) {
		if rec, err = tx.Token(id); err != nil {
			return err
		}
		objects, err = tx.Objects(id)
		return err
	}
	var t *token
	err := e.load(read, func(missed []record.Change) {
		if t = e.reuseLocked(id); t == nil {
			t = newToken(e, rec, objects, missed)
			t.uses++
			e.tokens[id] = t
		}
	})
	if err != nil {
		return nil, asRemoved(err, "loading a token")
	}
	return t, nil
}

func newToken(e *Engine, rec *record.Token, objects []*object.Object, missed []record.Change) *token {
	t := &token{id: rec.ID, slot: rec.Slot, home: newHome(e.seed)}
	t.rec.Store(rec)
	for _, o := range objects {
		t.objects.put(ck.ObjectHandle(o.ID), o)
	}
	for _, change := range missed {
		if change.TokenID == rec.ID {
			t.applyChange(change)
		}
	}
	return t
}

func (e *Engine) reuse(id record.TokenID) *token {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reuseLocked(id)
}

func (e *Engine) reuseLocked(id record.TokenID) *token {
	t := e.tokens[id]
	if t == nil {
		return nil
	}
	if t.uses == 0 {
		e.idle = slices.DeleteFunc(e.idle, func(other *token) bool { return other == t })
	}
	t.uses++
	return t
}

// release ends one use. The last one wipes the parsed keys.
func (e *Engine) release(t *token) {
	var keys []*liveKey
	e.mu.Lock()
	if t.uses--; t.uses == 0 {
		keys = t.takeKeys(func(*object.Object) bool { return true })
		e.idle = append(e.idle, t)
		e.forgetTokens()
	}
	e.mu.Unlock()
	e.killAll(keys)
}

// forgetTokens unloads idle tokens, the longest idle first. e.mu is locked.
func (e *Engine) forgetTokens() {
	objects := 0
	for _, t := range e.idle {
		objects += t.count()
	}
	for len(e.idle) > 0 && (len(e.idle) > maxIdleTokens || objects > maxIdleObjects) {
		t := e.idle[0]
		objects -= t.count()
		e.idle = e.idle[1:]
		delete(e.tokens, t.id)
	}
}

// applyChange takes one change of the feed and returns the keys that it makes
// invalid, for the caller to kill.
func (t *token) applyChange(change record.Change) []*liveKey {
	if change.Token != nil {
		if change.Token.Version > t.record().Version {
			t.rec.Store(change.Token)
		}
	}
	if change.Deleted {
		gone := t.record().Clone()
		gone.Enabled = false
		t.rec.Store(gone)
		return t.takeKeys(func(*object.Object) bool { return true })
	}
	if change.ObjectID == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h := ck.ObjectHandle(change.ObjectID)
	if change.Object == nil {
		t.objects.remove(h)
		return t.takeKey(h)
	}
	if old := t.objects.get(h); old == nil || old.Version < change.Object.Version {
		t.objects.put(h, change.Object)
	}
	return nil
}
