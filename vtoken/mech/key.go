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
	RSA       *rsa.PrivateKey
	ECPublic  *ecdsa.PublicKey
	EC        *ecdsa.PrivateKey
	// Public and Private are keys of every other kind (object.PublicKey).
	Public  crypto.PublicKey
	Private crypto.PrivateKey
	Secret  secret.Bytes // AES, generic secret, HMAC keys

	// raw is RSA in the form that rsaraw.go computes with, made on first use.
	raw struct {
		once sync.Once
		key  *rawRSA
		err  error
	}
}

// ParseKey reads the material of a key object, which shares no memory with the
// result. The secret attributes of a private or secret key have to be loaded
// (object.ErrSealed). An object that is no key that is known here is
// CKR_KEY_TYPE_INCONSISTENT.
func ParseKey(o *object.Object) (*Key, error) {
	t, isKey := o.KeyType()
	if !isKey {
		return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "an object of class %v is no key", o.Class())
	}
	if o.Sealed() {
		return nil, object.ErrSealed
	}
	k := &Key{Class: o.Class(), Type: t}
	switch k.Class {
	case ck.CKO_PUBLIC_KEY:
		return k, k.parsePublic(o)
	case ck.CKO_PRIVATE_KEY:
		return k, k.parsePrivate(o)
	case ck.CKO_SECRET_KEY:
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

func (k *Key) parsePrivate(o *object.Object) error {
	priv, err := o.PrivateKey()
	if err != nil {
		return err
	}
	switch priv := priv.(type) {
	case *rsa.PrivateKey:
		k.RSA = priv
	case *ecdsa.PrivateKey:
		k.EC = priv
	default:
		k.Private = priv
	}
	return nil
}

// Wipe overwrites a secret key. Nobody may use k afterwards. The numbers of
// private keys cannot be wiped, they are left to the garbage collector.
func (k *Key) Wipe() { k.Secret.Wipe() }

// wrongKey is the answer to a key of another class or type than a mechanism
// works on.
func wrongKey(k *Key, want string) error {
	return ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "a key of class %v, type %v is no %s", k.Class, k.Type, want)
}

func rsaPrivate(k *Key) (*rsa.PrivateKey, error) {
	if k.RSA == nil {
		return nil, wrongKey(k, "RSA private key")
	}
	if bits := k.RSA.N.BitLen(); bits < object.MinRSABits || bits > object.MaxRSABits {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "an RSA private key of %d bits is not used", bits)
	}
	return k.RSA, nil
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
