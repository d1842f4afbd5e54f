package remote

import (
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// session is a session of the host: where it is, the SignInit that waits for its
// Sign (see sign.go), and what a search has found (see find.go).
type session struct {
	conn   *conn
	remote uint64 // the daemon's handle
	slot   ck.SlotID

	mu       sync.Mutex
	signing  bool      // a signature is under way at the daemon
	held     *exchange // a SignInit that was answered with CKR_OK and not sent
	failed   error     // what the daemon said to a held one that had to go alone
	accepted []byte    // the last SignInit that the daemon accepted
	settled  uint64    // conn.inits when it did
	otpInfo  bool      // the signature is a CK_OTP_SIGNATURE_INFO, see otp.go
	search   search
	// signature is what C_VerifySignatureInit was given; nil where no such
	// operation is under way.
	signature []byte
}

// sessionTable finds sessions by the handle that the host has.
type sessionTable struct {
	mu   sync.RWMutex
	list map[ck.SessionHandle]*session
	next ck.SessionHandle
}

func (t *sessionTable) init(first ck.SessionHandle) {
	t.list, t.next = make(map[ck.SessionHandle]*session), first
}

func (t *sessionTable) add(s *session) ck.SessionHandle {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.next
	t.next++
	t.list[h] = s
	return h
}

func (t *sessionTable) find(h ck.SessionHandle) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.list[h]
}

func (t *sessionTable) remove(h ck.SessionHandle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.list, h)
}

// removeSlot removes the sessions of a slot and those that are lost anyway.
func (t *sessionTable) removeSlot(slot ck.SlotID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h, s := range t.list {
		if s.slot == slot || s.conn.lost() {
			delete(t.list, h)
		}
	}
}

// session finds a session that is not lost.
func (c *Client) session(h ck.SessionHandle) (*session, error) {
	s := c.sessions.find(h)
	if s == nil {
		return nil, ck.CKR_SESSION_HANDLE_INVALID
	}
	if s.conn.lost() {
		c.sessions.remove(h)
		if c.closed.Load() {
			return nil, errClosed()
		}
		return nil, ck.Errorf(ck.CKR_SESSION_HANDLE_INVALID, "session %d went with its connection, open a new one", h)
	}
	return s, nil
}

// beginSession starts a request whose first value is the session. What was held
// back in the session goes before it.
func (c *Client) beginSession(h ck.SessionHandle, call p11rpc.CallID) (*exchange, error) {
	s, err := c.session(h)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.flush()
	s.mu.Unlock()
	return s.begin(call), nil
}

func (s *session) begin(call p11rpc.CallID) *exchange {
	x := s.conn.begin(call)
	x.enc.Ulong(s.remote)
	return x
}

// OpenSession is C_OpenSession (section 5.6.1). There are no callbacks: the
// daemon has nothing to tell through them.
func (c *Client) OpenSession(slot ck.SlotID, flags ck.Flags) (ck.SessionHandle, error) {
	x, err := c.begin(p11rpc.CallOpenSession)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Ulong(uint64(slot))
	x.enc.Ulong(uint64(flags))
	remote, err := x.number()
	if err != nil {
		return 0, err
	}
	return c.sessions.add(&session{conn: x.conn, remote: remote, slot: slot}), nil
}

// CloseSession is C_CloseSession (section 5.6.2).
func (c *Client) CloseSession(h ck.SessionHandle) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.drop()
	s.mu.Unlock()
	x := s.begin(p11rpc.CallCloseSession)
	defer x.free()
	err = x.plain()
	if err == nil || ck.CodeOf(err) == ck.CKR_SESSION_HANDLE_INVALID {
		c.sessions.remove(h)
	}
	return err
}

// CloseAllSessions is C_CloseAllSessions (section 5.6.3).
func (c *Client) CloseAllSessions(slot ck.SlotID) error {
	x, err := c.begin(p11rpc.CallCloseAllSessions)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Ulong(uint64(slot))
	if err := x.plain(); err != nil {
		return err
	}
	c.sessions.removeSlot(slot)
	return nil
}

// lastValidation is CKS_LAST_VALIDATION_OK, the one type of validation flags.
const lastValidation = 1

// GetSessionValidationFlags is C_GetSessionValidationFlags (section 5.6.14 of
// 3.2). There are no validation objects, so that no flag is ever set.
func (c *Client) GetSessionValidationFlags(h ck.SessionHandle, kind uint64) (ck.Flags, error) {
	if _, err := c.GetSessionInfo(h); err != nil {
		return 0, err
	}
	if kind != lastValidation {
		return 0, ck.Errorf(ck.CKR_ARGUMENTS_BAD, "type %d of validation flags; there is %d", kind, lastValidation)
	}
	return 0, nil
}

// GetSessionInfo is C_GetSessionInfo (section 5.6.4).
func (c *Client) GetSessionInfo(h ck.SessionHandle) (ck.SessionInfo, error) {
	x, err := c.beginSession(h, p11rpc.CallGetSessionInfo)
	if err != nil {
		return ck.SessionInfo{}, err
	}
	defer x.free()
	if err := x.run(); err != nil {
		return ck.SessionInfo{}, err
	}
	info := x.dec.SessionInfo()
	return info, x.done()
}
