package vtoken

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// An application outlives the daemon: after a crash it asks another engine for its sessions
// and logins. Sessions it may have for the asking, as it may open new ones. Logins are what
// the PIN was for, so the caller vouches for them: it was told of them while they held
// (OnLogins), has kept that where no application can write, and knows that it is the same
// process. The engine checks what may have changed since: the token, its holders and the PIN.

// Login is a login of an application that can be given back to it.
type Login struct {
	Token record.TokenID
	Role  pin.Role
	// Verifier is a hash of the verifier that the PIN was compared with. Another verifier
	// means that the PIN was set since then.
	Verifier [sha256.Size]byte
	// Bound is the key of a PIN-bound token that the PIN opened; nil for other tokens.
	Bound secret.Bytes
}

// ResumedSession is a session that an application had with an earlier engine.
type ResumedSession struct {
	Handle ck.SessionHandle
	Slot   ck.SlotID
	Flags  ck.Flags // of C_OpenSession
}

// loginTeller tells of changed logins.
type loginTeller struct {
	to      func([]Login)
	changes atomic.Uint64
	over    atomic.Bool
	mu      sync.Mutex
	told    uint64 // changes when to was last called
}

func (t *loginTeller) changed() { t.changes.Add(1) }
func (t *loginTeller) stop()    { t.over.Store(true) }

// OnLogins sets the function that is told of all logins of the application when one of them
// has begun or ended, before the call that did it returns. It is set once, before all other
// calls. told wipes the keys in the list. It is called under a lock, so it does not call the
// client. It does not hear of the end of logins in Close. Of the logins of an application that
// was restored (Engine.Restore) it is told at once.
func (c *Client) OnLogins(told func([]Login)) {
	c.logins.to = told
	c.tellLogins()
}

// tellLogins tells of the logins, if they have changed. c.mu is not locked.
func (c *Client) tellLogins() {
	t := &c.logins
	if t.to == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.changes.Load()
	if now == t.told || t.over.Load() {
		return
	}
	t.told = now
	t.to(c.currentLogins())
}

// currentLogins returns the logins that hold.
func (c *Client) currentLogins() (list []Login) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, a := range c.attachments {
		if l := a.login.Load(); l != nil && !l.forgotten {
			list = append(list, Login{
				Token: a.token.id, Role: l.role, Verifier: l.verifier, Bound: a.token.secrets.boundKey(),
			})
		}
	}
	return list
}

// Resume opens sessions that the application had with an earlier engine, under their handles,
// and gives back the logins that it had and that may still hold. The caller vouches for the
// logins. lost are the sessions that cannot be had: their tokens are gone, or are not the
// application's any more. rest are the logins with tokens that have no session yet. An error
// says nothing of the sessions: the store could not be read, or the client is closed.
func (c *Client) Resume(sessions []ResumedSession, logins []Login) (lost []ck.SessionHandle, rest []Login, err error) {
	if err := c.refresh(); err != nil {
		return nil, logins, err
	}
	for _, s := range sessions {
		switch err := c.resumeSession(s); {
		case ck.CodeOf(err) == ck.CKR_CRYPTOKI_NOT_INITIALIZED:
			return nil, logins, err
		case err != nil:
			lost = append(lost, s.Handle)
		}
	}
	for _, l := range logins {
		s := c.anySession(l.Token)
		if s == nil {
			rest = append(rest, l)
			continue
		}
		// A login that does not hold any more is no error: the application finds itself
		// logged out, as after a reset of the PIN.
		_ = c.perform(Event{Act: ActResume, User: userOf(l.Role)}, func(e *Event) error {
			e.setSession(s)
			return c.resumeLogin(s, l)
		})
	}
	return lost, rest, nil
}

// RestoreObject makes a session object that the application had with an earlier engine, under
// the same handle: a copy of source, as C_CopyObject makes it, or an object of the template
// alone, as C_CreateObject does, where source is [ck.InvalidHandle]. The application says what
// it had, and gets nothing that it could not make with those two. A key whose use counts is not
// restored, because the count is lost: a one-time password would be made twice.
func (c *Client) RestoreObject(h ck.SessionHandle, handle, source ck.ObjectHandle, t ck.Template) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	number := handle &^ sessionObjectBit
	if handle&sessionObjectBit == 0 || number == 0 || uint64(number) > c.engine.handles.Load() {
		return ck.Errorf(ck.CKR_OBJECT_HANDLE_INVALID, "%d is no handle of a session object that there was", handle)
	}
	o, err := s.restored(source, t)
	switch {
	case err != nil:
		return err
	case o.Token():
		return ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an object of the token is not restored")
	case o.Class() == ck.CKO_OTP_KEY:
		return ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the counter of a one-time-password key is lost with its session object")
	}
	if err := s.mayWrite(o); err != nil {
		return err
	}
	if err := s.attachment.reserve(o); err != nil {
		return err
	}
	if !s.attachment.keepSessionObject(handle, s, o) {
		return ck.Errorf(ck.CKR_OBJECT_HANDLE_INVALID, "the handle %d is in use, or the session or login has ended", handle)
	}
	return nil
}

