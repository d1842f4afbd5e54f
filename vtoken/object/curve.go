package object

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// Curve is an elliptic curve that keys may be on, and how their numbers and
// points are written.
type Curve struct {
	// Name is the curve's first name.
	Name string
	// OID is CKA_EC_PARAMS: the DER encoding of the curve's object identifier.
	OID []byte
	// KeyType is the type of the keys on it: CKK_EC, CKK_EC_EDWARDS or
	// CKK_EC_MONTGOMERY.
	KeyType ck.KeyType

	names []string
	group
}

// group is the arithmetic and the encodings of a curve. A key of another curve
// is ok false; a value that is none is an error of any kind.
type group interface {
	generate() (crypto.PrivateKey, error)
	// decodePoint reads the bare point, encodePoint writes it.
	decodePoint(raw []byte) (crypto.PublicKey, error)
	encodePoint(pub crypto.PublicKey) (raw []byte, ok bool)
	// decodeValue reads CKA_VALUE, encodeValue writes its one form.
	decodeValue(v []byte) (crypto.PrivateKey, error)
	encodeValue(priv crypto.PrivateKey) (v []byte, ok bool)
	public(priv crypto.PrivateKey) crypto.PublicKey
}

// Curves are the curves that are supported: of FIPS 186 and SEC 2, of RFC 8032
// and of RFC 7748. A curve may also be named in a PrintableString (section
// 6.3.3, curveName).
func Curves() []Curve {
	return []Curve{
		{"P-224", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x21}, ck.CKK_EC, []string{"secp224r1"}, nist{elliptic.P224()}},
		{"P-256", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, ck.CKK_EC, []string{"secp256r1", "prime256v1"}, nist{elliptic.P256()}},
		{"P-384", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}, ck.CKK_EC, []string{"secp384r1"}, nist{elliptic.P384()}},
		{"P-521", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x23}, ck.CKK_EC, []string{"secp521r1"}, nist{elliptic.P521()}},
		{"secp256k1", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x0a}, ck.CKK_EC, nil, koblitz{}},
		{"edwards25519", []byte{6, 3, 0x2b, 0x65, 0x70}, ck.CKK_EC_EDWARDS, []string{"Ed25519"}, edwards25519{}},
		{"edwards448", []byte{6, 3, 0x2b, 0x65, 0x71}, ck.CKK_EC_EDWARDS, []string{"Ed448"}, edwards448{}},
		{"curve25519", []byte{6, 3, 0x2b, 0x65, 0x6e}, ck.CKK_EC_MONTGOMERY, []string{"X25519"}, montgomery25519{}},
		{"curve448", []byte{6, 3, 0x2b, 0x65, 0x6f}, ck.CKK_EC_MONTGOMERY, []string{"X448"}, montgomery448{}},
	}
}

// Generate makes a private key on the curve.
func (c Curve) Generate() (crypto.PrivateKey, error) {
	key, err := c.generate()
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "generate a key on %s: %w", c.Name, err)
	}
	return key, nil
}

// NumberSize is the length of a private number, and of each of the two of a
// signature, in bytes. It is 0 for curves that CKK_EC is not for.
func (c Curve) NumberSize() int {
	if g, ok := c.group.(interface{ numberSize() int }); ok {
		return g.numberSize()
	}
	return 0
}

// Public is the public half of a private key on the curve.
func (c Curve) Public(priv crypto.PrivateKey) crypto.PublicKey { return c.public(priv) }

