package object

import (
	"crypto/rsa"
	"math/big"

	"vtoken/vtoken/ck"
)

// RSANumbers are the numbers of an RSA private key. The secret ones are big
// endian, without zeroes in front, and share their memory with the object.
type RSANumbers struct {
	Public *rsa.PublicKey
	// D is the private exponent, P and Q are the primes, Dp and Dq is D modulo one
	// less than each, and QInv the inverse of Q modulo P.
	D, P, Q, Dp, Dq, QInv []byte
}

// RSANumbers reads an RSA private key. Without the secret attributes it is
// [ErrSealed]. That the numbers fit together is not checked, see
// [RSANumbers.Key].
func (o *Object) RSANumbers() (n RSANumbers, err error) {
	if o.Sealed() {
		return n, ErrSealed
	}
	public := func(t ck.AttributeType) *big.Int { return new(big.Int).SetBytes(o.Attrs.Get(t)) }
	n.Public, err = rsaPublic(public(ck.CKA_MODULUS), public(ck.CKA_PUBLIC_EXPONENT), MinRSABits)
	n.D = o.Secret.Get(ck.CKA_PRIVATE_EXPONENT)
	n.P, n.Q = o.Secret.Get(ck.CKA_PRIME_1), o.Secret.Get(ck.CKA_PRIME_2)
	n.Dp, n.Dq = o.Secret.Get(ck.CKA_EXPONENT_1), o.Secret.Get(ck.CKA_EXPONENT_2)
	n.QInv = o.Secret.Get(ck.CKA_COEFFICIENT)
	return n, err
}

// Key is the key of crypto/rsa with its CRT numbers. Numbers that do not fit
// together are CKR_DEVICE_ERROR.
func (n RSANumbers) Key() (*rsa.PrivateKey, error) {
	number := func(v []byte) *big.Int { return new(big.Int).SetBytes(v) }
	key := &rsa.PrivateKey{PublicKey: *n.Public, D: number(n.D), Primes: []*big.Int{number(n.P), number(n.Q)}}
	// With the CRT numbers given, Precompute checks them. To find them again would
	// take as long as a signature.
	key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv = number(n.Dp), number(n.Dq), number(n.QInv)
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, ck.Errorf(ck.CKR_DEVICE_ERROR, "the stored numbers of the RSA key do not fit together")
	}
	return key, nil
}