// restored makes the object of RestoreObject.
func (s *session) restored(source ck.ObjectHandle, t ck.Template) (*object.Object, error) {
	if source == ck.ObjectHandle(ck.InvalidHandle) {
		return s.build(object.Source{Origin: object.Create}, t)
	}
	o, err := s.object(source)
	if err != nil {
		return nil, err
	}
	return s.copied(source, o, t)
}

func (c *Client) resumeSession(s ResumedSession) error {
	if s.Handle == ck.InvalidHandle {
		return ck.CKR_SESSION_HANDLE_INVALID
	}
	if c.hasResumed(s) {
		return nil
	}
	_, err := c.openSession(s.Slot, s.Flags.Has(ck.CKF_RW_SESSION), s.Handle)
	return err
}

// hasResumed reports whether the application has the session back. It asks again where the
// answer did not come in time.
func (c *Client) hasResumed(s ResumedSession) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	has := c.sessions[s.Handle]
	return has != nil && has.token().slot == s.Slot && has.writable == s.Flags.Has(ck.CKF_RW_SESSION)
}

// anySession returns a session with the token, or nil.
func (c *Client) anySession(id record.TokenID) *session {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if a := c.attachments[id]; a != nil {
		for s := range a.sessions {
			return s
		}
	}
	return nil
}

// forgetsLogins reports whether a policy says that logins with the token end with the daemon.
func (e *Engine) forgetsLogins(t *token) (forgets bool, err error) {
	err = e.store.View(func(tx ReadTx) (err error) {
		forgets, err = tx.ForgetsLogins(t.record().Tenant)
		return err
	})
	return forgets, err
}

// resumeLogin begins a login without its PIN, if the PIN is still the one that was right. A
// key with CKA_ALWAYS_AUTHENTICATE asks for it again.
func (c *Client) resumeLogin(s *session, l Login) error {
	t := s.token()
	forgets, err := c.engine.forgetsLogins(t)
	if err != nil {
		return err
	}
	t.pinMu[l.Role].Lock()
	defer t.pinMu[l.Role].Unlock()
	rec := t.record() // once: an administrator may set the PIN meanwhile
	if err := l.check(rec, forgets); err != nil {
		return err
	}
	if rec.PINBound && l.Bound == nil {
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the key of the PIN-bound token is not known")
	}
	err = c.beginLogin(s, l.Role, proof{verifier: bytes.Clone(rec.PIN(l.Role).Verifier), bound: l.Bound})
	if err != nil {
		return err
	}
	if held := s.attachment.login.Load(); held != nil {
		held.fresh.Store(false)
	}
	c.tellLogins()
	return nil
}

// check checks that the PIN is the one of the login, and not locked, and that the policy of the
// tenant allows to give the login back.
func (l Login) check(t *record.Token, forgets bool) error {
	state := t.PIN(l.Role)
	switch {
	case forgets:
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the policy of the tenant is that logins end with the daemon")
	case !state.Set() || sha256.Sum256(state.Verifier) != l.Verifier:
		return ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN was set since the login", l.Role)
	case state.Locked():
		return ck.Errorf(ck.CKR_PIN_LOCKED, "the %v PIN is locked", l.Role)
	}
	return nil
}

// Outlives reports whether a login that waits for its application outlives a change of the
// token's record to t: a process that acts for these users still sees the token, and the PIN is
// the one of the login and not locked. Who keeps such logins ends the others, as live logins end.
func (l Login) Outlives(t *record.Token, users []record.UserID, now time.Time) bool {
	sees := func(u record.UserID) bool { return t.VisibleTo(u, now) }
	return t.Initialized && slices.ContainsFunc(users, sees) && l.check(t, false) == nil
}

// EndAway has the listener told that an administrator of that name ends a login that waits for
// its application, and calls end unless the listener refuses. The client is the application's
// for this one call.
func (c *Client) EndAway(by string, t *record.Token, role pin.Role, end func() error) error {
	e := Event{Act: ActEnd, By: by, Slot: t.Slot, Token: t, User: userOf(role)}
	return c.perform(e, func(*Event) error { return end() })
}
