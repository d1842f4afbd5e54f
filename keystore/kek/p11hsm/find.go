//go:build cgo

package p11hsm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"vtoken/keystore/kek"
)

// hsmKey is a key in a session of the user.
type hsmKey struct {
	module  *module
	begins  int // of the module, when the session was opened
	session pkcs11.SessionHandle
	handle  pkcs11.ObjectHandle
	class   uint
}

// find logs in and finds the key.
func (p *provider) find() (*hsmKey, error) {
	session, err := p.login()
	if err != nil {
		return nil, err
	}
	k := &hsmKey{module: p.module, begins: p.module.begins, session: session}
	if err := k.find(p.target); err != nil {
		_ = p.module.CloseSession(session) // the error of find says more
		return nil, err
	}
	return k, nil
}

// login opens a session of the user on the one token that fits.
func (p *provider) login() (pkcs11.SessionHandle, error) {
	err := p.module.Initialize()
	if err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return 0, fmt.Errorf("start the PKCS#11 module: %w", err)
	}
	slot, err := p.slot()
	if err != nil {
		return 0, err
	}
	session, err := p.module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return 0, fmt.Errorf("open a session: %w", err)
	}
	if len(p.pin) == 0 {
		return session, nil
	}
	if err = p.loginTo(session); err != nil {
		_ = p.module.CloseSession(session) // the error of the login says more
		return 0, err
	}
	return session, nil
}

// loginTo logs in, but with a PIN that was refused before.
func (p *provider) loginTo(session pkcs11.SessionHandle) error {
	if err := p.failed.Refused(p.uri, p.file, p.pin); err != nil {
		return err
	}
	err := p.module.Login(session, pkcs11.CKU_USER, string(p.pin))
	if err == nil || is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		return nil
	}
	if is(err, pkcs11.CKR_PIN_INCORRECT) || is(err, pkcs11.CKR_PIN_LEN_RANGE) {
		p.failed.Note(p.uri, p.file, p.pin)
	}
	for code, text := range pinTrouble {
		if is(err, code) {
			return fmt.Errorf("%w: %s (%w)", kek.ErrUnavailable, text, err)
		}
	}
	return fmt.Errorf("log in: %w", err)
}

// errNoToken is where no token fits the URI.
var errNoToken = errors.New("no token of the HSM fits the URI")

// slot finds the one token that fits.
func (p *provider) slot() (uint, error) {
	slots, err := p.module.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list the tokens: %w", err)
	}
	var found []uint
	var seen []string
	for _, s := range slots {
		info, err := p.module.GetTokenInfo(s)
		if err != nil {
			continue // a token that cannot be read is not ours, or is gone
		}
		seen = append(seen, strings.TrimRight(info.Label, " \x00"))
		if p.target.fits(s, info) {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("%w: %w; plug it in, or correct the URI: the HSM has %.200q", kek.ErrUnavailable, errNoToken, seen)
	}
	if len(found) > 1 {
		return 0, fmt.Errorf("%w: %d tokens of the HSM fit the URI, not one; it has %.200q", kek.ErrUnavailable, len(found), seen)
	}
	return found[0], nil
}

func (t *target) fits(slot uint, info pkcs11.TokenInfo) bool {
	if t.slot != nil && *t.slot != slot {
		return false
	}
	for want, have := range map[*string]string{
		&t.token: info.Label, &t.manufacturer: info.ManufacturerID, &t.model: info.Model, &t.serial: info.SerialNumber,
	} {
		if *want != "" && *want != strings.TrimRight(have, " \x00") {
			return false
		}
	}
	return true
}

// classes are the classes that a KEK may be of, by their names in URIs.
var classes = [...]struct {
	name         string
	class, keyOf uint
}{
	{"secret-key", pkcs11.CKO_SECRET_KEY, pkcs11.CKK_AES},
	{"private", pkcs11.CKO_PRIVATE_KEY, pkcs11.CKK_RSA},
}

// errNoKey is where no key fits the URI.
var errNoKey = errors.New("the token has no key that fits the URI")

// find finds the one key that fits, an AES key before an RSA key.
func (k *hsmKey) find(t target) error {
	for _, c := range classes {
		if t.class != "" && t.class != c.name {
			continue
		}
		found, err := k.search(append(t.naming(),
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, c.class), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, c.keyOf)))
		switch {
		case err != nil:
			return fmt.Errorf("look for the key: %w", err)
		case len(found) > 1:
			return fmt.Errorf("%w: more than one key of the token fits the URI; add id= or type=", kek.ErrUnavailable)
		case len(found) == 1:
			k.handle, k.class = found[0], c.class
			return nil
		}
	}
	return fmt.Errorf("%w: %w (AES or RSA); was it deleted, or is pin-source missing? `vtoken kek add --generate` makes one", kek.ErrUnavailable, errNoKey)
}

// naming is the part of a template that names the key.
func (t *target) naming() (list []*pkcs11.Attribute) {
	if t.object != "" {
		list = append(list, pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.object))
	}
	if t.id != "" {
		list = append(list, pkcs11.NewAttribute(pkcs11.CKA_ID, t.id))
	}
	return list
}

func (k *hsmKey) search(template []*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	if err := k.module.FindObjectsInit(k.session, template); err != nil {
		return nil, err
	}
	found, _, err := k.module.FindObjects(k.session, 2)
	return found, errors.Join(err, k.module.FindObjectsFinal(k.session))
}
