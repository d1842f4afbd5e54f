package mech

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// derived is the key that a template asks for.
type derived struct {
	class ck.ObjectClass
	kind  ck.KeyType
	// length is in bytes; 0 where neither the template nor the type says it.
	length int
}

// derivedKey reads what kind of secret key a template asks for: a generic secret
// where it does not say. What is no secret key is CKR_TEMPLATE_INCONSISTENT.
func derivedKey(t ck.Template) (d derived, err error) {
	d.class, d.kind = ck.CKO_SECRET_KEY, ck.CKK_GENERIC_SECRET
	if v, ok, err := ulong(t, ck.CKA_CLASS); err != nil {
		return d, err
	} else if ok && ck.ObjectClass(v) != d.class {
		return d, ck.Errorf(ck.CKR_TEMPLATE_INCONSISTENT, "an object of class 0x%x is not derived; secret keys are", v)
	}
	v, ok, err := ulong(t, ck.CKA_KEY_TYPE)
	if err != nil {
		return d, err
	}
	if ok {
		d.kind = ck.KeyType(v)
	}
	return d, d.setLength(t)
}

// setLength reads CKA_VALUE_LEN, which a type of one length needs not have.
func (d *derived) setLength(t ck.Template) error {
	n, ok, err := ulong(t, ck.CKA_VALUE_LEN)
	if err != nil {
		return err
	}
	if ok && (n == 0 || n > object.MaxSecretLen) {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN is %d; 1 to %d bytes can be derived", n, object.MaxSecretLen)
	}
	d.length = int(n)
	if !ok {
		d.length = fixedLengths[d.kind]
	}
	return nil
}

// fixedLengths are the types of key that have one length.
var fixedLengths = map[ck.KeyType]int{ck.CKK_CHACHA20: 32, ck.CKK_DES: 8, ck.CKK_DES2: 16, ck.CKK_DES3: 24}

// lengthOr is the length of the key, which for generic secrets may be left to the
// mechanism; natural is 0 where the mechanism has none.
func (d derived) lengthOr(natural int) (int, error) {
	switch {
	case d.length != 0:
		return d.length, nil
	case natural != 0 && d.kind == ck.CKK_GENERIC_SECRET:
		return natural, nil
	}
	return 0, ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "the template gives no CKA_VALUE_LEN")
}

// attributes are those of the derived object.
func (d derived) attributes(value []byte) ck.Template {
	t := ck.Template{ck.Ulong(ck.CKA_CLASS, d.class), ck.Bytes(ck.CKA_VALUE, value)}
	if d.class == ck.CKO_SECRET_KEY {
		t = append(t, ck.Ulong(ck.CKA_KEY_TYPE, d.kind))
	}
	return t
}

// ulong reads a CK_ULONG of a template.
func ulong(t ck.Template, typ ck.AttributeType) (v uint64, ok bool, err error) {
	a, ok := t.Find(typ)
	if !ok {
		return 0, false, nil
	}
	if v, ok = a.Ulong(); !ok {
		return 0, false, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v has %d bytes and is a CK_ULONG", typ, len(a.Value))
	}
	return v, true, nil
}
