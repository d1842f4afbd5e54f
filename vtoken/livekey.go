package vtoken

import (
	"sync"

	"vtoken/vtoken/mech"
)

// liveKey is a parsed key that operations share. Whoever uses it holds it
// meanwhile, so that it is never wiped under a running computation.
type liveKey struct {
	mu   sync.RWMutex
	key  *mech.Key
	dead bool
}

// acquire reports whether the key may still be used; then the caller lets go of it.
func (k *liveKey) acquire() bool {
	k.mu.RLock()
	if k.dead {
		k.mu.RUnlock()
		return false
	}
	return true
}

func (k *liveKey) release() { k.mu.RUnlock() }

// wipeKeys wipes keys that nobody may use any longer.
func (e *Engine) wipeKeys(keys []*liveKey) {
	for _, k := range keys {
		k.wipe()
	}
	if len(keys) > 0 {
		e.opts.Forgotten()
	}
}

// wipe waits for computations with the key and wipes it. Operations that have
// it are over.
func (k *liveKey) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.dead {
		k.dead = true
		k.key.Wipe()
	}
}
