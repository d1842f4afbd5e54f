package vtoken

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Client is one application's view of the engine; its methods are the functions
// of PKCS#11 without the C_, in the order of the standard's chapters one file
// each. All are safe for concurrent use; calls in one session wait for each
// other. Errors carry their CK_RV ([ck.CodeOf]).
type Client struct {
	engine  *Engine
	peer    record.Peer
	mayMake bool
	account meter.Account                  // of the peer's user, nil is without limits
	users   atomic.Pointer[[]*record.User] // nil until first asked for
	stale   atomic.Bool                    // users have to be asked for again
	events  slotEvents
	owner   string          // of its slow work
	ctx     context.Context // ends with the application
	cancel  context.CancelFunc
	acting  sync.Mutex                // held while the users are asked for
	holds   map[record.UserID]*holder // of the users; Engine.mu

	listener Listener
	onSlow   func(ck.SessionHandle, bool) // see OnSlow

	mu          sync.RWMutex
	closed      bool
	sessions    map[ck.SessionHandle]*session
	attachments map[record.TokenID]*attachment
	seen        map[ck.SlotID]struct{} // slots that the application was told of
}

// attachment is one application's use of one token. It begins with the first
// session and ends with the last.
type attachment struct {
	id          uint64 // of no other attachment of this process
	client      *Client
	token       *token
	sessions    map[*session]struct{} // Client.mu
	writable    int                   // how many of them are read-write; Client.mu
	login       atomic.Pointer[login]
	objectSpace                              // the session objects
	owners      map[ck.ObjectHandle]*session // whose session objects they are; home.mu
	private     map[ck.ObjectHandle]struct{} // those that are private; home.mu
	bytes       uint64                       // that the session objects take; home.mu
}

// login is one login of one application, from C_Login to its end by whatever.
type login struct {
	role  pin.Role
	ended atomic.Bool
	// fresh is true until a key that asks for the PIN at each use was used once (C05).
	fresh atomic.Bool
}

// Close ends the application at once: its sessions, its logins and its session
// objects, and a C_WaitForSlotEvent that waits. Later calls answer
// CKR_CRYPTOKI_NOT_INITIALIZED or CKR_SESSION_HANDLE_INVALID.
func (c *Client) Close() {
	c.engine.mu.Lock()
	delete(c.engine.clients, c)
	c.engine.mu.Unlock()
	c.engine.releaseHolders(c, nil)
	c.mu.Lock()
	already := c.closed
	c.closed = true
	c.mu.Unlock()
	if already {
		return
	}
	c.cancel()
	c.events.close()
	c.closeWhere(func(*attachment) bool { return true })
	c.listener.Closed()
}

// actsFor is the users that the process acts for, as last asked.
func (c *Client) actsFor() []*record.User {
	if users := c.users.Load(); users != nil {
		return *users
	}
	return nil
}

// refresh asks the store for the users of the process and closes what the
// process may no longer see.
func (c *Client) refresh() error {
	c.acting.Lock()
	defer c.acting.Unlock()
	c.stale.Store(false)
	var users []*record.User
	err := c.engine.store.View(func(tx ReadTx) (err error) {
		users, err = tx.UsersOf(c.peer)
		return err
	})
	if err == nil {
		err = c.setUsers(users)
	}
	if err != nil {
		c.stale.Store(true)
	}
	return err
}

// setUsers makes the users those that the process acts for. Where they are others
// than before, sessions that it may no longer have are closed, and slots that
// come or go raise events. c.acting is locked.
func (c *Client) setUsers(users []*record.User) error {
	same := func(a, b *record.User) bool { return a.ID == b.ID }
	old := c.users.Load()
	if old != nil && slices.EqualFunc(*old, users, same) {
		return nil
	}
	for _, u := range users {
		if err := c.engine.holdUser(c, u.ID); err != nil {
			return err
		}
	}
	if old == nil {
		c.users.Store(&users)
		return nil
	}
	before := c.slots()
	c.users.Store(&users)
	c.closeWhere(func(a *attachment) bool { return !c.sees(a.token.record()) })
	for _, slot := range onlyInOne(before, c.slots()) {
		c.events.raise(slot)
	}
	c.engine.releaseHolders(c, users)
	return nil
}

