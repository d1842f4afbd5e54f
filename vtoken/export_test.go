package vtoken

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
