package mech

import (
	"crypto/ecdsa"
	"crypto/rsa"

	"vtoken/vtoken/ck"
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
	Secret    secret.Bytes // AES, generic secret, HMAC keys
}
