package mech

import (
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"vtoken/vtoken/ck"
)

// koblitzBytes is the length of numbers of secp256k1.
const koblitzBytes = 32

// koblitzDigest is a digest as ECDSA reads it: its leftmost 256 bits, or all of
// it as a number.
func koblitzDigest(digest []byte) []byte {
	fixed := make([]byte, koblitzBytes)
	n := min(len(digest), koblitzBytes)
	copy(fixed[koblitzBytes-n:], digest)
	return fixed
}

// signKoblitz signs with a nonce of RFC 6979.
func signKoblitz(key *secp256k1.PrivateKey, digest []byte) []byte {
	sig := ecdsa.Sign(key, koblitzDigest(digest))
	r, s := sig.R(), sig.S()
	out := make([]byte, 2*koblitzBytes)
	r.PutBytesUnchecked(out)
	s.PutBytesUnchecked(out[koblitzBytes:])
	return out
}

func verifyKoblitz(key *secp256k1.PublicKey, digest, signature []byte) error {
	var r, s secp256k1.ModNScalar
	over := r.SetByteSlice(signature[:koblitzBytes])
	over = s.SetByteSlice(signature[koblitzBytes:]) || over
	if over || r.IsZero() || s.IsZero() || !ecdsa.NewSignature(&r, &s).Verify(koblitzDigest(digest), key) {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
