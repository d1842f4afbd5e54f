package vtoken

import (
	"sync"

	"vtoken/vtoken/mech"
)

// liveKey is a parsed key that operations share. They acquire it for each use, so that it is
// never wiped during a computation.
type liveKey struct {
	mu   sync.RWMutex
	key  *mech.Key
	dead bool
}

// acquire reports whether the key may still be used. If so, the caller releases it.
func (k *liveKey) acquire() bool {
	k.mu.RLock()
	if k.dead {
		k.mu.RUnlock()
		return false
	}
	return true
}

func (k *liveKey) release() { k.mu.RUnlock() }

// wipeKeys wipes keys that may no longer be used.
func (e *Engine) wipeKeys(keys []*liveKey) {
	for _, k := range keys {
		k.wipe()
	}
	if len(keys) > 0 {
		e.opts.Forgotten()
	}
}

// wipe waits for computations with the key, and wipes it. Operations that use it end.
func (k *liveKey) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.dead {
		k.dead = true
		k.key.Wipe()
	}
}
