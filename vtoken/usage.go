package vtoken

// Usage is how much an engine is in use at one moment.
type Usage struct {
	Applications int // between their C_Initialize and their end
	Sessions     int // open ones, of all applications
	// Loads is how many sets were read from the store so far: the tokens of a user, or
	// the objects of a token. A set that is in memory is not read again.
	Loads uint64
}

// Usage counts the applications and their sessions. A session never outlives its application,
// so both are 0 if nobody is connected.
func (e *Engine) Usage() Usage {
	u := Usage{Loads: e.loaded.Load()}
	for _, c := range e.allClients() {
		c.mu.RLock()
		u.Applications++
		u.Sessions += len(c.sessions)
		c.mu.RUnlock()
	}
	return u
}
