package vtoken

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// InitToken is C_InitToken (section 5.5): it deletes all objects, sets the label and unsets
// the user PIN. A blank token takes the given SO PIN; for any other token it must be right. No
// application may have a session with the token. The label may be padded with blanks, as C
// callers do.
func (c *Client) InitToken(slot ck.SlotID, soPIN secret.Bytes, label string) error {
	return c.perform(Event{Act: ActInitToken, User: ck.CKU_SO, Slot: slot}, func(e *Event) error {
		err := c.initToken(slot, soPIN, label)
		if t, gone := c.presentToken(slot); gone == nil {
			e.Token, e.PINLocked = t, t.SOPIN.Locked()
		}
		return err
	})
}

func (c *Client) initToken(slot ck.SlotID, soPIN secret.Bytes, label string) error {
	rec, err := c.presentToken(slot)
	if err != nil {
		return err
	}
	label = strings.TrimRight(label, " ")
	if !utf8.ValidString(label) || len(label) > maxLabel {
		return ck.Errorf(ck.CKR_ARGUMENTS_BAD, "a label is UTF-8 text of at most %d bytes", maxLabel)
	}
	t, err := c.engine.acquire(c, rec.ID)
	if err != nil {
		return err
	}
	defer c.engine.release(t)
	defer c.engine.opts.Forgotten()
	if c.engine.inSession(t) {
		return ck.Errorf(ck.CKR_SESSION_EXISTS, "the token in slot %d has open sessions; close them first", slot)
	}
	set := c.prepareFirstSOPIN
	if rec.Initialized {
		set = c.prepareSameSOPIN
	}
	change, err := set(t, soPIN)
	if err != nil {
		return err
	}
	if err := c.engine.initialize(t.id, label, change); err != nil {
		return err
	}
	if c.mayMake {
		// The next blank token is wanted, but this call has done its work.
		_ = c.engine.ensureBlank(c)
	}
	return nil
}

// prepareFirstSOPIN prepares the SO PIN of a blank token.
func (c *Client) prepareFirstSOPIN(t *token, soPIN secret.Bytes) (set func(*record.Token) error, err error) {
	if err := t.record().SOPIN.Policy.Check(soPIN); err != nil {
		return nil, err
	}
	verifier, public, err := c.newSOVerifier(t, soPIN)
	if err != nil {
		return nil, err
	}
	now := c.engine.opts.Now()
	return func(r *record.Token) error {
		if r.Initialized {
			return ck.Errorf(ck.CKR_FUNCTION_FAILED, "another application has just initialized the token")
		}
		r.SOPIN, r.BoundKey = r.SOPIN.Change(verifier, now), public
		return nil
	}, nil
}

// prepareSameSOPIN checks the SO PIN of a token that is initialized again. A PIN-bound token
// gets a new key: what the old one opens is destroyed.
func (c *Client) prepareSameSOPIN(t *token, soPIN secret.Bytes) (set func(*record.Token) error, err error) {
	old, err := c.checkPIN(t, pin.SO, soPIN)
	if err != nil {
		return nil, err
	}
	old.wipe()
	if !t.record().PINBound {
		return func(*record.Token) error { return nil }, nil
	}
	verifier, public, err := c.newSOVerifier(t, soPIN)
	if err != nil {
		return nil, err
	}
	return func(r *record.Token) error {
		if !bytes.Equal(r.SOPIN.Verifier, old.verifier) {
			return errPINChanged(pin.SO)
		}
		r.SOPIN.Verifier, r.BoundKey = verifier, public
		return nil
	}, nil
}

// errPINChanged returns the error of a change whose PIN was replaced in the meantime.
func errPINChanged(role pin.Role) error {
	return ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN has been changed in the meantime", role)
}

// newSOVerifier makes a verifier of the SO PIN and, for a PIN-bound token, a new key that the
// PIN opens.
func (c *Client) newSOVerifier(t *token, soPIN secret.Bytes) (verifier, public []byte, err error) {
	e := c.engine
	var private secret.Bytes
	if t.record().PINBound {
		if public, private, err = e.store.NewBoundKey(); err != nil {
			return nil, nil, err
		}
		defer private.Wipe()
	}
	err = c.inTurn(func(func() error) (err error) {
		verifier, err = e.store.HashPIN(t.id, pin.SO, soPIN, private)
		return err
	})
	return verifier, public, err
}

