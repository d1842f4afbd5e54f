package vtoken

import (
	"container/list"
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
	// Where it has no use: its place among the idle, and the objects it counts for
	// there. Engine.mu.
	idle    *list.Element
	counted int
	objectSpace
	userLogins int // applications in which the user is logged in; objectSpace.mu

	pinMu     [2]sync.Mutex // by pin.Role
	pinMemory [2][]byte     // the PIN memory, each under its pinMu; see held
	wrong     [2]wrongPINs  // likewise
	secrets   loginSecrets  // of a PIN-bound token
}

// idleTokens are loaded tokens that no application uses. They stay in memory, so that a
// short-lived process finds its token loaded. The one that is idle longest is first.
type idleTokens struct {
	list    list.List // of *token
	objects int       // of all of them
}

// The idle tokens are kept until there are more than these.
const (
	maxIdleTokens  = 1024
	maxIdleObjects = 200_000
)

func (t *token) record() *record.Token { return t.rec.Load() }

// acquire loads the token if necessary, and counts one more use of it.
func (e *Engine) acquire(c *Client, id record.TokenID) (t *token, err error) {
	var rec *record.Token
	var objects []*object.Object
	err = e.obtain(c, id, loader{
		take: func() bool {
			t = e.reuse(id)
			return t != nil
		},
		read: func(tx ReadTx) (err error) {
			if rec, err = tx.Token(id); err != nil {
				return err
			}
			objects, err = tx.Objects(id)
			return err
		},
		concerns: func(change record.Change) bool { return change.TokenID == id },
		install:  func(missed []record.Change) { e.tokens[id] = newToken(e, rec, objects, missed) },
	})
	if err != nil {
		return nil, asRemoved(err, "loading a token")
	}
	return t, nil
}

func newToken(e *Engine, rec *record.Token, objects []*object.Object, missed []record.Change) *token {
	t := &token{id: rec.ID, slot: rec.Slot, objectSpace: newObjectSpace(e.seed)}
	t.rec.Store(rec)
	e.recallPINs(t)
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

// reuse counts one more use of a loaded token, or returns nil. e.mu is locked.
func (e *Engine) reuse(id record.TokenID) *token {
	t := e.tokens[id]
	if t == nil {
		return nil
	}
	if t.idle != nil {
		e.idle.list.Remove(t.idle)
		e.idle.objects -= t.counted
		t.idle = nil
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
		t.idle, t.counted = e.idle.list.PushBack(t), t.count()
		e.idle.objects += t.counted
		e.evictIdleTokens()
	}
	e.mu.Unlock()
	e.wipeKeys(keys)
}

// recount updates the number of objects of an idle token after a change. e.mu is locked.
func (e *Engine) recount(t *token) {
	if t.idle != nil {
		n := t.count()
		e.idle.objects += n - t.counted
		t.counted = n
	}
}

// evictIdleTokens unloads idle tokens, those that are idle longest first. e.mu is locked.
func (e *Engine) evictIdleTokens() {
	for e.idle.list.Len() > maxIdleTokens || e.idle.objects > maxIdleObjects {
		t := e.idle.list.Remove(e.idle.list.Front()).(*token)
		e.idle.objects -= t.counted
		t.idle = nil
		delete(e.tokens, t.id)
	}
}

// applyChange applies one change of the store, and returns the keys that it invalidates, for
// the caller to wipe.
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
