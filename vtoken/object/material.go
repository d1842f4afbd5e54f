package object

import (
	"crypto"
	"crypto/rsa"
	"math/big"

	"vtoken/vtoken/ck"
)

// PrivateTemplate is the class, type and material of a private key as
// attributes, for [Build]: to it the caller adds the label, the id and the uses.
// It takes every kind of key that [Object.PrivateKey] returns; another is
// CKR_KEY_TYPE_INCONSISTENT. The values are secret, wipe them after use.
func PrivateTemplate(key crypto.PrivateKey) (ck.Template, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if len(key.Primes) != 2 {
			return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "the RSA key has %d primes; keys of 2 are taken", len(key.Primes))
		}
		t := ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
			ck.Bytes(ck.CKA_MODULUS, key.N.Bytes()), exponent(&key.PublicKey),
		}
		return append(t, rsaSecret(key)...), nil
	case *LatticePrivate:
		return latticePrivateTemplate(key), nil
	}
	if c, v, ok := curveOfPrivate(key); ok {
		return ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, c.KeyType),
			ck.Bytes(ck.CKA_EC_PARAMS, c.OID), ck.Bytes(ck.CKA_VALUE, v),
		}, nil
	}
	return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "private keys of type %T are not known here", key)
}

// PublicTemplate does the same for the keys that [Object.PublicKey] returns.
func PublicTemplate(key crypto.PublicKey) (ck.Template, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
			ck.Bytes(ck.CKA_MODULUS, key.N.Bytes()), exponent(key),
		}, nil
	case *LatticePublic:
		return latticePublicTemplate(key), nil
	}
	if c, _, ok := curveOfPublic(key); ok {
		point, err := EncodePoint(key)
		if err != nil {
			return nil, err
		}
		return ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, c.KeyType),
			ck.Bytes(ck.CKA_EC_PARAMS, c.OID), ck.Bytes(ck.CKA_EC_POINT, point),
		}, nil
	}
	return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "public keys of type %T are not known here", key)
}

// CertificateTemplate is the class, type and value of an X.509 certificate; the
// subject, issuer and serial number are filled in by [Build].
func CertificateTemplate(der []byte) ck.Template {
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE), ck.Ulong(ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509),
		ck.Bytes(ck.CKA_VALUE, der),
	}
}

func exponent(pub *rsa.PublicKey) ck.Attribute {
	return ck.Bytes(ck.CKA_PUBLIC_EXPONENT, big.NewInt(int64(pub.E)).Bytes())
}

// PublicKey is the key that CKA_PUBLIC_KEY_INFO holds: of a public key, a
// private key or a certificate. It is an *rsa.PublicKey, *ecdsa.PublicKey (P-224
// to P-521), *secp256k1.PublicKey, ed25519.PublicKey, ed448.PublicKey,
// *ecdh.PublicKey (X25519), *X448Public or *LatticePublic. An object without one is
// CKR_KEY_TYPE_INCONSISTENT.
func (o *Object) PublicKey() (crypto.PublicKey, error) {
	return ParsePublic(o.Attrs.Get(ck.CKA_PUBLIC_KEY_INFO))
}

// PrivateKey is the key of a private key object: the private half of what
// [Object.PublicKey] returns. RSA keys have their CRT numbers computed. Without
// the secret attributes it is [ErrSealed].
func (o *Object) PrivateKey() (crypto.PrivateKey, error) {
	if o.Class() != ck.CKO_PRIVATE_KEY {
		return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "an object of class %v is no private key", o.Class())
	}
	if o.Sealed() {
		return nil, ErrSealed
	}
	switch t, _ := o.KeyType(); t {
	case ck.CKK_RSA:
		n, err := o.RSANumbers()
		if err != nil {
			return nil, err
		}
		return n.Key()
	case ck.CKK_EC, ck.CKK_EC_EDWARDS, ck.CKK_EC_MONTGOMERY:
		c, err := CurveOf(o.Attrs.Get(ck.CKA_EC_PARAMS))
		if err != nil {
			return nil, err
		}
		return c.PrivateKey(o.Secret.Get(ck.CKA_VALUE))
	case ck.CKK_ML_DSA, ck.CKK_ML_KEM, ck.CKK_SLH_DSA:
		return o.latticePrivate(t)
	default:
		return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "private keys of type %v are not known here", t)
	}
}
