package mech

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"sync"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// Key is the key material of an object, parsed once and then used by any number
// of operations at the same time. Exactly one of the material fields is set.
type Key struct {
	Class ck.ObjectClass
	Type  ck.KeyType

	RSAPublic *rsa.PublicKey
	RSA       RSAPrivate
	ECPublic  *ecdsa.PublicKey
	EC        ECPrivate
	// Public and Private are keys of every other kind (object.PublicKey).
	Public  crypto.PublicKey
	Private crypto.PrivateKey
	Secret  secret.Bytes // AES, generic secret, HMAC and OTP keys
	OTP     object.OTP   // what an OTP key makes of its secret

	// raw is RSAPublic in the form that rsaraw.go computes with, made on first use.
	raw struct {
		once sync.Once
		key  *rawPublic
		err  error
	}
}

// ParseKey reads the material of a key object, which shares no memory with the
// result. It needs the secret attributes of a private or secret key, else the error is
// object.ErrSealed. An object that is no key, or of a type that is not known here, is
// CKR_KEY_TYPE_INCONSISTENT. The provider computes with private keys; the caller
// wipes the key in the end ([Key.Wipe]).
func ParseKey(o *object.Object, with Provider) (*Key, error) {
	t, isKey := o.KeyType()
	if !isKey {
		return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "an object of class %v is not a key", o.Class())
	}
	if o.Sealed() {
		return nil, object.ErrSealed
	}
	k := &Key{Class: o.Class(), Type: t}
	switch k.Class {
	case ck.CKO_PUBLIC_KEY:
		return k, k.parsePublic(o)
	case ck.CKO_PRIVATE_KEY:
		return k, k.parsePrivate(o, with)
	case ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
		k.OTP = o.OTP()
		k.Secret = secret.Bytes(o.Secret.Get(ck.CKA_VALUE)).Clone()
		return k, nil
	}
	return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "keys of class %v have no mechanism here", k.Class)
}

func (k *Key) parsePublic(o *object.Object) error {
	pub, err := o.PublicKey()
	if err != nil {
		return err
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		k.RSAPublic = pub
	case *ecdsa.PublicKey:
		k.ECPublic = pub
	default:
		k.Public = pub
	}
	return nil
}

func (k *Key) parsePrivate(o *object.Object, with Provider) (err error) {
	switch k.Type {
	case ck.CKK_RSA:
		n, err := o.RSANumbers()
		if err != nil {
			return err
		}
		k.RSA, err = with.RSA(n)
		return err
	case ck.CKK_EC:
		c, err := object.CurveOf(o.Attrs.Get(ck.CKA_EC_PARAMS))
		if err != nil {
			return err
		}
		k.EC, err = with.EC(c, o.Secret.Get(ck.CKA_VALUE))
		return err
	}
	k.Private, err = o.PrivateKey()
	return err
}

// heavyRSABits is the size of the largest RSA key whose private operation takes
// about as long as a call.
const heavyRSABits = 2048

// Heavy reports whether to sign, decrypt or verify with the key takes long:
// milliseconds with an RSA private key of more than 2048 bits, and up to seconds
// with SLH-DSA.
func (k *Key) Heavy() bool {
	return k.Type == ck.CKK_SLH_DSA || k.RSA != nil && k.RSA.Public().N.BitLen() > heavyRSABits
}

// IsPrivate reports whether it is a private key. To unwrap or derive with it takes a tenth
// of a millisecond and more, which many calls at once add up.
func (k *Key) IsPrivate() bool { return k.Class == ck.CKO_PRIVATE_KEY }

// Wipe ends the key, and overwrites what is the key's own. Nobody may use it
// afterwards. Keys of other kinds than RSA, EC and secret keys are left to the
// garbage collector.
func (k *Key) Wipe() {
	k.Secret.Wipe()
	if k.RSA != nil {
		k.RSA.Wipe()
	}
	if k.EC != nil {
		k.EC.Wipe()
	}
}

// wrongKey is the answer to a key of another class or type than a mechanism
// works on.
func wrongKey(k *Key, want string) error {
	return ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "a key of class %v, type %v is no %s", k.Class, k.Type, want)
}

// rsaPrivate is the private key, and its public half.
func rsaPrivate(k *Key) (RSAPrivate, *rsa.PublicKey, error) {
	if k.RSA == nil {
		return nil, nil, wrongKey(k, "RSA private key")
	}
	pub := k.RSA.Public()
	if bits := pub.N.BitLen(); bits < object.MinRSABits || bits > object.MaxRSABits {
		return nil, nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "an RSA private key of %d bits is not used", bits)
	}
	return k.RSA, pub, nil
}

// rsaPublic is the public key where it has at least minBits.
func rsaPublic(k *Key, minBits int) (*rsa.PublicKey, error) {
	if k.RSAPublic == nil {
		return nil, wrongKey(k, "RSA public key")
	}
	if bits := k.RSAPublic.N.BitLen(); bits < minBits || bits > object.MaxRSABits {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "an RSA public key of %d bits is not used for this", bits)
	}
	return k.RSAPublic, nil
}
