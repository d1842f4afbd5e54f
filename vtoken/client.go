package vtoken

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Client is one application's view of the engine. Its methods are the functions of PKCS#11
// without the C_, in files named after the chapters of the standard. All are safe for
// concurrent use. Calls in one session run one after the other. Errors carry their CK_RV
// ([ck.CodeOf]).
type Client struct {
	engine  *Engine
	peer    record.Peer
	mayMake bool
	account meter.Account                  // of the peer's user, nil is without limits
	users   atomic.Pointer[[]*record.User] // nil until first asked for
	stale   atomic.Bool                    // users have to be asked for again
	events  slotEvents
	owner   string // of its slow work
	calls   atomic.Pointer[calls]
	acting  sync.Mutex                // held while the users are asked for
	holds   map[record.UserID]*holder // of the users; Engine.mu

	listener Listener
	onSlow   func(ck.SessionHandle, bool) // see OnSlow
	logins   loginTeller

	mu          sync.RWMutex
	closed      bool
	sessions    map[ck.SessionHandle]*session
	attachments map[record.TokenID]*attachment
	seen        map[ck.SlotID]struct{} // slots that the application was told of

	notRestored []string // see NotRestored
	seeds       seeds
}

// calls are the calls of an application that Cancel ends together.
type calls struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newCalls() *calls {
	ctx, cancel := context.WithCancel(context.Background())
	return &calls{ctx, cancel}
}

// attachment is one application's use of one token, from its first session to its last.
type attachment struct {
	id          uint64 // of no other attachment of this process
	client      *Client
	token       *token
	sessions    map[*session]struct{} // Client.mu
	writable    int                   // how many of them are read-write; Client.mu
	login       atomic.Pointer[login]
	objectSpace                              // the session objects
	owners      map[ck.ObjectHandle]*session // whose session objects they are; objectSpace.mu
	private     map[ck.ObjectHandle]struct{} // those that are private; objectSpace.mu
	bytes       uint64                       // that the session objects take; objectSpace.mu
}

// login is one login of one application.
type login struct {
	role     pin.Role
	verifier [sha256.Size]byte // hash of the verifier that the PIN was compared with
	// forgotten says that it ends with the daemon, and nobody is told of it.
	forgotten bool
	ended     atomic.Bool
	// fresh is true until a key that asks for the PIN at each use was used once: OpenSSH skips
	// the context-specific login right after a login (ssh-pkcs11.c).
	fresh atomic.Bool
}

// Close ends the application: its sessions, logins and session objects, and a
// C_WaitForSlotEvent that waits. Later calls answer CKR_CRYPTOKI_NOT_INITIALIZED or
// CKR_SESSION_HANDLE_INVALID.
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
	c.calls.Load().cancel() // c.closed keeps Cancel from beginning others
	c.events.close()
	c.logins.stop() // the end of the application is no logout
	c.closeWhere(func(*attachment) bool { return true })
	c.listener.Closed()
}

// Peer is the process of the application.
func (c *Client) Peer() record.Peer { return c.peer }

// actsFor returns the users that the process acts for, as of the last refresh.
func (c *Client) actsFor() []*record.User {
	if users := c.users.Load(); users != nil {
		return *users
	}
	return nil
}

// refresh asks the store for the users of the process, and closes what the process may no
// longer see.
func (c *Client) refresh() error {
	c.acting.Lock()
	defer c.acting.Unlock()
	c.stale.Store(false)
	users, err := c.engine.usersOf(c.peer)
	if err == nil {
		err = c.setUsers(users)
	}
	if err != nil {
		c.stale.Store(true)
	}
	return err
}

// usersOf looks for the users that a process acts for.
func (e *Engine) usersOf(peer record.Peer) (users []*record.User, err error) {
	known := e.restoring.Load()
	if known != nil {
		if users, ok := known.of(peer); ok {
			return users, nil
		}
	}
	err = e.store.View(func(tx ReadTx) (err error) {
		users, err = tx.UsersOf(peer)
		return err
	})
	if err == nil && known != nil {
		known.keep(peer, users)
	}
	return users, err
}

// setUsers sets the users that the process acts for. If they changed, it closes sessions that
// the application may no longer have, and raises events for slots that appear or disappear.
// c.acting is locked.
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

// onlyInOne returns what is in exactly one of two ascending lists.
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

// refreshIfStale refreshes the users if they are unknown or outdated.
func (c *Client) refreshIfStale() error {
	if c.users.Load() != nil && !c.stale.Load() {
		return nil
	}
	return c.refresh()
}

// sees reports whether the application may see the token: a visible token of a user that it
// acts for, or a blank token if it may make tokens. Only the blank token of the first user
// counts, so that tokens which the application makes never belong to another user who is
// mapped to the process.
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

// applyEffect applies the effect of a token's change to this application.
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

// attach returns the attachment to a token, and makes it if there is none. c.mu is locked and
// the caller has acquired t. used is false if the attachment does not need that use.
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

// cleanup is the work that is left after closing sessions, for when Client.mu is unlocked.
type cleanup struct {
	keys []*liveKey
	free *token
}

func (c *Client) runCleanup(r cleanup) {
	c.engine.wipeKeys(r.keys)
	if r.free != nil {
		c.engine.release(r.free)
	}
	c.tellLogins()
}

// closeWhere closes the sessions of the chosen attachments.
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

// closeLocked closes a session. The last session of an attachment ends the login and the
// attachment. c.mu is locked.
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
