package object

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// publicKeyInfo is SubjectPublicKeyInfo (RFC 5280 section 4.1).
type publicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Key       asn1.BitString
}

// privateKeyInfo is the part of OneAsymmetricKey (RFC 5958 section 2) that is read.
type privateKeyInfo struct {
	Version   int
	Algorithm pkix.AlgorithmIdentifier
	Key       []byte
}

// idECPublicKey is the algorithm of keys on the curves of CKK_EC (RFC 5480).
var idECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// MarshalPublic is a public key as SubjectPublicKeyInfo, in DER. It takes every
// kind of key that [Object.PublicKey] returns; another is
// CKR_KEY_TYPE_INCONSISTENT.
func MarshalPublic(pub crypto.PublicKey) ([]byte, error) {
	switch pub := pub.(type) {
	case *LatticePublic:
		return marshalInfo(pkix.AlgorithmIdentifier{Algorithm: pub.Set.oid}, encoded(pub.Key))
	case *rsa.PublicKey, *ecdsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "encode the public key: %w", err)
		}
		return der, nil
	}
	if c, raw, ok := curveOfPublic(pub); ok {
		return marshalInfo(c.algorithm(), raw)
	}
	return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "public keys of type %T are not known here", pub)
}

func marshalInfo(a pkix.AlgorithmIdentifier, raw []byte) ([]byte, error) {
	return asn1.Marshal(publicKeyInfo{a, asn1.BitString{Bytes: raw, BitLength: 8 * len(raw)}})
}

// ParsePublic is the inverse of [MarshalPublic]. What is no key that is known
// here is CKR_KEY_TYPE_INCONSISTENT.
func ParsePublic(der []byte) (crypto.PublicKey, error) {
	if pub, err := x509.ParsePKIXPublicKey(der); err == nil { // else it may be a nil pointer of one of these types
		switch pub.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey:
			return pub, nil
		}
	}
	var info publicKeyInfo
	rest, err := asn1.Unmarshal(der, &info)
	if err == nil && len(rest) == 0 && info.Key.BitLength == 8*len(info.Key.Bytes) {
		if c, ok := curveOfAlgorithm(info.Algorithm); ok {
			if pub, err := c.decodePoint(info.Key.Bytes); err == nil {
				return pub, nil
			}
		}
		if s, ok := parameterSetOfAlgorithm(info.Algorithm); ok {
			if key, err := s.decodePublic(info.Key.Bytes); err == nil {
				return &LatticePublic{s, key}, nil
			}
		}
	}
	return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "no public key of a type that is known here")
}

// algorithm names the curve where keys are encoded: by itself, or as a parameter
// of the one algorithm of CKK_EC.
func (c Curve) algorithm() pkix.AlgorithmIdentifier {
	if c.KeyType == ck.CKK_EC {
		return pkix.AlgorithmIdentifier{Algorithm: idECPublicKey, Parameters: asn1.RawValue{FullBytes: c.OID}}
	}
	var oid asn1.ObjectIdentifier
	_, _ = asn1.Unmarshal(c.OID, &oid) // the table's own values
	return pkix.AlgorithmIdentifier{Algorithm: oid}
}

func curveOfAlgorithm(a pkix.AlgorithmIdentifier) (Curve, bool) {
	for _, c := range Curves() {
		want := c.algorithm()
		if want.Algorithm.Equal(a.Algorithm) && string(want.Parameters.FullBytes) == string(a.Parameters.FullBytes) {
			return c, true
		}
	}
	return Curve{}, false
}
