package object

import (
	"bytes"
	"crypto"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// EncodePoint is CKA_EC_POINT: an OCTET STRING around the uncompressed point, or
// around the public key of RFC 8032 or RFC 7748.
func EncodePoint(pub crypto.PublicKey) ([]byte, error) {
	_, raw, ok := curveOfPublic(pub)
	if !ok {
		return nil, ck.Errorf(ck.CKR_CURVE_NOT_SUPPORTED, "a public key of type %T is on no curve that is known here", pub)
	}
	return asn1.Marshal(raw)
}

// curve is the curve of the draft's CKA_EC_PARAMS. One that is not for the type of key
// is CKR_CURVE_NOT_SUPPORTED.
func (d *draft) curve() (Curve, error) {
	t, _ := d.attrs.Ulong(ck.CKA_KEY_TYPE)
	return curveOfType(d.attrs.Get(ck.CKA_EC_PARAMS), ck.KeyType(t))
}

// completeECPublic checks the point (sections 6.3.3, 6.3.5 and 6.3.7).
func completeECPublic(d *draft) error {
	c, err := d.curve()
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
func (d *draft) putEC(pub crypto.PublicKey) error {
	point, err := EncodePoint(pub)
	if err != nil {
		return err
	}
	d.attrs = d.attrs.With(ck.Bytes(ck.CKA_EC_POINT, point))
	return d.putPublicKeyInfo(pub)
}

// completeECPrivate checks the private number and computes the point (sections
// 6.3.4, 6.3.6 and 6.3.8). The number is stored with as many bytes as the order
// of the curve.
func completeECPrivate(d *draft) error {
	c, err := d.curve()
	if err != nil {
		return err
	}
	key, err := c.PrivateKey(d.attrs.Get(ck.CKA_VALUE))
	if err != nil {
		return err
	}
	pub := c.public(key)
	if err := d.samePoint(c, pub); err != nil {
		return err
	}
	value, _ := c.encodeValue(key)
	d.attrs = d.attrs.With(ck.Bytes(ck.CKA_VALUE, value))
	return d.putEC(pub)
}

// samePoint checks that a point that the template gives is that of the key.
func (d *draft) samePoint(c Curve, pub crypto.PublicKey) error {
	v := d.attrs.Get(ck.CKA_EC_POINT)
	if len(v) == 0 {
		return nil
	}
	want, _ := c.encodePoint(pub)
	if given, err := c.DecodePoint(v); err == nil {
		if got, _ := c.encodePoint(given); bytes.Equal(got, want) {
			return nil
		}
	}
	return ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_EC_POINT does not belong to the private number")
}

// PrivateKey reads CKA_VALUE. What is no private number of the curve is
// CKR_ATTRIBUTE_VALUE_INVALID.
func (c Curve) PrivateKey(v []byte) (crypto.PrivateKey, error) {
	key, err := c.decodeValue(v)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE is no private key on %s", c.Name)
	}
	return key, nil
}
