package vtoken

import "vtoken/vtoken/ck"

// Heavy reports whether a call in the session may take long: where one is at work
// in it already, or an operation uses a key with which that is so
// ([vtoken/vtoken/mech.Key.Heavy]) or has something to commit (CKM_HOTP). It never
// waits. Whoever works on the calls of many sessions asks before they begin one.
func (c *Client) Heavy(h ck.SessionHandle) bool {
	c.mu.RLock()
	s := c.sessions[h]
	c.mu.RUnlock()
	if s == nil {
		return false
	}
	if !s.mu.TryLock() {
		return true
	}
	defer s.leave()
	for _, op := range &s.ops {
		if op != nil && op.heavy {
			return true
		}
	}
	return false
}
