package object

import (
	"vtoken/vtoken/ck"
)

// ErrSealed is what reading a secret attribute returns where it may be read but
// is not loaded: load it ([Object.WithSecret]) and read again.
var ErrSealed = ck.Errorf(ck.CKR_FUNCTION_FAILED, "the object's secret attributes are not loaded")

// Read is the value of an attribute, as C_GetAttributeValue answers it. A
// secret attribute of a sensitive or unextractable key is
// CKR_ATTRIBUTE_SENSITIVE, an attribute that the object does not have
// CKR_ATTRIBUTE_TYPE_INVALID, which an unset CKA_ALLOWED_MECHANISMS is too:
// OpenSSL's provider takes an empty list for one that allows nothing
// (openssl-projects/pkcs11-provider#217). The caller does not change the value.
func (o *Object) Read(t ck.AttributeType) ([]byte, error) {
	if !IsSecret(o.Class(), t) {
		a, ok := o.Attrs.Find(t)
		if !ok || t == attrPast {
			return nil, ck.CKR_ATTRIBUTE_TYPE_INVALID
		}
		return a.Value, nil
	}
	if !o.mayHave(t) {
		return nil, ck.CKR_ATTRIBUTE_TYPE_INVALID
	}
	if o.Sensitive() || !o.Extractable() {
		return nil, ck.CKR_ATTRIBUTE_SENSITIVE
	}
	if o.Secret == nil {
		return nil, ErrSealed
	}
	a, ok := o.Secret.Find(t)
	if !ok {
		return nil, ck.CKR_ATTRIBUTE_TYPE_INVALID
	}
	return a.Value, nil
}

// Size is the number of bytes that the object takes in its encoded form, its
// secret attributes included where they are loaded (C_GetObjectSize).
func (o *Object) Size() uint64 {
	n := uint64(8)
	for _, s := range []Set{o.Attrs, o.Secret} {
		for _, a := range s {
			n += 12 + uint64(len(a.Value))
		}
	}
	return n
}
