package vtoken

import (
	"hash/maphash"
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// objectSpace holds objects with their parsed keys: those of a token, or the session objects
// of one attachment.
type objectSpace struct {
	mu      sync.RWMutex
	objects objectIndex
	keys    map[ck.ObjectHandle]*liveKey
}

func newObjectSpace(seed maphash.Seed) objectSpace {
	return objectSpace{objects: newObjectIndex(seed), keys: map[ck.ObjectHandle]*liveKey{}}
}

// sessionObjectBit marks the handles of session objects. The ids of token objects are smaller.
const sessionObjectBit ck.ObjectHandle = 1 << 62

// get returns the object with the handle, or nil.
func (h *objectSpace) get(handle ck.ObjectHandle) *object.Object {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.objects.get(handle)
}

func (h *objectSpace) count() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.objects.len()
}

// takeKey removes one parsed key. h.mu is locked.
func (h *objectSpace) takeKey(handle ck.ObjectHandle) []*liveKey {
	k := h.keys[handle]
	if k == nil {
		return nil
	}
	delete(h.keys, handle)
	return []*liveKey{k}
}

// takeKeys removes the parsed keys of the chosen objects, for the caller to wipe.
func (h *objectSpace) takeKeys(chosen func(*object.Object) bool) []*liveKey {
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
