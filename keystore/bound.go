package keystore

import (
	"bytes"
	"errors"
	"fmt"

	"vtoken/keystore/box"
	"vtoken/keystore/envelope"
	"vtoken/keystore/schema"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// A PIN-bound token has a key pair. The secrets of its private objects are in boxes for the
// public key, which is in the token's record; the private key is in boxes for the keys of its
// PINs (rolekeys.go). See the package comment.

// NewBoundKey makes the key pair of a PIN-bound token. The caller stores the
// public key in the token's BoundKey, gives the private one to [Store.HashPIN]
// for every PIN that the token has, and wipes it.
func (*Store) NewBoundKey() (public []byte, private secret.Bytes, err error) {
	return box.GenerateKey()
}

// inheritBound makes a new token without PINs PIN-bound, if the tenant asks for it. The maker
// of a token with PINs has decided already.
func (tx *Tx) inheritBound(tenant schema.ID, t *record.Token) error {
	if t.PINBound || t.Kind == record.KindOTP || t.UserPIN.Set() || t.SOPIN.Set() {
		return nil
	}
	of, err := tx.tenant(tenant)
	if err != nil {
		return err
	}
	t.PINBound = of.PINBound
	return nil
}

// checkBound refuses a record under which no PIN opens the token's secrets, or under which
// they open without one.
func checkBound(t *record.Token) error {
	if !t.PINBound {
		if len(t.BoundKey) > 0 {
			return fmt.Errorf("token %s is not PIN-bound and has a key for it", t.ID)
		}
		return nil
	}
	if t.Kind == record.KindOTP {
		return fmt.Errorf("token %s is for one-time passwords, which the API checks without its PIN", t.ID)
	}
	for _, role := range []pin.Role{pin.User, pin.SO} {
		s := t.PIN(role)
		if !s.Set() {
			continue
		}
		if _, err := parseVerifier(s.Verifier); err != nil || s.Verifier[0] == verifierPlain {
			return fmt.Errorf("the verifier of the %v PIN of token %s does not hold the token's key", role, t.ID)
		}
		if len(t.BoundKey) == 0 {
			return fmt.Errorf("token %s is PIN-bound and has a PIN, and no key for it", t.ID)
		}
	}
	switch {
	case len(t.BoundKey) == 0:
		return nil
	case !t.UserPIN.Set() && !t.SOPIN.Set():
		return fmt.Errorf("token %s has a key that no PIN opens", t.ID)
	}
	return box.Check(t.BoundKey)
}

// boundInfo returns the HPKE info of the box of an object.
func boundInfo(tenant, token schema.ID, id uint64) []byte {
	info := append([]byte("vtoken PIN-bound secret"), tenant[:]...)
	info = append(info, token[:]...)
	for shift := 56; shift >= 0; shift -= 8 {
		info = append(info, byte(id>>shift))
	}
	return info
}

// boundKeyFor returns the public key to which the secret of an object is sealed. It is nil if
// the object is not private, so that it is used without a PIN, if the token is not PIN-bound,
// or if it has no PIN yet.
func (tx *Tx) boundKeyFor(token schema.ID, o *object.Object) ([]byte, error) {
	if !o.Private() || len(o.Secret) == 0 {
		return nil, nil
	}
	if t, read := tx.tokens[token]; read {
		return t.boundKey, nil // the engine reads the token before it changes its objects
	}
	t, err := tx.token(token)
	if err != nil {
		return nil, err
	}
	return t.BoundKey, nil
}

// note remembers a token that the transaction read or wrote.
func (tx *Tx) note(id schema.ID, t *record.Token) {
	if tx.tokens == nil {
		tx.tokens = make(map[schema.ID]noted, 1)
	}
	tx.tokens[id] = noted{bytes.Clone(t.BoundKey), t.Owner()}
}

// sealSecret seals the secret attributes of an object, and returns which part of the object
// they are.
func sealSecret(token schema.ID, keys *tokenKeys, id, version uint64, public, plain []byte) (blob []byte, part schema.Part, err error) {
	if len(public) == 0 {
		blob, err = keys.secret.Seal(place(keys.tenant, token, id, fieldSecret), version, plain)
		return blob, schema.PartSecret, err
	}
	boxed, err := box.Seal(public, boundInfo(keys.tenant, token, id), plain)
	if err != nil {
		return nil, 0, err
	}
	blob, err = keys.secret.Seal(place(keys.tenant, token, id, fieldBound), version, boxed)
	return blob, schema.PartBound, err
}

// openBox opens the outer seal of a secret that a PIN opens.
func openBox(token schema.ID, keys *tokenKeys, id uint64, blob []byte) ([]byte, error) {
	boxed, _, err := keys.secret.Open(place(keys.tenant, token, id, fieldBound), blob)
	if err == nil && len(boxed) < box.Overhead {
		err = lengthError(len(boxed), box.Overhead)
	}
	if err != nil {
		return nil, tampered("open the secret of object %d of token %s: %w", id, text(token), err)
	}
	return boxed, nil
}

// openBound opens a secret that a PIN opens; bound is the token's key, as
// [Store.CheckPIN] gave it.
func openBound(token schema.ID, keys *tokenKeys, id uint64, blob []byte, bound secret.Bytes) ([]byte, error) {
	if bound == nil {
		return nil, ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the secret of object %d opens with a PIN of the token only; log in first", id)
	}
	boxed, err := openBox(token, keys, id, blob)
	if err != nil {
		return nil, err
	}
	plain, err := openOnOwnStack(bound, boundInfo(keys.tenant, token, id), boxed)
	if err != nil {
		return nil, tampered("open the secret of object %d of token %s with its PIN: %w", id, text(token), err)
	}
	return plain, nil
}

// rebind seals the secrets of a token to its new key. It cannot open secrets under an older
// key: such a key is replaced or removed on an empty token only.
func (tx *Tx) rebind(id schema.ID, old, t *record.Token) error {
	if bytes.Equal(old.BoundKey, t.BoundKey) {
		return nil
	}
	keys, sm, err := tx.openToken(id)
	if err != nil {
		return err
	}
	open, err := tx.unboundSecrets(id, keys)
	if err != nil || len(t.BoundKey) == 0 {
		return err
	}
	for number, blob := range open {
		if err := tx.bind(id, keys, sm, number, blob, t.BoundKey); err != nil {
			return err
		}
	}
	return nil
}

// unboundSecrets are the secrets of private objects that are under the store's
// keys alone.
func (tx *Tx) unboundSecrets(id schema.ID, keys *tokenKeys) (map[uint64][]byte, error) {
	open := make(map[uint64][]byte)
	private := false
	err := tx.scan(schema.Objects(id), nil, func(key, blob []byte) error {
		number, part, _ := schema.ParseObject(key)
		switch part {
		case schema.PartPublic:
			o, err := openPublic(id, keys, number, blob)
			private = err == nil && o.Private()
			return err
		case schema.PartBound:
			return fmt.Errorf("token %s has secrets that its present PINs open; delete them first", text(id))
		}
		if private {
			open[number] = bytes.Clone(blob)
		}
		return nil
	})
	return open, err
}

// bind puts a secret into a box.
func (tx *Tx) bind(id schema.ID, keys *tokenKeys, sm *summary, number uint64, blob, public []byte) error {
	plain, version, err := keys.secret.Open(place(keys.tenant, id, number, fieldSecret), blob)
	if err != nil {
		return tampered("open the secret of object %d of token %s: %w", number, text(id), err)
	}
	defer clear(plain)
	boxed, part, err := sealSecret(id, keys, number, version+1, public, plain)
	if err != nil {
		return err
	}
	return errors.Join(
		tx.setPart(keys, sm, schema.Object(id, number, schema.PartSecret), nil),
		tx.setPart(keys, sm, schema.Object(id, number, part), boxed))
}

// placeBoundKey is where the private key of a token is, in the verifier of a PIN.
func placeBoundKey(token schema.ID, role pin.Role) envelope.Place {
	return place(schema.ID{}, token, uint64(role), fieldBoundKey)
}
