package vtoken

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
)

// OnSlow has told called with a session whose calls may take long from now on, and again
// when they no longer do: while an operation uses a key with which that is so
// ([vtoken/vtoken/mech.Key.Heavy]), or one that commits its next state (CKM_HOTP). A closed
// session takes no time. It is told at once of the sessions of a restored application. The call that changes it is answered after told has returned.
// Callers use it to know of a call before they begin it, so told is set before the first
// one. It is called under locks, and only takes note.
func (c *Client) OnSlow(told func(h ck.SessionHandle, slow bool)) {
	c.onSlow = told
	c.mu.RLock()
	sessions := slices.Collect(maps.Values(c.sessions))
	c.mu.RUnlock()
	for _, s := range sessions {
		s.pace.tellAgain(s)
	}
}

// slow reports whether an operation of the session takes long. s.mu is locked.
func (s *session) slow() bool {
	for _, op := range &s.ops {
		if op != nil && op.slow {
			return true
		}
	}
	return false
}

// pace is what was told of the pace of a session.
type pace struct {
	slow atomic.Bool
	mu   sync.Mutex
	over bool // the session is closed
}

// tell tells a change.
func (p *pace) tell(s *session, slow bool) {
	if p.slow.Load() == slow {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.slow.Store(slow)
		s.attachment.client.onSlow(s.handle, slow)
	}
}

// tellAgain tells somebody new that a session is slow.
func (p *pace) tellAgain(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over && p.slow.Load() {
		s.attachment.client.onSlow(s.handle, true)
	}
}

// end tells that a session which was slow is closed.
func (p *pace) end(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.slow.Swap(false) {
		s.attachment.client.onSlow(s.handle, false)
	}
}