// CurveOf finds the curve that a CKA_EC_PARAMS value names, by OID or by name.
// It may also be spelled out. A curve that is not known is CKR_CURVE_NOT_SUPPORTED;
// what is no value of the kind is CKR_ATTRIBUTE_VALUE_INVALID.
func CurveOf(params []byte) (Curve, error) {
	for _, c := range Curves() {
		for _, form := range otherForms[c.Name] {
			if string(params) == form {
				return c, nil
			}
		}
	}
	var v asn1.RawValue
	if rest, err := asn1.Unmarshal(params, &v); err != nil || len(rest) > 0 {
		return Curve{}, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_PARAMS is not DER")
	}
	if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagSequence {
		return explicitCurve(params)
	}
	named := v.Class == asn1.ClassUniversal && v.Tag == asn1.TagPrintableString
	for _, c := range Curves() {
		if bytes.Equal(c.OID, params) || named && c.isNamed(string(v.Bytes)) {
			return c, nil
		}
	}
	return Curve{}, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED,
		"the curve is not one of P-224, P-256, P-384, P-521, secp256k1, edwards25519, edwards448, curve25519, curve448 by OID or name")
}

func (c Curve) isNamed(name string) bool {
	for _, n := range append(c.names, c.Name) {
		if n == name {
			return true
		}
	}
	return false
}

// otherForms are values of CKA_EC_PARAMS that programs give beside the OID and the
// names: the OIDs that GnuPG assigned, and a name whose length is wrong by one,
// which pkcs11-tool up to 0.25 sends.
var otherForms = map[string][]string{
	"edwards25519": {"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01"},
	"curve25519":   {"\x06\x0a\x2b\x06\x01\x04\x01\x97\x55\x01\x05\x01", "\x13\x0bcurve25519"},
}

// curveOfType is CurveOf for keys of one type.
func curveOfType(params []byte, t ck.KeyType) (Curve, error) {
	c, err := CurveOf(params)
	if err == nil && c.KeyType != t {
		err = ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "keys on %s are of type %v, not %v", c.Name, c.KeyType, t)
	}
	return c, err
}

func normalCurve(params []byte) ([]byte, error) {
	c, err := CurveOf(params)
	return c.OID, err
}

// DecodePoint reads a public point in any of the forms that are about: an OCTET
// STRING around the point, which PKCS#11 wants, a BIT STRING, or the bare point,
// compressed, hybrid or neither. A point that is not on the curve is
// CKR_ATTRIBUTE_VALUE_INVALID.
func (c Curve) DecodePoint(v []byte) (crypto.PublicKey, error) {
	if pub, err := c.decodePoint(v); err == nil {
		return pub, nil
	}
	if raw, ok := unwrapString(v); ok {
		if pub, err := c.decodePoint(raw); err == nil {
			return pub, nil
		}
	}
	return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT of %d bytes is no point of %s", len(v), c.Name)
}

// unwrapString is what an OCTET STRING or a BIT STRING of whole bytes holds.
func unwrapString(v []byte) ([]byte, bool) {
	var octets []byte
	if rest, err := asn1.Unmarshal(v, &octets); err == nil && len(rest) == 0 {
		return octets, true
	}
	var bits asn1.BitString
	if rest, err := asn1.Unmarshal(v, &bits); err == nil && len(rest) == 0 && bits.BitLength%8 == 0 {
		return bits.Bytes, true
	}
	return nil, false
}

// curveOfPublic finds the curve that a public key is on, and its bare point.
func curveOfPublic(pub crypto.PublicKey) (c Curve, raw []byte, ok bool) {
	for _, c := range Curves() {
		if raw, ok := c.encodePoint(pub); ok {
			return c, raw, true
		}
	}
	return Curve{}, nil, false
}

// curveOfPrivate does the same for a private key and its value.
func curveOfPrivate(priv crypto.PrivateKey) (c Curve, v []byte, ok bool) {
	for _, c := range Curves() {
		if v, ok := c.encodeValue(priv); ok {
			return c, v, true
		}
	}
	return Curve{}, nil, false
}

// CurveOfKey is the curve that a private key is on; ok is false for a key that is
// on none.
func CurveOfKey(priv crypto.PrivateKey) (c Curve, ok bool) {
	c, v, ok := curveOfPrivate(priv)
	clear(v)
	return c, ok
}
