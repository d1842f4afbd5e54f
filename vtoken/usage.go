package vtoken

// Usage is how much an engine is in use at one moment.
type Usage struct {
	Applications int // between their C_Initialize and their end
	Sessions     int // open ones, of all applications
}

// Usage counts the applications and their sessions. Both are 0 where nobody is
// connected: a session never outlives its application (P44).
func (e *Engine) Usage() Usage {
	var u Usage
	for _, c := range e.everyClient() {
		c.mu.RLock()
		u.Applications++
		u.Sessions += len(c.sessions)
		c.mu.RUnlock()
	}
	return u
}
