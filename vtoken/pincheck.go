package vtoken

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// checkPIN compares a PIN with the stored verifier. It commits the try before the comparison,
// so that no crash gives a free guess (tpm2-software/tpm2-tss#2705). Checks of one PIN run one
// after the other, so that concurrent right PINs do not count as wrong ones. It fails with
// CKR_PIN_INCORRECT, with CKR_PIN_LOCKED if no try is left, and with the store's error if the
// try cannot be stored. A PIN that was wrong before costs no try (wrongpin.go); after several
// wrong PINs the peer waits (pindelay.go). The caller wipes the returned proof.
func (c *Client) checkPIN(t *token, role pin.Role, p secret.Bytes) (proof, error) {
	e, peer := c.engine, c.peer
	if len(p) == 0 {
		return proof{}, ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN cannot be empty", role)
	}
	t.pinMu[role].Lock()
	defer t.pinMu[role].Unlock()
	if known, err := e.checkKnownPIN(t, role, peer, p); known.verifier != nil || err != nil {
		return known, err
	}
	if state := t.record().PIN(role); state.Set() && !state.Locked() {
		if err := c.waitBeforeTry(t, role); err != nil {
			return proof{}, err
		}
		if known, err := e.checkKnownPIN(t, role, peer, p); known.verifier != nil || err != nil {
			return known, err // meanwhile
		}
	}
	tried, right, bound, err := c.compare(t, role, p)
	switch {
	case err != nil:
		return proof{}, err
	case right:
		got := proof{verifier: tried.Verifier, bound: bound, hash: e.pinHash(t.id, role, tried.Verifier, p)}
		if err := e.clearTries(t, role, tried.Verifier); err != nil {
			got.wipe()
			return proof{}, err
		}
		t.remember(role, got.hash)
		t.wrong[role] = nil
		return got, nil
	case tried.Locked():
		e.endLogins(t, role)
		c.listener.Did(Event{Act: ActLockPIN, Slot: t.slot, Token: t.record(), User: userOf(role), PINLocked: true})
		return proof{}, ck.Errorf(ck.CKR_PIN_LOCKED, "the %v PIN was wrong and is locked now; it must be reset", role)
	}
	e.rememberWrong(t, role, peer, tried.Verifier, p)
	return proof{}, ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN is wrong; %d tries are left", role, tried.TriesLeft())
}

// compare counts a try and compares the PIN, when it is the application's turn. If the
// application ends before that, the try is not counted.
func (c *Client) compare(t *token, role pin.Role, p secret.Bytes) (tried pin.State, right bool, bound secret.Bytes, err error) {
	err = c.inTurn(func(func() error) (err error) {
		if tried, err = c.engine.countTry(t, role); err == nil {
			right, bound, err = c.engine.store.CheckPIN(t.id, role, tried.Verifier, p)
		}
		return err
	})
	return tried, right, bound, err
}

// checkRemembered accepts a PIN that was right before, without Argon2id and without a commit,
// so that short-lived processes stay fast. For any other PIN the verifier is nil, and the full
// check follows.
func (e *Engine) checkRemembered(t *token, role pin.Role, p secret.Bytes) (known proof, err error) {
	state := t.record().PIN(role)
	memory, bound := t.remembered(role)
	if memory == nil || !state.Set() || state.Locked() {
		bound.Wipe()
		return proof{}, nil
	}
	known = proof{verifier: state.Verifier, bound: bound, hash: e.pinHash(t.id, role, state.Verifier, p)}
	if !hmac.Equal(memory, known.hash) {
		known.wipe()
		return proof{}, nil
	}
	t.wrong[role] = nil
	if state.Failed > 0 {
		err = e.clearTries(t, role, state.Verifier)
	}
	return known, err
}

// pinHash is the hash by which a PIN is remembered: under a key of this process, and over the
// verifier, so that it does not outlive the PIN.
func (e *Engine) pinHash(id record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) []byte {
	m := hmac.New(sha256.New, e.pinKey[:])
	for _, part := range [][]byte{[]byte(id), {byte(role)}, verifier, p} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		m.Write(n[:])
		m.Write(part)
	}
	return m.Sum(nil)
}

// countTry commits one more wrong try and returns the new state.
func (e *Engine) countTry(t *token, role pin.Role) (tried pin.State, err error) {
	err = e.changeToken(t.id, func(r *record.Token) (err error) {
		state := r.PIN(role)
		if tried, err = state.Try(); err != nil {
			return err
		}
		*state = tried
		return nil
	})
	if err != nil && role == pin.SO && ck.CodeOf(err) == ck.CKR_USER_PIN_NOT_INITIALIZED {
		err = ck.Errorf(ck.CKR_PIN_INCORRECT, "the token has no SO PIN; an administrator can set one")
	}
	return tried, err
}

// clearTries resets the wrong tries, if the PIN is still the same.
func (e *Engine) clearTries(t *token, role pin.Role, verifier []byte) error {
	return e.changeToken(t.id, func(r *record.Token) error {
		state := r.PIN(role)
		if !bytes.Equal(state.Verifier, verifier) {
			return ck.Errorf(ck.CKR_PIN_INCORRECT, "the %v PIN has been changed in the meantime", role)
		}
		*state = state.Right()
		if role == pin.User {
			e.markUsed(r) // this commit costs nothing more for it
		}
		return nil
	})
}

// changeToken commits a change of a token's record. change may be called more than once, each
// time with its own copy of the record.
func (e *Engine) changeToken(id record.TokenID, change func(r *record.Token) error) error {
	return e.store.Update(func(tx Tx) error {
		r, err := tx.Token(id)
		if err != nil {
			return asRemoved(err, "changing a token")
		}
		if !r.Usable(e.opts.Now()) {
			return ck.Errorf(ck.CKR_DEVICE_REMOVED, "the token has been disabled")
		}
		r = r.Clone()
		if err := change(r); err != nil {
			return err
		}
		return tx.PutToken(r)
	})
}

// asRemoved turns "not found" for a token into CKR_DEVICE_REMOVED.
func asRemoved(err error, doing string) error {
	if errors.Is(err, record.ErrNotFound) {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "%s: the token is gone: %w", doing, err)
	}
	return err
}
