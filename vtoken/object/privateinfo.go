package object

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// ecPrivateKey is the part of ECPrivateKey (RFC 5915) that is read.
type ecPrivateKey struct {
	Version int
	Value   []byte
	Curve   asn1.RawValue  `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString `asn1:"optional,explicit,tag:1"`
}

// MarshalPrivate is a private key as PKCS #8, in DER. It takes every kind of key
// that [Object.PrivateKey] returns; another is CKR_KEY_TYPE_INCONSISTENT. The
// result is secret, wipe it after use.
func MarshalPrivate(priv crypto.PrivateKey) ([]byte, error) {
	switch priv := priv.(type) {
	case *LatticePrivate:
		return marshalLattice(priv)
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
		der, err := x509.MarshalPKCS8PrivateKey(priv)
		if err != nil {
			return nil, ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "encode the private key as PKCS #8: %w", err)
		}
		return der, nil
	}
	if c, v, ok := curveOfPrivate(priv); ok {
		defer clear(v)
		return c.marshalPrivate(priv, v)
	}
	return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "private keys of type %T are not known here", priv)
}

func (c Curve) marshalPrivate(priv crypto.PrivateKey, v []byte) (der []byte, err error) {
	var inner []byte
	if c.KeyType == ck.CKK_EC {
		raw, _ := c.encodePoint(c.public(priv))
		inner, err = asn1.Marshal(ecPrivateKey{Version: 1, Value: v, Public: asn1.BitString{Bytes: raw, BitLength: 8 * len(raw)}})
	} else {
		inner, err = asn1.Marshal(v) // CurvePrivateKey (RFC 8410 section 7)
	}
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_NOT_WRAPPABLE, "encode the private key on %s: %w", c.Name, err)
	}
	defer clear(inner)
	return asn1.Marshal(privateKeyInfo{0, c.algorithm(), inner})
}

// ParsePrivate is the inverse of [MarshalPrivate]. What is no key that is known
// here is CKR_WRAPPED_KEY_INVALID.
func ParsePrivate(der []byte) (crypto.PrivateKey, error) {
	if priv, err := x509.ParsePKCS8PrivateKey(der); err == nil { // else it may be a nil pointer
		switch priv.(type) {
		case *rsa.PrivateKey, *ecdsa.PrivateKey:
			return priv, nil
		}
	}
	var info privateKeyInfo
	if _, err := asn1.Unmarshal(der, &info); err == nil {
		if c, ok := curveOfAlgorithm(info.Algorithm); ok {
			if priv, ok := c.parsePrivate(info.Key); ok {
				return priv, nil
			}
		}
		if s, ok := parameterSetOfAlgorithm(info.Algorithm); ok {
			if priv, ok := s.parseLattice(info.Key); ok {
				return priv, nil
			}
		}
	}
	return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_INVALID, "no private key in PKCS #8 of a type that is known here")
}

func (c Curve) parsePrivate(inner []byte) (crypto.PrivateKey, bool) {
	var v []byte
	if c.KeyType == ck.CKK_EC {
		var key ecPrivateKey
		if rest, err := asn1.Unmarshal(inner, &key); err != nil || len(rest) > 0 {
			return nil, false
		}
		v = key.Value
	} else if rest, err := asn1.Unmarshal(inner, &v); err != nil || len(rest) > 0 {
		return nil, false
	}
	priv, err := c.decodeValue(v)
	return priv, err == nil
}
