package mech

import (
	"crypto"
	"crypto/rsa"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// Provider computes with the private keys of RSA and of the curves of CKK_EC: it
// loads a key once and then has it in a form of its own. [Go] is one, package
// libcrypto another. All others of a key's work, the public key's included, is
// done by this package.
type Provider interface {
	// RSA loads a key, whose numbers it copies. Numbers that do not fit together
	// are CKR_DEVICE_ERROR, as they come from the store.
	RSA(n object.RSANumbers) (RSAPrivate, error)
	// EC loads the key of CKA_VALUE on a curve of CKK_EC. A number that is none of
	// the curve is CKR_ATTRIBUTE_VALUE_INVALID.
	EC(c object.Curve, value []byte) (ECPrivate, error)
}

// RSAPrivate is a loaded RSA private key of [object.MinRSABits] to
// [object.MaxRSABits] bits. All results have the length of the modulus, but for
// that of DecryptOAEP. It is safe for concurrent use. Errors come without a code
// of PKCS#11.
type RSAPrivate interface {
	Public() *rsa.PublicKey
	// Private is the bare operation on a number of up to the modulus's length. ok
	// is false where it is not below the modulus.
	Private(in []byte) (out []byte, ok bool, err error)
	// SignPKCS1v15 is RFC 8017 section 8.2; h is 0 for a message that is padded as
	// it is.
	SignPKCS1v15(h crypto.Hash, message []byte) ([]byte, error)
	// SignPSS is RFC 8017 section 8.1, for a digest of h and a salt that fits.
	SignPSS(h, mgf crypto.Hash, salt int, digest []byte) ([]byte, error)
	// DecryptOAEP is RFC 8017 section 7.1. All faults take the same time.
	DecryptOAEP(in []byte, o *rsa.OAEPOptions) ([]byte, error)
	// RejectionSeed is SHA-256 of the private exponent, from which implicit
	// rejection follows (rsaimplicit.go).
	RejectionSeed() [32]byte
	// Wipe ends the key. Nobody may use it afterwards.
	Wipe()
}

// ECPrivate is a loaded private key on a curve of CKK_EC. It is safe for
// concurrent use. Errors come without a code of PKCS#11.
type ECPrivate interface {
	// Curve is the curve that the key is on.
	Curve() object.Curve
	// Sign is ECDSA: r and s, each of [object.Curve.NumberSize] bytes.
	Sign(digest []byte) ([]byte, error)
	// Agree is the x coordinate of the common point with a public key of the same
	// curve, of as many bytes as the field.
	Agree(peer crypto.PublicKey) ([]byte, error)
	// Wipe ends the key. Nobody may use it afterwards.
	Wipe()
}

// failed is the error of an operation of a provider: CKR_FUNCTION_FAILED where it
// has no code.
func failed(doing string, err error) error {
	code := ck.CodeOf(err)
	if code == ck.CKR_GENERAL_ERROR {
		code = ck.CKR_FUNCTION_FAILED
	}
	return ck.Errorf(code, "%s: %w", doing, err)
}
