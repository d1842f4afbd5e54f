package mech

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"math/bits"
)

// unpadImplicit takes the PKCS #1 v1.5 padding off em. Where the padding is bad
// it returns a message that follows from the private exponent and the
// ciphertext alone, of a random look and length, so that an attacker who sends
// ciphertexts cannot tell bad padding from good (draft-irtf-cfrg-rsa-guidance
// section 7; CVE-2023-5992 is the attack on OpenSC). OpenSSL 3.2 and NSS do the same, to the bit.
//
// em and the ciphertext c have the length of the modulus; seed is SHA-256 of the
// private exponent in that length. No branch and no index depends on em; only the length of the result
// does, which the caller hands out anyway.
func unpadImplicit(em, c []byte, seed [32]byte) []byte {
	k := len(em)
	kdk := rejectionKey(c, seed)
	synthetic := rejectionBytes(kdk, "message", k)
	syntheticStart := k - syntheticLen(rejectionBytes(kdk, "length", 256), k)

	good := subtle.ConstantTimeByteEq(em[0], 0) & subtle.ConstantTimeByteEq(em[1], 2)
	found, zeroAt := 0, 0
	for i := 2; i < k; i++ {
		zero := subtle.ConstantTimeByteEq(em[i], 0)
		zeroAt = subtle.ConstantTimeSelect(zero&^found, i, zeroAt)
		found |= zero
	}
	// At least 8 bytes of padding. zeroAt is 0 where no zero was found.
	good &= found & subtle.ConstantTimeLessOrEq(10, zeroAt)

	start := subtle.ConstantTimeSelect(good, zeroAt+1, syntheticStart)
	out := make([]byte, k)
	for i := range out {
		out[i] = byte(subtle.ConstantTimeSelect(good, int(em[i]), int(synthetic[i])))
	}
	return out[start:]
}

// rejectionKey is the key from which the synthetic message follows.
func rejectionKey(c []byte, seed [32]byte) []byte {
	mac := hmac.New(sha256.New, seed[:])
	mac.Write(c)
	return mac.Sum(nil)
}

// rejectionBytes is the draft's IRPRF: n bytes that follow from key and label.
func rejectionBytes(key []byte, label string, n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	mac := hmac.New(sha256.New, key)
	for i := uint16(0); len(out) < n; i++ {
		mac.Reset()
		mac.Write(binary.BigEndian.AppendUint16(nil, i))
		mac.Write([]byte(label))
		mac.Write(binary.BigEndian.AppendUint16(nil, uint16(n*8)))
		out = mac.Sum(out)
	}
	return out[:n]
}

// syntheticLen picks the length of the synthetic message: the last of 128
// candidates, cut to the bits that a length takes, that a real message in a
// modulus of k bytes could have.
func syntheticLen(candidates []byte, k int) int {
	limit := k - 2 - 8 // below the longest message plus one
	mask := 1<<bits.Len(uint(limit)) - 1
	length := 0
	for ; len(candidates) > 0; candidates = candidates[2:] {
		n := int(binary.BigEndian.Uint16(candidates)) & mask
		length = subtle.ConstantTimeSelect(subtle.ConstantTimeLessOrEq(n, limit-1), n, length)
	}
	return length
}
