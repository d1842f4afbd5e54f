package object

import (
	"slices"

	"vtoken/vtoken/ck"
)

// ErrSealed is what reading a secret attribute returns where it may be read but
// is not loaded: load it ([Object.WithSecret]) and read again.
var ErrSealed = ck.Errorf(ck.CKR_FUNCTION_FAILED, "the object's secret attributes are not loaded")

// Read returns the value of an attribute for C_GetAttributeValue. A secret attribute of
// a sensitive or unextractable key is CKR_ATTRIBUTE_SENSITIVE. An attribute that the object
// does not have is CKR_ATTRIBUTE_TYPE_INVALID; one that nobody set has its default, which may be
// empty (section 4). The caller does not change the value.
func (o *Object) Read(t ck.AttributeType) ([]byte, error) {
	if !IsSecret(o.Class(), t) {
		v, ok := o.value(t)
		if !ok || t == attrPast {
			return nil, ck.CKR_ATTRIBUTE_TYPE_INVALID
		}
		return v, nil
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

// value is the value of an attribute that is not secret, stored or implied; ok is false where
// the object does not have the attribute.
func (o *Object) value(t ck.AttributeType) (v []byte, ok bool) {
	if a, ok := o.Attrs.Find(t); ok {
		return a.Value, true
	}
	if !impliedTypes[t] {
		return nil, false
	}
	s := o.schema()
	if s == nil || s.rules[t] == nil || s.rules[t].flags&implied == 0 {
		return nil, false
	}
	return s.rules[t].def, true
}

// Implied reports whether objects may have the attribute without storing it.
func Implied(a ck.Attribute) bool {
	return impliedTypes[a.Type] && !slices.ContainsFunc(a.Value, func(b byte) bool { return b != 0 })
}

// impliedTypes are the attributes that some kind of object does not store where they have their
// default, which is false, zero or empty.
var impliedTypes = func() map[ck.AttributeType]bool {
	types := map[ck.AttributeType]bool{}
	for _, s := range schemas {
		for _, r := range s.order {
			if r.flags&implied != 0 {
				types[r.typ] = true
			}
		}
	}
	return types
}()

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
