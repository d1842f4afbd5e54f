//go:build cgo

package libcrypto

// #include "crypto.h"
// #include <openssl/objects.h>
import "C"

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"math/big"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
)

// RSA loads a key (mech.Provider).
func (*Provider) RSA(n object.RSANumbers) (mech.RSAPrivate, error) {
	e := big.NewInt(int64(n.Public.E)).Bytes()
	modulus := n.Public.N.Bytes()
	if len(n.D) > len(modulus) {
		return nil, errNumbers()
	}
	key := C.vt_rsa(view(modulus), view(e), view(n.D), view(n.P), view(n.Q), view(n.Dp), view(n.Dq), view(n.QInv))
	if key == nil {
		return nil, errNumbers()
	}
	k := &rsaKey{pub: n.Public, modulus: modulus, key: key}
	if C.vt_rsa_seed(key, first(k.seed[:])) == 0 {
		k.Wipe()
		return nil, errNumbers()
	}
	return k, nil
}

func errNumbers() error {
	return ck.Errorf(ck.CKR_DEVICE_ERROR, "the stored numbers of the RSA key do not fit together")
}

// rsaKey is a key in libcrypto.
type rsaKey struct {
	pub     *rsa.PublicKey
	modulus []byte
	key     *C.RSA
	seed    [32]byte // SHA-256 of the private exponent
}

func (k *rsaKey) Public() *rsa.PublicKey { return k.pub }

func (k *rsaKey) RejectionSeed() [32]byte { return k.seed }

// Wipe frees the key, which overwrites it.
func (k *rsaKey) Wipe() {
	C.RSA_free(k.key)
	k.key = nil
	clear(k.seed[:])
}

func (k *rsaKey) Private(in []byte) (out []byte, ok bool, err error) {
	size := len(k.modulus)
	padded := make([]byte, size)
	copy(padded[size-len(in):], in)
	if bytes.Compare(padded, k.modulus) >= 0 {
		return nil, false, nil
	}
	out = make([]byte, size)
	if C.vt_rsa_private(k.key, first(padded), first(out)) == 0 {
		return nil, true, errFailed
	}
	return out, true, nil
}

func (k *rsaKey) SignPKCS1v15(h crypto.Hash, message []byte) ([]byte, error) {
	out := make([]byte, len(k.modulus))
	id, known := hashes[h]
	if h != 0 && (!known || len(message) != h.Size()) || C.vt_rsa_sign(k.key, id, view(message), first(out)) == 0 {
		return nil, errFailed
	}
	return out, nil
}

func (k *rsaKey) SignPSS(h, mgf crypto.Hash, salt int, digest []byte) ([]byte, error) {
	out := make([]byte, len(k.modulus))
	if C.vt_rsa_pss(k.key, hashes[h], hashes[mgf], view(digest), C.int(salt), first(out)) == 0 {
		return nil, errFailed
	}
	return out, nil
}

func (k *rsaKey) DecryptOAEP(in []byte, o *rsa.OAEPOptions) ([]byte, error) {
	mgf := o.MGFHash
	if mgf == 0 {
		mgf = o.Hash
	}
	out := make([]byte, len(k.modulus))
	if len(in) != len(out) {
		return nil, errFailed
	}
	n := C.vt_rsa_oaep(k.key, hashes[o.Hash], hashes[mgf], view(o.Label), first(in), first(out))
	if n < 0 {
		return nil, errFailed
	}
	return out[:n], nil
}

// hashes are libcrypto's numbers of hash functions.
var hashes = map[crypto.Hash]C.int{
	crypto.MD5: C.NID_md5, crypto.SHA1: C.NID_sha1,
	crypto.SHA224: C.NID_sha224, crypto.SHA256: C.NID_sha256, crypto.SHA384: C.NID_sha384, crypto.SHA512: C.NID_sha512,
	crypto.SHA512_224: C.NID_sha512_224, crypto.SHA512_256: C.NID_sha512_256,
	crypto.SHA3_224: C.NID_sha3_224, crypto.SHA3_256: C.NID_sha3_256, crypto.SHA3_384: C.NID_sha3_384, crypto.SHA3_512: C.NID_sha3_512,
}
