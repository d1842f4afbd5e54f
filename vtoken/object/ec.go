package object

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// Curve is an elliptic curve that keys may be on.
type Curve struct {
	elliptic.Curve
	// OID is CKA_EC_PARAMS: the DER encoding of the curve's object identifier.
	OID   []byte
	names []string
}

// Curves are the curves of SEC 2 and FIPS 186 that are supported. A curve may
// also be named in a PrintableString (section 6.3.3, curveName).
func Curves() []Curve {
	return []Curve{
		{elliptic.P224(), []byte{6, 5, 0x2b, 0x81, 4, 0, 0x21}, []string{"secp224r1", "P-224"}},
		{elliptic.P256(), []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, []string{"secp256r1", "prime256v1", "P-256"}},
		{elliptic.P384(), []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}, []string{"secp384r1", "P-384"}},
		{elliptic.P521(), []byte{6, 5, 0x2b, 0x81, 4, 0, 0x23}, []string{"secp521r1", "P-521"}},
	}
}

// CurveOf finds the curve that a CKA_EC_PARAMS value names, by OID or by name.
// A curve that is not known is CKR_CURVE_NOT_SUPPORTED, explicit parameters
// too; what is no value of the kind is CKR_ATTRIBUTE_VALUE_INVALID.
func CurveOf(params []byte) (Curve, error) {
	var v asn1.RawValue
	if rest, err := asn1.Unmarshal(params, &v); err != nil || len(rest) > 0 {
		return Curve{}, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_PARAMS is not DER")
	}
	for _, c := range Curves() {
		if bytes.Equal(c.OID, params) {
			return c, nil
		}
		for _, name := range c.names {
			if v.Class == asn1.ClassUniversal && v.Tag == asn1.TagPrintableString && name == string(v.Bytes) {
				return c, nil
			}
		}
	}
	return Curve{}, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "the curve is not one of P-224, P-256, P-384, P-521 by OID or name")
}

func normalCurve(params []byte) ([]byte, error) {
	c, err := CurveOf(params)
	return c.OID, err
}

// size is the number of bytes of a coordinate.
func (c Curve) size() int { return (c.Params().BitSize + 7) / 8 }

// DecodePoint reads a public point in any of the forms that are about: an OCTET
// STRING around the point, which PKCS#11 wants, or the bare point, compressed
// or not. A point that is not on the curve is CKR_ATTRIBUTE_VALUE_INVALID.
func (c Curve) DecodePoint(v []byte) (*ecdsa.PublicKey, error) {
	n := c.size()
	if len(v) != 1+2*n && len(v) != 1+n {
		var inner []byte
		if rest, err := asn1.Unmarshal(v, &inner); err != nil || len(rest) > 0 {
			return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT of %d bytes is no point of the curve", len(v))
		}
		v = inner
	}
	if len(v) == 1+n {
		v = c.expand(v)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(c.Curve, v)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT is no point of the curve")
	}
	return pub, nil
}

// expand is the uncompressed form of a compressed point, nil where it is none.
func (c Curve) expand(v []byte) []byte {
	x, y := elliptic.UnmarshalCompressed(c.Curve, v)
	if x == nil {
		return nil
	}
	n := c.size()
	out := make([]byte, 1+2*n)
	out[0] = 4
	x.FillBytes(out[1 : 1+n])
	y.FillBytes(out[1+n:])
	return out
}

// EncodePoint is CKA_EC_POINT: an OCTET STRING around the uncompressed point.
func EncodePoint(pub *ecdsa.PublicKey) ([]byte, error) {
	raw, err := pub.Bytes()
	if err != nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "encode the public point: %w", err)
	}
	return asn1.Marshal(raw)
}

// completeECPublic checks the point (section 6.3.3).
func completeECPublic(d *draft) error {
	c, err := CurveOf(d.attrs.Get(ck.CKA_EC_PARAMS))
	if err != nil {
		return err
	}
	pub, err := c.DecodePoint(d.attrs.Get(ck.CKA_EC_POINT))
	if err != nil {
		return err
	}
	return d.putEC(pub)
}

// putEC sets the point in its one form, and what follows from it.
func (d *draft) putEC(pub *ecdsa.PublicKey) error {
	point, err := EncodePoint(pub)
	if err != nil {
		return err
	}
	d.attrs = d.attrs.With(ck.Bytes(ck.CKA_EC_POINT, point))
	return d.putPublicKeyInfo(pub)
}

// completeECPrivate checks the private number and computes the point (section
// 6.3.4). The number is stored with as many bytes as the order of the curve.
func completeECPrivate(d *draft) error {
	c, err := CurveOf(d.attrs.Get(ck.CKA_EC_PARAMS))
	if err != nil {
		return err
	}
	key, err := c.privateKey(d.attrs.Get(ck.CKA_VALUE))
	if err != nil {
		return err
	}
	if v := d.attrs.Get(ck.CKA_EC_POINT); len(v) > 0 {
		if pub, err := c.DecodePoint(v); err != nil || !pub.Equal(&key.PublicKey) {
			return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT does not belong to the private number")
		}
	}
	raw, err := key.Bytes()
	if err != nil {
		return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "encode the private number: %w", err)
	}
	d.attrs = d.attrs.With(ck.Bytes(ck.CKA_VALUE, raw))
	return d.putEC(&key.PublicKey)
}

// privateKey reads a private number of any length that is in range.
func (c Curve) privateKey(v []byte) (*ecdsa.PrivateKey, error) {
	v = bytes.TrimLeft(v, "\x00")
	n := (c.Params().N.BitLen() + 7) / 8
	if len(v) > n {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the private number exceeds the order of the curve")
	}
	fixed := make([]byte, n)
	defer clear(fixed)
	copy(fixed[n-len(v):], v)
	key, err := ecdsa.ParseRawPrivateKey(c.Curve, fixed)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the private number is zero or exceeds the order of the curve")
	}
	return key, nil
}
