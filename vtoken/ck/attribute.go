package ck

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Attribute is CK_ATTRIBUTE with its value in canonical form (see the package
// comment). A nil and an empty Value are the same: a value of length 0.
type Attribute struct {
	Type  AttributeType
	Value []byte
}

// Template is a list of attributes, as calls pass them. The order is the
// caller's; a type that stands in it twice has the same value in both places.
type Template []Attribute

// ValueKind says how the value of an attribute type is to be read.
type ValueKind byte

// The kinds of attribute value, which are those of the p11-kit protocol.
const (
	KindBytes ValueKind = iota // bytes as they are
	KindBool
	KindUlong
	KindDate // CK_DATE: 8 characters YYYYMMDD, or empty
	KindMechanisms
	KindTemplate
)

// Ulong is an attribute with a CK_ULONG value.
func Ulong[T ~uint64](t AttributeType, v T) Attribute {
	return Attribute{t, binary.BigEndian.AppendUint64(nil, uint64(v))}
}

// Bool is an attribute with a CK_BBOOL value.
func Bool(t AttributeType, v bool) Attribute {
	if v {
		return Attribute{t, []byte{1}}
	}
	return Attribute{t, []byte{0}}
}

// Bytes is an attribute with the value as it is. The slice is not copied.
func Bytes(t AttributeType, v []byte) Attribute { return Attribute{t, v} }

// String is an attribute with a text value (RFC 2279 string).
func String(t AttributeType, v string) Attribute { return Attribute{t, []byte(v)} }

// Mechanisms is an attribute whose value is an array of CK_MECHANISM_TYPE.
func Mechanisms(t AttributeType, list ...MechanismType) Attribute {
	v := make([]byte, 0, 8*len(list))
	for _, m := range list {
		v = binary.BigEndian.AppendUint64(v, uint64(m))
	}
	return Attribute{t, v}
}

// Ulong reads a CK_ULONG value; ok is false where the length is not 8.
func (a Attribute) Ulong() (v uint64, ok bool) {
	if len(a.Value) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(a.Value), true
}

// Bool reads a CK_BBOOL value; ok is false where the length is not 1. As in C,
// any value but 0 is true.
func (a Attribute) Bool() (v, ok bool) {
	if len(a.Value) != 1 {
		return false, false
	}
	return a.Value[0] != 0, true
}

// MechanismList reads an array of CK_MECHANISM_TYPE; ok is false where the
// length is not a multiple of 8.
func (a Attribute) MechanismList() (list []MechanismType, ok bool) {
	if len(a.Value)%8 != 0 {
		return nil, false
	}
	for v := a.Value; len(v) > 0; v = v[8:] {
		list = append(list, MechanismType(binary.BigEndian.Uint64(v)))
	}
	return list, true
}

// String names the type and the length: values may be secret.
func (a Attribute) String() string { return fmt.Sprintf("%v(%d bytes)", a.Type, len(a.Value)) }

// Equal reports whether type and value are the same. It is not for secrets.
func (a Attribute) Equal(b Attribute) bool {
	return a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}

// Find returns the attribute of type t and whether the template has one.
func (t Template) Find(typ AttributeType) (Attribute, bool) {
	for _, a := range t {
		if a.Type == typ {
			return a, true
		}
	}
	return Attribute{}, false
}

// MaxNested bounds the attributes of a nested template; a nested template holds
// no templates of its own.
const MaxNested = 256

// EncodeTemplate is the canonical value of a CKA_*_TEMPLATE attribute: for each
// inner attribute its type (8 bytes), the length of its value (4 bytes) and the
// value, all big endian.
func EncodeTemplate(t Template) []byte {
	var v []byte
	for _, a := range t {
		v = binary.BigEndian.AppendUint64(v, uint64(a.Type))
		v = binary.BigEndian.AppendUint32(v, uint32(len(a.Value)))
		v = append(v, a.Value...)
	}
	return v
}

// DecodeTemplate reads what [EncodeTemplate] wrote. The values share memory
// with v. It fails on a truncated value, more than [MaxNested] attributes, or
// an inner attribute that is a template itself.
func DecodeTemplate(v []byte) (Template, error) {
	var t Template
	for len(v) > 0 {
		if len(v) < 12 {
			return nil, Errorf(CKR_ATTRIBUTE_VALUE_INVALID, "nested template is cut off in a header")
		}
		a := Attribute{Type: AttributeType(binary.BigEndian.Uint64(v))}
		n := uint64(binary.BigEndian.Uint32(v[8:]))
		v = v[12:]
		if n > uint64(len(v)) {
			return nil, Errorf(CKR_ATTRIBUTE_VALUE_INVALID, "nested template is cut off in %v", a.Type)
		}
		if KindOf(a.Type) == KindTemplate || len(t) == MaxNested {
			return nil, Errorf(CKR_ATTRIBUTE_VALUE_INVALID, "nested template is too deep or too long at %v", a.Type)
		}
		a.Value, v = v[:n:n], v[n:]
		t = append(t, a)
	}
	return t, nil
}

// KindOf says how values of type t are to be read. A type that PKCS#11 does not
// define is bytes.
func KindOf(t AttributeType) ValueKind {
	return attributeKinds[t]
}

var attributeKinds = func() map[AttributeType]ValueKind {
	kinds := make(map[AttributeType]ValueKind)
	for kind, types := range map[ValueKind][]AttributeType{
		KindBool: {
			CKA_TOKEN, CKA_PRIVATE, CKA_TRUSTED, CKA_SENSITIVE, CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP,
			CKA_UNWRAP, CKA_SIGN, CKA_SIGN_RECOVER, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_DERIVE,
			CKA_ENCAPSULATE, CKA_DECAPSULATE, CKA_EXTRACTABLE, CKA_LOCAL, CKA_NEVER_EXTRACTABLE,
			CKA_ALWAYS_SENSITIVE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE, CKA_ALWAYS_AUTHENTICATE,
			CKA_WRAP_WITH_TRUSTED, CKA_OTP_USER_FRIENDLY_MODE, CKA_RESET_ON_INIT, CKA_HAS_RESET, CKA_COLOR,
		},
		KindUlong: {
			CKA_CLASS, CKA_CERTIFICATE_TYPE, CKA_CERTIFICATE_CATEGORY, CKA_JAVA_MIDP_SECURITY_DOMAIN,
			CKA_NAME_HASH_ALGORITHM, CKA_KEY_TYPE, CKA_MODULUS_BITS, CKA_PRIME_BITS, CKA_SUBPRIME_BITS,
			CKA_VALUE_BITS, CKA_VALUE_LEN, CKA_KEY_GEN_MECHANISM, CKA_HW_FEATURE_TYPE, CKA_OTP_FORMAT,
			CKA_OTP_LENGTH, CKA_OTP_TIME_INTERVAL, CKA_OTP_CHALLENGE_REQUIREMENT, CKA_OTP_TIME_REQUIREMENT,
			CKA_OTP_COUNTER_REQUIREMENT, CKA_OTP_PIN_REQUIREMENT, CKA_PIXEL_X, CKA_PIXEL_Y, CKA_RESOLUTION,
			CKA_CHAR_ROWS, CKA_CHAR_COLUMNS, CKA_BITS_PER_PIXEL, CKA_MECHANISM_TYPE, CKA_PROFILE_ID,
			CKA_PARAMETER_SET, CKA_OBJECT_VALIDATION_FLAGS,
		},
		KindDate:       {CKA_START_DATE, CKA_END_DATE},
		KindMechanisms: {CKA_ALLOWED_MECHANISMS},
		KindTemplate: {
			CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE, CKA_ENCAPSULATE_TEMPLATE,
			CKA_DECAPSULATE_TEMPLATE,
		},
	} {
		for _, t := range types {
			kinds[t] = kind
		}
	}
	return kinds
}()
