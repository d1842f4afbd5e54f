package object

import (
	"bytes"
	"math/bits"

	"vtoken/vtoken/ck"
)

// ID is the id of a token object: unique in the store, never reused, above 0.
// Session objects have none.
type ID uint64

// Object is an object of a token or a session. It is immutable once it is
// shared: a change makes a new Object.
type Object struct {
	ID ID
	// Attrs are all attributes but the secret ones, sorted by type.
	Attrs Set
	// Secret are the attributes that the rules call secret (CKA_VALUE of a
	// secret key, CKA_PRIVATE_EXPONENT and its like), sorted by type. It is nil
	// where the secret is sealed in the store and not loaded.
	Secret Set
	// Version counts the changes of a token object. The store sets it.
	Version uint64
}

// Class is CKA_CLASS.
func (o *Object) Class() ck.ObjectClass {
	v, _ := o.Attrs.Ulong(ck.CKA_CLASS)
	return ck.ObjectClass(v)
}

// KeyType is CKA_KEY_TYPE; ok is false for an object that is no key.
func (o *Object) KeyType() (t ck.KeyType, ok bool) {
	v, ok := o.Attrs.Ulong(ck.CKA_KEY_TYPE)
	return ck.KeyType(v), ok
}

// IsKey reports whether the object is a public, private, secret or OTP key.
func (o *Object) IsKey() bool { return o.Attrs.Has(ck.CKA_KEY_TYPE) }

// Bool is the value of an attribute that is a CK_BBOOL; false where the object
// does not have it.
func (o *Object) Bool(t ck.AttributeType) bool { return o.Attrs.Bool(t) }

// RSABits is the size of the modulus of an RSA key; ok is false for another object.
func (o *Object) RSABits() (size uint64, ok bool) {
	if t, isKey := o.KeyType(); !isKey || t != ck.CKK_RSA {
		return 0, false
	}
	n := o.Attrs.Get(ck.CKA_MODULUS) // without leading zeros
	if len(n) == 0 {
		return 0, true
	}
	return uint64(8*len(n) - bits.LeadingZeros8(n[0])), true
}

// Label is CKA_LABEL.
func (o *Object) Label() string { return string(o.Attrs.Get(ck.CKA_LABEL)) }

// KeyID is CKA_ID: the bytes that tie a key, its public key and its certificate
// together. The caller does not change them.
func (o *Object) KeyID() []byte { return o.Attrs.Get(ck.CKA_ID) }

// WithKeyID returns the objects of a class that have this CKA_ID.
func WithKeyID(all []*Object, class ck.ObjectClass, id []byte) []*Object {
	var found []*Object
	for _, o := range all {
		if o.Class() == class && bytes.Equal(o.KeyID(), id) {
			found = append(found, o)
		}
	}
	return found
}

// Token is CKA_TOKEN: the object lives in the token, not in a session.
func (o *Object) Token() bool { return o.Bool(ck.CKA_TOKEN) }

// Private is CKA_PRIVATE: only the logged-in user sees the object.
func (o *Object) Private() bool { return o.Bool(ck.CKA_PRIVATE) }

// Sensitive is CKA_SENSITIVE.
func (o *Object) Sensitive() bool { return o.Bool(ck.CKA_SENSITIVE) }

// Extractable is CKA_EXTRACTABLE.
func (o *Object) Extractable() bool { return o.Bool(ck.CKA_EXTRACTABLE) }

// Modifiable is CKA_MODIFIABLE.
func (o *Object) Modifiable() bool { return o.Bool(ck.CKA_MODIFIABLE) }

// Copyable is CKA_COPYABLE.
func (o *Object) Copyable() bool { return o.Bool(ck.CKA_COPYABLE) }

// Destroyable is CKA_DESTROYABLE; C_DestroyObject of an object that is not
// answers CKR_ACTION_PROHIBITED.
func (o *Object) Destroyable() bool { return o.Bool(ck.CKA_DESTROYABLE) }

// AlwaysAuthenticate is CKA_ALWAYS_AUTHENTICATE: each use asks for the PIN.
func (o *Object) AlwaysAuthenticate() bool { return o.Bool(ck.CKA_ALWAYS_AUTHENTICATE) }

// Allows reports whether the key may be used with the mechanism: always where
// CKA_ALLOWED_MECHANISMS is unset, otherwise where it is listed. Whether the
// key may be used so at all (CKA_SIGN and its like) is another question.
func (o *Object) Allows(m ck.MechanismType) bool {
	a, ok := o.Attrs.Find(ck.CKA_ALLOWED_MECHANISMS)
	if !ok {
		return true
	}
	list, _ := a.MechanismList()
	for _, allowed := range list {
		if allowed == m {
			return true
		}
	}
	return false
}

// HasSecret reports whether objects of this class have secret attributes.
func (o *Object) HasSecret() bool {
	switch o.Class() {
	case ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		return true
	}
	return false
}

// Sealed reports whether the object has secret attributes that are not loaded.
func (o *Object) Sealed() bool { return o.HasSecret() && o.Secret == nil }

// WithSecret is a copy of o that has the secret attributes.
func (o *Object) WithSecret(secret Set) *Object {
	c := *o
	c.Secret = secret
	return &c
}

// WithoutSecret is a copy of o as the store hands it out: sealed.
func (o *Object) WithoutSecret() *Object { return o.WithSecret(nil) }

// Match reports whether every attribute of the template is in the object with
// the same value (C_FindObjectsInit). The empty template matches every object.
// A secret attribute matches nothing, so that finding does not reveal it.
func (o *Object) Match(t ck.Template) bool {
	if _, ours := t.Find(attrPast); ours {
		return false
	}
	for _, want := range t {
		have, ok := o.value(want.Type)
		if !ok || !bytes.Equal(have, want.Value) {
			return false
		}
	}
	return true
}

// IsSecret reports whether the attribute is secret in objects of the class: it
// stands in Object.Secret, and may be read only where CKA_SENSITIVE is false
// and CKA_EXTRACTABLE is true.
func IsSecret(class ck.ObjectClass, t ck.AttributeType) bool {
	switch class {
	case ck.CKO_PRIVATE_KEY:
		switch t {
		case ck.CKA_VALUE, ck.CKA_PRIVATE_EXPONENT, ck.CKA_PRIME_1, ck.CKA_PRIME_2,
			ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT, ck.CKA_SEED:
			return true
		}
	case ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		return t == ck.CKA_VALUE
	}
	return false
}
