package vtoken

import (
	"hash/maphash"
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// home is where objects live, with their parsed keys: a token, or the session
// objects of one attachment.
type home struct {
	mu      sync.RWMutex
	objects collection
	keys    map[ck.ObjectHandle]*liveKey
}

func newHome(seed maphash.Seed) home {
	return home{objects: newCollection(seed), keys: map[ck.ObjectHandle]*liveKey{}}
}

// sessionObjectBit marks the handles of session objects: ids of token objects
// are below it.
const sessionObjectBit ck.ObjectHandle = 1 << 62

// get is the object with the handle, or nil.
func (h *home) get(handle ck.ObjectHandle) *object.Object {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.objects.get(handle)
}

func (h *home) count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.objects.len()
}

// takeKey removes one parsed key. h.mu is locked.
func (h *home) takeKey(handle ck.ObjectHandle) []*liveKey {
	k := h.keys[handle]
	if k == nil {
		return nil
	}
	delete(h.keys, handle)
	return []*liveKey{k}
}

// takeKeys removes the parsed keys of the objects that are chosen, for the
// caller to kill.
func (h *home) takeKeys(chosen func(*object.Object) bool) []*liveKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	var taken []*liveKey
	for handle := range h.keys {
		if o := h.objects.get(handle); o == nil || chosen(o) {
			taken = append(taken, h.takeKey(handle)...)
		}
	}
	return taken
}

// liveKey is a parsed key that operations share. Whoever uses it holds it
// meanwhile, so that it is never wiped under a running computation.
type liveKey struct {
	mu   sync.RWMutex
	key  *mech.Key
	dead bool
}

// hold reports whether the key may still be used; then the caller lets go of it.
func (k *liveKey) hold() bool {
	k.mu.RLock()
	if k.dead {
		k.mu.RUnlock()
		return false
	}
	return true
}

func (k *liveKey) letGo() { k.mu.RUnlock() }

// killAll wipes keys that nobody may use any longer.
func (e *Engine) killAll(keys []*liveKey) {
	for _, k := range keys {
		k.kill()
	}
	if len(keys) > 0 {
		e.opts.Forgotten()
	}
}

// kill waits for computations with the key and wipes it. Operations that have
// it are over.
func (k *liveKey) kill() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.dead {
		k.dead = true
		k.key.Wipe()
	}
}
