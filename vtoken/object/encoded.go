package object

import (
	"bytes"

	"vtoken/vtoken/ck"
)

// Encoded is the form in which a key is wrapped (section 5.18.3): CKA_VALUE of a
// secret key, PKCS #8 of a private key. Without the secret attributes it is
// [ErrSealed]. Objects of other classes are CKR_KEY_NOT_WRAPPABLE. The caller
// wipes the result.
func (o *Object) Encoded() ([]byte, error) {
	switch o.Class() {
	case ck.CKO_SECRET_KEY:
		if o.Sealed() {
			return nil, ErrSealed
		}
		return bytes.Clone(o.Secret.Get(ck.CKA_VALUE)), nil
	case ck.CKO_PRIVATE_KEY:
		key, err := o.PrivateKey()
		if err != nil {
			return nil, err
		}
		return MarshalPrivate(key)
	}
	return nil, ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "objects of class %v are not wrapped", o.Class())
}

// FromEncoded is the inverse of [Object.Encoded]: the attributes that an encoded
// key of the class contributes to a new object, for [Source].Made. What is no
// such key is CKR_WRAPPED_KEY_INVALID. The values are secret, wipe them.
func FromEncoded(class ck.ObjectClass, encoded []byte) (ck.Template, error) {
	switch class {
	case ck.CKO_SECRET_KEY:
		return ck.Template{ck.Ulong(ck.CKA_CLASS, class), ck.Bytes(ck.CKA_VALUE, bytes.Clone(encoded))}, nil
	case ck.CKO_PRIVATE_KEY:
		key, err := ParsePrivate(encoded)
		if err != nil {
			return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_INVALID, "read what was unwrapped: %w", err)
		}
		t, err := PrivateTemplate(key)
		if err != nil {
			return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_INVALID, "read the unwrapped private key: %w", err)
		}
		return t, nil
	}
	return nil, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "a key of class %v cannot be unwrapped", class)
}
