package remote

import (
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// session is a session of the host. It belongs to the application, not to a connection, with
// a daemon that knows the difference.
type session struct {
	client  *Client
	version byte   // of the protocol with the daemon that opened it
	remote  uint64 // the daemon's handle
	slot    ck.SlotID
	flags   ck.Flags

	conn   atomic.Pointer[conn] // that it used last; its only one with an older daemon
	pin    atomic.Pointer[pin]  // where its next call has to go, or nil
	gone   atomic.Bool          // no daemon has it any more
	doubts atomic.Uint64        // counts when all its operations were forgotten

	state  sync.Mutex // of what follows; see underway.go
	ops    [kinds]operation
	cancel ck.Flags // operations that the daemon may have, and is to end
	// abandon is the operations whose message under way the daemon is to end.
	abandon ck.Flags

	mu      sync.Mutex // of what follows: what waits for another call
	held    *exchange  // a SignInit that was answered with CKR_OK and not sent, see sign.go
	failed  error      // what the daemon said to a held one that had to go alone
	settled uint64     // Client.inits when the daemon accepted the last SignInit; 0 is never
	otpInfo bool       // the signature is a CK_OTP_SIGNATURE_INFO, see otp.go
	search  search
	replays uint64 // counts the searches that were started again
	// signature is what C_VerifySignatureInit was given; nil where no such
	// operation is under way.
	signature []byte
}

// sessionTable finds sessions by the handle that the host has.
type sessionTable struct {
	mu   sync.RWMutex
	list map[ck.SessionHandle]*session
	next ck.SessionHandle
	// objects are the session objects that another daemon can make again.
	objects map[ck.ObjectHandle]*sessionObject
}

func (t *sessionTable) init(first ck.SessionHandle) {
	t.list, t.next = make(map[ck.SessionHandle]*session), first
	t.objects = make(map[ck.ObjectHandle]*sessionObject)
}

// add gives a session its handle, unless the daemon that opened it is gone already.
func (t *sessionTable) add(s *session, life *atomic.Uint64) (ck.SessionHandle, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.conn.Load().life != life.Load() {
		return 0, false
	}
	h := t.next
	t.next++
	t.list[h] = s
	return h, true
}

func (t *sessionTable) find(h ck.SessionHandle) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.list[h]
}

// any reports whether the host has a session open.
func (t *sessionTable) any() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.list) > 0
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
		if s.slot == slot || s.lost() {
			delete(t.list, h)
		}
	}
}

// lost reports whether the session is of no more use.
func (s *session) lost() bool {
	return s.gone.Load() || s.version != p11rpc.Joined && s.conn.Load().lost()
}

// session finds a session that is not lost.
func (c *Client) session(h ck.SessionHandle) (*session, error) {
	s := c.sessions.find(h)
	if s == nil {
		return nil, ck.CKR_SESSION_HANDLE_INVALID
	}
	if c.closed.Load() {
		return nil, errClosed()
	}
	if s.lost() {
		c.sessions.remove(h)
		return nil, ck.Errorf(ck.CKR_SESSION_HANDLE_INVALID, "session %d went with the daemon that had it, open a new one", h)
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
	x := s.client.request(s, call, s.version)
	x.enc.Ulong(s.remote)
	return x
}

// since refuses a call that the version of the protocol has not.
func (s *session) since(version byte, call p11rpc.CallID) error {
	if s.version >= version {
		return nil
	}
	return ck.Errorf(ck.CKR_FUNCTION_NOT_SUPPORTED, "%v needs protocol version %d, the server speaks %d", call, version, s.version)
}

// OpenSession is C_OpenSession (section 5.6.1). There are no callbacks: the
// daemon has nothing to tell through them.
func (c *Client) OpenSession(slot ck.SlotID, flags ck.Flags) (ck.SessionHandle, error) {
	for {
		h, again, err := c.openSession(slot, flags)
		if !again {
			return h, err
		}
	}
}

// openSession reports that it is to be called again where the daemon ended in the moment
// after its answer: the session went with it.
func (c *Client) openSession(slot ck.SlotID, flags ck.Flags) (h ck.SessionHandle, again bool, err error) {
	x, err := c.begin(p11rpc.CallOpenSession)
	if err != nil {
		return 0, false, err
	}
	defer x.free()
	x.enc.Ulong(uint64(slot))
	x.enc.Ulong(uint64(flags))
	remote, err := x.number()
	if err != nil {
		return 0, false, err
	}
	s := &session{client: c, version: x.conn.version, remote: remote, slot: slot, flags: flags}
	s.conn.Store(x.conn)
	h, ok := c.sessions.add(s, &c.life)
	return h, !ok, nil
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
	if x.repeated && s.gone.Load() {
		c.sessions.remove(h)
		return nil // it was sent, and the session is gone
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
