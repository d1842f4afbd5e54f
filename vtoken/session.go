package vtoken

import (
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/pin"
)

// session is one session of one application. Calls in it run one after the other.
type session struct {
	handle     ck.SessionHandle
	writable   bool
	attachment *attachment
	closed     atomic.Bool
	objects    map[ck.ObjectHandle]struct{} // its session objects; attachment.objectSpace.mu

	mu      sync.Mutex
	ops     [kinds]*operation
	finder  *finder
	purse   *meter.Purse
	weighed int // what the purse was told of last
	pace    pace
}

func (s *session) token() *token { return s.attachment.token }

func (s *session) engine() *Engine { return s.attachment.client.engine }

// role returns the role that is logged in; ok is false in a public session.
func (s *session) role() (r pin.Role, ok bool) {
	l := s.attachment.login.Load()
	if l == nil {
		return 0, false
	}
	return l.role, true
}

// isUser reports whether the user is logged in, who sees private objects.
func (s *session) isUser() bool {
	r, ok := s.role()
	return ok && r == pin.User
}

// state is CK_SESSION_INFO's state (section 5.6).
func (s *session) state() ck.State {
	r, in := s.role()
	switch {
	case in && r == pin.SO:
		return ck.CKS_RW_SO_FUNCTIONS
	case in && s.writable:
		return ck.CKS_RW_USER_FUNCTIONS
	case in:
		return ck.CKS_RO_USER_FUNCTIONS
	case s.writable:
		return ck.CKS_RW_PUBLIC_SESSION
	}
	return ck.CKS_RO_PUBLIC_SESSION
}

// session finds a session.
func (c *Client) session(h ck.SessionHandle) (*session, error) {
	if c.stale.Load() {
		if err := c.refresh(); err != nil {
			return nil, err
		}
	}
	c.mu.RLock()
	s := c.sessions[h]
	c.mu.RUnlock()
	if s == nil {
		return nil, ck.CKR_SESSION_HANDLE_INVALID
	}
	return s, nil
}

// enter finds a session and begins a call in it. The caller calls leave.
func (c *Client) enter(h ck.SessionHandle) (*session, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	return s, s.enter()
}

// enter begins a call in the session. Unless it fails, the caller calls leave.
func (s *session) enter() error {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return ck.CKR_SESSION_HANDLE_INVALID
	}
	return nil
}

// leave ends a call in the session.
func (s *session) leave() {
	s.settle()
	s.pace.tell(s, s.slow())
	s.mu.Unlock()
}

// OpenSession is C_OpenSession (section 5.6). CKF_SERIAL_SESSION must be set.
func (c *Client) OpenSession(slot ck.SlotID, flags ck.Flags) (ck.SessionHandle, error) {
	if !flags.Has(ck.CKF_SERIAL_SESSION) {
		return 0, ck.Errorf(ck.CKR_SESSION_PARALLEL_NOT_SUPPORTED, "C_OpenSession needs CKF_SERIAL_SESSION")
	}
	if flags.Has(ck.CKF_ASYNC_SESSION) {
		return 0, ck.CKR_SESSION_ASYNC_NOT_SUPPORTED
	}
	if err := c.refresh(); err != nil {
		return 0, err
	}
	return c.openSession(slot, flags.Has(ck.CKF_RW_SESSION), 0)
}

// openSession opens a session with the token in the slot, under the handle, or under a new one
// for 0.
func (c *Client) openSession(slot ck.SlotID, writable bool, handle ck.SessionHandle) (ck.SessionHandle, error) {
	rec, err := c.presentToken(slot)
	if err != nil {
		return 0, err
	}
	if !rec.Initialized {
		return 0, ck.Errorf(ck.CKR_TOKEN_NOT_RECOGNIZED, "the token in slot %d is not initialized; call C_InitToken first", slot)
	}
	t, err := c.engine.acquire(c, rec.ID)
	if err != nil {
		return 0, err
	}
	h, used, err := c.addSession(t, writable, handle)
	if !used {
		c.engine.release(t)
	}
	return h, err
}

// addSession adds a session with a token that the caller acquired, under the handle, or under
// a new one for 0. used reports whether the attachment took over that use.
func (c *Client) addSession(t *token, writable bool, handle ck.SessionHandle) (h ck.SessionHandle, used bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.attachments[t.id]
	switch {
	case c.closed:
		return 0, false, ck.CKR_CRYPTOKI_NOT_INITIALIZED
	case !c.sees(t.record()):
		return 0, false, ck.CKR_DEVICE_REMOVED
	case len(c.sessions) >= int(c.engine.maxSessions.Load()):
		return 0, false, ck.Errorf(ck.CKR_SESSION_COUNT, "the application has %d sessions open; close some", len(c.sessions))
	case handle != 0 && c.sessions[handle] != nil:
		return 0, false, ck.Errorf(ck.CKR_SESSION_HANDLE_INVALID, "the application has a session %d already", handle)
	case old != nil && !writable && old.hasRole(pin.SO):
		return 0, false, ck.Errorf(ck.CKR_SESSION_READ_WRITE_SO_EXISTS, "the SO is logged in, so only read-write sessions can be opened")
	}
	purse, err := c.openPurse(old == nil)
	if err != nil {
		return 0, false, err
	}
	for handle == 0 || c.sessions[handle] != nil {
		handle = ck.SessionHandle(c.engine.handles.Add(1))
	}
	a, used := c.attach(t)
	s := &session{
		handle:   handle,
		writable: writable, attachment: a,
		purse: purse, weighed: sessionWeight,
	}
	a.sessions[s] = struct{}{}
	if writable {
		a.writable++
	}
	c.sessions[s.handle] = s
	return s.handle, used, nil
}

// openPurse charges for a session, and for its attachment if that is new.
func (c *Client) openPurse(attaches bool) (*meter.Purse, error) {
	purse, err := meter.Open(c.account, sessionAdvance, 0)
	if err != nil {
		return nil, err
	}
	if attaches {
		err = meter.Charge(c.account, attachmentWeight)
	}
	if err == nil {
		err = purse.Take(sessionWeight)
	}
	if err != nil {
		purse.End()
	}
	return purse, err
}

// CloseSession is C_CloseSession (section 5.6). It destroys the session's objects. The last
// session with a token ends the login.
func (c *Client) CloseSession(h ck.SessionHandle) error {
	c.mu.Lock()
	s := c.sessions[h]
	if s == nil {
		c.mu.Unlock()
		return ck.CKR_SESSION_HANDLE_INVALID
	}
	r := c.closeLocked(s)
	c.mu.Unlock()
	c.runCleanup(r)
	return nil
}

// CloseAllSessions is C_CloseAllSessions (section 5.6): it closes this application's sessions
// with the token in the slot.
func (c *Client) CloseAllSessions(slot ck.SlotID) error {
	if _, err := c.tokenInSlot(slot); err != nil {
		return err
	}
	c.closeWhere(func(a *attachment) bool { return a.token.slot == slot })
	return nil
}

// GetSessionInfo is C_GetSessionInfo (section 5.6).
func (c *Client) GetSessionInfo(h ck.SessionHandle) (ck.SessionInfo, error) {
	s, err := c.session(h)
	if err != nil {
		return ck.SessionInfo{}, err
	}
	info := ck.SessionInfo{SlotID: s.token().slot, State: s.state(), Flags: ck.CKF_SERIAL_SESSION}
	if s.writable {
		info.Flags |= ck.CKF_RW_SESSION
	}
	return info, nil
}
