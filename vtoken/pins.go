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

// InitToken is C_InitToken (section 5.5): the token is emptied and takes the
// label; the user PIN is unset. A blank token takes the SO PIN, any other has to
// be given the one that it has. No application may have a session with it. The
// label may be padded with blanks, as C callers do.
func (c *Client) InitToken(slot ck.SlotID, soPIN secret.Bytes, label string) error {
	rec, err := c.present(slot)
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
	set := c.engine.firstPIN
	if rec.Initialized {
		set = c.engine.samePIN(c.peer)
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

// firstPIN prepares the SO PIN of a blank token.
func (e *Engine) firstPIN(t *token, soPIN secret.Bytes) (set func(*record.Token) error, err error) {
	if err := t.record().SOPIN.Policy.Check(soPIN); err != nil {
		return nil, err
	}
	verifier, public, err := e.freshKey(t, soPIN)
	if err != nil {
		return nil, err
	}
	now := e.opts.Now()
	return func(r *record.Token) error {
		if r.Initialized {
			return ck.Errorf(ck.CKR_FUNCTION_FAILED, "another application has just initialized the token")
		}
		r.SOPIN, r.BoundKey = r.SOPIN.Change(verifier, now), public
		return nil
	}, nil
}

// samePIN checks the SO PIN of a token that is to be initialized anew. A
// PIN-bound one gets a new key: what the old one opens is destroyed.
func (e *Engine) samePIN(peer record.Peer) func(*token, secret.Bytes) (func(*record.Token) error, error) {
	return func(t *token, soPIN secret.Bytes) (func(*record.Token) error, error) {
		old, err := e.checkPIN(t, pin.SO, peer, soPIN)
		if err != nil {
			return nil, err
		}
		old.wipe()
		if !t.record().PINBound {
			return func(*record.Token) error { return nil }, nil
		}
		verifier, public, err := e.freshKey(t, soPIN)
		if err != nil {
			return nil, err
		}
		return func(r *record.Token) error {
			if !bytes.Equal(r.SOPIN.Verifier, old.verifier) {
				return ck.Errorf(ck.CKR_PIN_INCORRECT, "the SO PIN was changed meanwhile")
			}
			r.SOPIN.Verifier, r.BoundKey = verifier, public
			return nil
		}, nil
	}
}

// freshKey makes a verifier of the SO PIN and, for a PIN-bound token, a new key
// that it opens.
func (e *Engine) freshKey(t *token, soPIN secret.Bytes) (verifier, public []byte, err error) {
	var private secret.Bytes
	if t.record().PINBound {
		if public, private, err = e.store.NewBoundKey(); err != nil {
			return nil, nil, err
		}
		defer private.Wipe()
	}
	verifier, err = e.store.HashPIN(t.id, pin.SO, soPIN, private)
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

// InitPIN is C_InitPIN (section 5.5): the SO sets the user PIN. The user's
// logins, which are with the old PIN, end in all applications.
func (c *Client) InitPIN(h ck.SessionHandle, newPIN secret.Bytes) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	if s.state() != ck.CKS_RW_SO_FUNCTIONS {
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "only the SO sets the user PIN; log in as SO in a read-write session")
	}
	t := s.token()
	bound := t.held.key() // the SO's PIN opened it
	defer bound.Wipe()
	return c.engine.storePIN(t, pin.User, newPIN, proof{bound: bound})
}

// SetPIN is C_SetPIN (section 5.5): the SO's own PIN in a session of the SO, the
// user's otherwise, also without login. It needs a read-write session. Logins
// stay.
func (c *Client) SetPIN(h ck.SessionHandle, oldPIN, newPIN secret.Bytes) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	if !s.writable {
		return ck.Errorf(ck.CKR_SESSION_READ_ONLY, "a PIN is changed in a read-write session")
	}
	role := pin.User
	if r, in := s.role(); in {
		role = r
	}
	t := s.token()
	if err := t.record().PIN(role).Policy.Check(newPIN); err != nil {
		return err
	}
	defer c.engine.opts.Forgotten()
	old, err := c.engine.checkPIN(t, role, c.peer, oldPIN)
	if err != nil {
		return err
	}
	defer old.wipe()
	return c.engine.storePIN(t, role, newPIN, old)
}

// storePIN stores a new PIN. Where old has a verifier, it is the holder's own
// change: it is refused where the PIN is no longer that one, and logins stay.
func (e *Engine) storePIN(t *token, role pin.Role, newPIN secret.Bytes, old proof) error {
	if err := t.record().PIN(role).Policy.Check(newPIN); err != nil {
		return err
	}
	if t.record().PINBound && len(old.bound) == 0 {
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the login ended meanwhile, and with it the key that the new PIN is to open")
	}
	verifier, err := e.store.HashPIN(t.id, role, newPIN, old.bound)
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
			return ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN was changed meanwhile", role)
		}
		*state = state.Change(verifier, e.opts.Now())
		return nil
	})
	if err == nil {
		t.remember(role, e.pinHash(t.id, role, verifier, newPIN))
	}
	return err
}

// markOwn tells the feed that a verifier is the holder's own change.
func (e *Engine) markOwn(verifier []byte, own bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if own {
		e.ownPINs[string(verifier)] = struct{}{}
	} else {
		delete(e.ownPINs, string(verifier))
	}
}
