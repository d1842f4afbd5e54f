package main

import (
	"fmt"

	"vtoken/vtoken/ck"
)

// target is the token under test, and how to reach it.
type target struct {
	path  string // of the module
	label string // of the token; the first initialized one where empty
	pin   string
}

// token is an open module with a user logged in.
type token struct {
	module
	slot slotID
	main session // holds the login for all other sessions
}

// open loads the module, finds the token and logs in.
func (t target) open() (*token, error) {
	m, err := load(t.path)
	if err != nil {
		return nil, err
	}
	if err := m.initialize(); err != nil {
		return nil, err
	}
	tok := &token{module: m}
	if tok.slot, err = t.find(m); err != nil {
		return nil, err
	}
	if tok.main, err = tok.session(); err != nil {
		return nil, err
	}
	return tok, m.login(tok.main, t.pin)
}

// find is the slot of the token with the label.
func (t target) find(m module) (slot slotID, err error) {
	slots, err := m.slots()
	if err != nil {
		return 0, err
	}
	for _, slot := range slots {
		label, flags, err := m.tokenInfo(slot)
		if err != nil || flags&ck.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		if t.label == "" || label == t.label {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("looking for token %q: none of the %d slots of %s has it", t.label, len(slots), t.path)
}

// session opens a read-write session.
func (t *token) session() (session, error) { return t.openSession(t.slot) }

func labelled(class ck.ObjectClass, label string) template {
	return template{{ck.CKA_CLASS, class}, {ck.CKA_LABEL, label}}
}

// findOne finds the only object of a class and label.
func (t *token) findOne(s session, class ck.ObjectClass, label string) (handle, error) {
	found, err := t.module.find(s, labelled(class, label), 2)
	if err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("finding %q: %d objects have this label, not one", label, len(found))
	}
	return found[0], nil
}

// keyPair is a generated pair.
type keyPair struct{ public, private handle }

// oidP256 is the DER form of the object identifier of the curve P-256.
const oidP256 = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"

func (t *token) generateP256(s session, label string) (keyPair, error) {
	return t.generate(s, ck.CKM_EC_KEY_PAIR_GEN, label, attribute{ck.CKA_EC_PARAMS, oidP256})
}

func (t *token) generateRSA2048(s session, label string) (keyPair, error) {
	return t.generate(s, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, label,
		attribute{ck.CKA_MODULUS_BITS, 2048}, attribute{ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}})
}

// generate makes a pair of signing keys as token objects.
func (t *token) generate(s session, mech ck.MechanismType, label string, params ...attribute) (k keyPair, err error) {
	public := append(template{{ck.CKA_TOKEN, true}, {ck.CKA_VERIFY, true}, {ck.CKA_LABEL, label}}, params...)
	private := template{
		{ck.CKA_TOKEN, true}, {ck.CKA_PRIVATE, true}, {ck.CKA_SENSITIVE, true},
		{ck.CKA_SIGN, true}, {ck.CKA_LABEL, label},
	}
	k.public, k.private, err = t.generateKeyPair(s, mech, public, private)
	return k, err
}

func (t *token) destroyPair(s session, k keyPair) error {
	if err := t.destroyObject(s, k.public); err != nil {
		return err
	}
	return t.destroyObject(s, k.private)
}

// createData makes a private token data object.
func (t *token) createData(s session, label string, value []byte) (handle, error) {
	return t.createObject(s, template{
		{ck.CKA_CLASS, ck.CKO_DATA}, {ck.CKA_TOKEN, true}, {ck.CKA_PRIVATE, true},
		{ck.CKA_APPLICATION, "p11bench"}, {ck.CKA_LABEL, label}, {ck.CKA_VALUE, value},
	})
}