// onlyInOne is what is in one of two ascending lists and not in the other.
func onlyInOne(a, b []ck.SlotID) (list []ck.SlotID) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			list, a = append(list, a[0]), a[1:]
		case len(a) == 0 || b[0] < a[0]:
			list, b = append(list, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return list
}

// refreshIfStale makes sure that the users are known and current.
func (c *Client) refreshIfStale() error {
	if c.users.Load() != nil && !c.stale.Load() {
		return nil
	}
	return c.refresh()
}

// sees reports whether the application may see the token: a visible one of a
// user it acts for, and the blank one only where it may make tokens: that of the
// first user, so that a user who is mapped besides does not get the tokens that the
// application makes.
func (c *Client) sees(t *record.Token) bool {
	if t == nil || !t.Initialized && !c.mayMake {
		return false
	}
	users := c.actsFor()
	if !t.Initialized {
		users = users[:min(1, len(users))]
	}
	now := c.engine.opts.Now()
	for _, u := range users {
		if t.VisibleTo(u.ID, now) {
			return true
		}
	}
	return false
}

// applyEffect takes the effect that a change of a token has on this application.
func (c *Client) applyEffect(f effect) {
	sees := c.sees(f.new)
	if !sees {
		c.detach(f.id)
	}
	for role, ends := range f.ends {
		if ends {
			c.endLogin(f.id, pin.Role(role))
		}
	}
	if (sees || c.sees(f.old)) && f.raisesSlotEvent() {
		t := f.new
		if t == nil {
			t = f.old
		}
		c.events.raise(t.Slot)
	}
}

// attached reports whether the application has a session with the token.
func (c *Client) attached(id record.TokenID) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.attachments[id] != nil
}

// attach is the attachment to a token, made where there is none. c.mu is locked
// and the caller has acquired t; used is false where that use is not needed.
func (c *Client) attach(t *token) (a *attachment, used bool) {
	if a = c.attachments[t.id]; a != nil {
		return a, false
	}
	a = &attachment{
		id: c.engine.handles.Add(1), client: c, token: t, objectSpace: newObjectSpace(c.engine.seed),
		sessions: map[*session]struct{}{}, owners: map[ck.ObjectHandle]*session{}, private: map[ck.ObjectHandle]struct{}{},
	}
	c.attachments[t.id] = a
	return a, true
}

// cleanup is what a closed session leaves to be done once Client.mu is unlocked.
type cleanup struct {
	keys []*liveKey
	free *token
}

func (c *Client) runCleanup(r cleanup) {
	c.engine.wipeKeys(r.keys)
	if r.free != nil {
		c.engine.release(r.free)
	}
}

// closeWhere closes the sessions with the tokens that are chosen.
func (c *Client) closeWhere(chosen func(*attachment) bool) {
	var all []cleanup
	c.mu.Lock()
	for _, a := range c.attachments {
		if chosen(a) {
			all = append(all, c.detachLocked(a))
		}
	}
	c.mu.Unlock()
	for _, r := range all {
		c.runCleanup(r)
	}
}

// detach closes the sessions with a token.
func (c *Client) detach(id record.TokenID) {
	if !c.attached(id) {
		return
	}
	c.mu.Lock()
	a := c.attachments[id]
	if a == nil {
		c.mu.Unlock()
		return
	}
	r := c.detachLocked(a)
	c.mu.Unlock()
	c.runCleanup(r)
}

// detachLocked closes all sessions of an attachment. c.mu is locked.
func (c *Client) detachLocked(a *attachment) (all cleanup) {
	for s := range a.sessions {
		r := c.closeLocked(s)
		all.keys, all.free = append(all.keys, r.keys...), r.free // the last one frees it
	}
	return all
}

// closeLocked closes a session; the last one of an attachment ends its login and
// the attachment. c.mu is locked.
func (c *Client) closeLocked(s *session) cleanup {
	a := s.attachment
	s.closed.Store(true)
	s.pace.end(s)
	s.purse.End()
	delete(c.sessions, s.handle)
	delete(a.sessions, s)
	if s.writable {
		a.writable--
	}
	r := cleanup{keys: a.dropObjects(s)}
	if len(a.sessions) == 0 {
		delete(c.attachments, a.token.id)
		r.keys = append(r.keys, a.endLogin()...)
		r.free = a.token
		meter.Refund(c.account, attachmentWeight)
	}
	return r
}
