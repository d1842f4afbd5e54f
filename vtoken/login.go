package vtoken

import (
	"bytes"
	"crypto/sha256"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Login is C_Login (section 5.6). The login applies to all sessions of the application with
// the token. CKU_CONTEXT_SPECIFIC gives the PIN to the operation of this session that waits
// for it (CKA_ALWAYS_AUTHENTICATE).
func (c *Client) Login(h ck.SessionHandle, user ck.UserType, p secret.Bytes) error {
	return c.performPIN(h, Event{Act: ActLogin, User: user}, func(s *session, _ *Event) error { return s.logIn(user, p) })
}

func (s *session) logIn(user ck.UserType, p secret.Bytes) error {
	c := s.attachment.client
	var role pin.Role
	switch user {
	case ck.CKU_USER:
		role = pin.User
	case ck.CKU_SO:
		role = pin.SO
	case ck.CKU_CONTEXT_SPECIFIC:
		return s.loginContext(p)
	default:
		return ck.CKR_USER_TYPE_INVALID
	}
	if err := c.mayLogin(s, role); err != nil {
		return err
	}
	proof, err := c.checkPIN(s.token(), role, p)
	if err != nil {
		return err
	}
	defer proof.wipe()
	if proof.forgotten, err = c.engine.forgetsLogins(s.token()); err != nil {
		return err
	}
	if err := c.beginLogin(s, role, proof); err != nil {
		return err
	}
	c.tellLogins()
	if role == pin.User {
		c.engine.noteUse(s.token())
	}
	return nil
}

// LoginUser is C_LoginUser (section 5.6). A token has one user, without a name: a user name
// that is not empty is CKR_USER_TYPE_INVALID.
func (c *Client) LoginUser(h ck.SessionHandle, user ck.UserType, p secret.Bytes, username []byte) error {
	return c.performPIN(h, Event{Act: ActLogin, User: user}, func(s *session, _ *Event) error {
		if len(username) > 0 {
			return ck.Errorf(ck.CKR_USER_TYPE_INVALID, "the token has no user names; log in without one")
		}
		return s.logIn(user, p)
	})
}

// Logout is C_Logout (section 5.6): for all sessions of the application with the
// token. Its private session objects are destroyed, and its operations with
// private keys end at once: one that was begun while the user was logged in must not
// sign afterwards (softhsm/SoftHSMv2#900).
func (c *Client) Logout(h ck.SessionHandle) error {
	s, err := c.session(h)
	if err != nil {
		return err
	}
	c.mu.Lock()
	in := s.attachment.login.Load() != nil
	keys := s.attachment.endLogin()
	c.mu.Unlock()
	c.engine.wipeKeys(keys)
	c.tellLogins()
	if !in {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return nil
}

// hasRole reports whether the role is logged in.
func (a *attachment) hasRole(r pin.Role) bool {
	l := a.login.Load()
	return l != nil && l.role == r
}

// mayLogin makes all checks of a login except for the PIN.
func (c *Client) mayLogin(s *session, role pin.Role) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return s.mayLoginLocked(role)
}

// mayLoginLocked is mayLogin with c.mu locked.
func (s *session) mayLoginLocked(role pin.Role) error {
	a := s.attachment
	switch l := a.login.Load(); {
	case s.closed.Load():
		return ck.CKR_SESSION_HANDLE_INVALID
	case l != nil && l.role == role:
		return ck.CKR_USER_ALREADY_LOGGED_IN
	case l != nil:
		return ck.Errorf(ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN, "the %v is logged in; log out first", l.role)
	case role == pin.SO && len(a.sessions) > a.writable:
		return ck.Errorf(ck.CKR_SESSION_READ_ONLY_EXISTS, "the SO can log in only if no read-only session is open")
	}
	return nil
}

// beginLogin starts a login after its PIN was right. It repeats the checks, because another
// thread may have been faster, and the PIN may have been changed. If it is changed later,
// applyChanges ends the login.
func (c *Client) beginLogin(s *session, role pin.Role, p proof) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.mayLoginLocked(role); err != nil {
		return err
	}
	t := s.token()
	if !bytes.Equal(t.record().PIN(role).Verifier, p.verifier) {
		return ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN has been changed in the meantime", role)
	}
	l := &login{role: role, verifier: sha256.Sum256(p.verifier), forgotten: p.forgotten}
	l.fresh.Store(true)
	t.secrets.addLogin(role, p)
	s.attachment.login.Store(l)
	c.logins.changed()
	if role == pin.User {
		t.mu.Lock()
		t.userLogins++
		t.mu.Unlock()
	}
	return nil
}

// endLogin ends the application's login, if there is one, and returns the keys to wipe.
// Client.mu is locked.
func (a *attachment) endLogin() []*liveKey {
	l := a.login.Load()
	if l == nil {
		return nil
	}
	l.ended.Store(true)
	a.login.Store(nil)
	a.client.logins.changed()
	defer a.client.engine.opts.Forgotten()
	a.token.secrets.removeLogin()
	if l.role != pin.User {
		return nil
	}
	keys := a.dropPrivate()
	t := a.token
	t.mu.Lock()
	t.userLogins--
	last := t.userLogins == 0
	t.mu.Unlock()
	if last {
		keys = append(keys, t.takePrivateKeys()...)
	}
	return keys
}

// takePrivateKeys removes the keys of private objects, unless somebody has logged in since.
func (t *token) takePrivateKeys() []*liveKey {
	return t.takeKeys(func(o *object.Object) bool { return t.userLogins == 0 && o.Private() })
}

// endLogin ends the application's login to a token, if it has that role.
func (c *Client) endLogin(id record.TokenID, role pin.Role) {
	var keys []*liveKey
	c.mu.Lock()
	if a := c.attachments[id]; a != nil && a.hasRole(role) {
		keys = a.endLogin()
	}
	c.mu.Unlock()
	c.engine.wipeKeys(keys)
	c.tellLogins()
}

// endLogins ends the logins of a role in all applications.
func (e *Engine) endLogins(t *token, role pin.Role) {
	for _, c := range e.clientsOfToken(t) {
		c.endLogin(t.id, role)
	}
}

// loginContext gives the PIN to the operation that waits for it.
func (s *session) loginContext(p secret.Bytes) error {
	if !s.isUser() {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	for _, op := range s.ops {
		if op == nil || !op.waits {
			continue
		}
		proof, err := s.attachment.client.checkPIN(s.token(), pin.User, p)
		if err != nil {
			return err
		}
		proof.wipe()
		op.waits = false
		op.login.fresh.Store(false) // the login was used with such a key
		return nil
	}
	return ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "no operation of this session waits for a PIN")
}
