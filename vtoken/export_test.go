package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// InUse is how many clients are connected and how many tokens they have open.
func (e *Engine) InUse() (clients, tokens int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.tokens {
		if t.uses > 0 {
			tokens++
		}
	}
	return len(e.clients), tokens
}

// ParsedKeys is how many parsed keys are in memory, of private objects and of
// others.
func (e *Engine) ParsedKeys() (private, public int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.tokens {
		t.mu.RLock()
		for h := range t.keys {
			if o := t.objects.get(h); o != nil && !o.Private() {
				public++
			} else {
				private++
			}
		}
		t.mu.RUnlock()
	}
	return private, public
}

// Kept is how many users' tokens are known and how many tokens are loaded.
func (e *Engine) Kept() (holders, loaded int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.holders), len(e.tokens)
}

// HeldKeys is how many keys and hashes of PINs of PIN-bound tokens are in memory.
func (e *Engine) HeldKeys() (n int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, t := range e.tokens {
		if !t.record().PINBound {
			continue
		}
		t.secrets.mu.Lock()
		for _, b := range [][]byte{t.secrets.bound, t.secrets.pinMemory[0], t.secrets.pinMemory[1], t.pinMemory[0], t.pinMemory[1]} {
			if b != nil {
				n++
			}
		}
		t.secrets.mu.Unlock()
	}
	return n
}

// Feed is a commit of the store, without the store.
func (e *Engine) Feed(changes ...record.Change) { e.applyChanges(changes) }

// TokenIn is the record of the token in a slot that the application sees.
func (c *Client) TokenIn(slot ck.SlotID) (*record.Token, error) { return c.presentToken(slot) }