// initialize empties and labels a token in one commit.
func (e *Engine) initialize(id record.TokenID, label string, set func(*record.Token) error) error {
	return e.store.Update(func(tx Tx) error {
		r, err := tx.Token(id)
		if err != nil {
			return asRemoved(err, "initializing a token")
		}
		r = r.Clone()
		if err := set(r); err != nil {
			return err
		}
		r.Label, r.Initialized, r.Complete, r.Activation = label, true, true, record.Activated
		r.UserPIN = pin.State{Policy: r.UserPIN.Policy}
		if err := tx.DeleteObjects(id); err != nil {
			return err
		}
		return tx.PutToken(r)
	})
}

// inSession reports whether any application has a session with the token.
func (e *Engine) inSession(t *token) bool {
	for _, c := range e.clientsOfToken(t) {
		if c.attached(t.id) {
			return true
		}
	}
	return false
}

// InitPIN is C_InitPIN (section 5.5): the SO sets the user PIN. The user's logins end in all
// applications, because they are with the old PIN.
func (c *Client) InitPIN(h ck.SessionHandle, newPIN secret.Bytes) error {
	return c.performPIN(h, Event{Act: ActInitPIN, User: ck.CKU_USER}, func(s *session, _ *Event) error { return s.initPIN(newPIN) })
}

func (s *session) initPIN(newPIN secret.Bytes) error {
	if s.state() != ck.CKS_RW_SO_FUNCTIONS {
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "only the SO can set the user PIN; log in as SO in a read-write session")
	}
	t := s.token()
	bound := t.secrets.boundKey() // the SO's PIN opened it
	defer bound.Wipe()
	return s.attachment.client.storePIN(t, pin.User, newPIN, proof{bound: bound})
}

// SetPIN is C_SetPIN (section 5.5): it changes the SO's PIN in a session of the SO, otherwise
// the user's, also without login. It needs a read-write session. Logins stay.
func (c *Client) SetPIN(h ck.SessionHandle, oldPIN, newPIN secret.Bytes) error {
	return c.performPIN(h, Event{Act: ActSetPIN, User: ck.CKU_USER}, func(s *session, e *Event) error {
		role := pin.User
		if r, in := s.role(); in {
			role = r
		}
		e.User = userOf(role)
		return s.setPIN(role, oldPIN, newPIN)
	})
}

func (s *session) setPIN(role pin.Role, oldPIN, newPIN secret.Bytes) error {
	if !s.writable {
		return ck.Errorf(ck.CKR_SESSION_READ_ONLY, "a PIN can be changed only in a read-write session")
	}
	c, t := s.attachment.client, s.token()
	if err := t.record().PIN(role).Policy.Check(newPIN); err != nil {
		return err
	}
	defer c.engine.opts.Forgotten()
	old, err := c.checkPIN(t, role, oldPIN)
	if err != nil {
		return err
	}
	defer old.wipe()
	return c.storePIN(t, role, newPIN, old)
}

// storePIN stores a new PIN. If old has a verifier, the holder changes the PIN: the change is
// refused if the PIN is no longer that one, and logins stay. This is also checked before the
// slow hash, because many may wait to change the same PIN.
func (c *Client) storePIN(t *token, role pin.Role, newPIN secret.Bytes, old proof) error {
	e := c.engine
	if err := t.record().PIN(role).Policy.Check(newPIN); err != nil {
		return err
	}
	if t.record().PINBound && len(old.bound) == 0 {
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the login has ended in the meantime, and with it the key for the new PIN")
	}
	var verifier []byte
	err := c.inTurn(func(func() error) (err error) {
		if old.verifier != nil && !bytes.Equal(t.record().PIN(role).Verifier, old.verifier) {
			return errPINChanged(role)
		}
		verifier, err = e.store.HashPIN(t.id, role, newPIN, old.bound)
		return err
	})
	if err != nil {
		return err
	}
	if old.verifier != nil {
		e.markOwn(verifier, true)
		defer e.markOwn(verifier, false)
	}
	t.pinMu[role].Lock()
	defer t.pinMu[role].Unlock()
	err = e.changeToken(t.id, func(r *record.Token) error {
		state := r.PIN(role)
		if old.verifier != nil && !bytes.Equal(state.Verifier, old.verifier) {
			return errPINChanged(role)
		}
		*state = state.Change(verifier, e.opts.Now())
		return nil
	})
	if err == nil {
		t.remember(role, e.pinHash(t.id, role, verifier, newPIN))
	}
	return err
}

// markOwn marks a verifier as the holder's own change, for endsLogins.
func (e *Engine) markOwn(verifier []byte, own bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if own {
		e.ownPINs[string(verifier)] = struct{}{}
	} else {
		delete(e.ownPINs, string(verifier))
	}
}
