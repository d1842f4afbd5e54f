package mech

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"slices"

	"vtoken/vtoken/ck"
)

// ghash is the hash of GCM over data that come in parts (NIST SP 800-38D section 6.4). The
// library hashes only in one go, with the processor's instructions: GMAC of data is
//
//	tag = E(J0) xor (GHASH(data) xor length) * H
//
// and so GHASH(data) follows from the tag, with the inverse of H. The hash so far goes into
// the first block of the next part.
type ghash struct {
	mac     cipher.AEAD
	mask    [aes.BlockSize]byte // E(J0) for a nonce of zeroes
	inverse field               // of H
	sum     [aes.BlockSize]byte
}

// hashedAtOnce is how many bytes are hashed without a place where Go's scheduler can stop.
const hashedAtOnce = 64 << 10

func newGHash(b cipher.Block) (*ghash, error) {
	mac, err := cipher.NewGCM(b)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "set up GHASH: %w", err)
	}
	h := &ghash{mac: mac}
	var zero [aes.BlockSize]byte
	b.Encrypt(zero[:], zero[:])
	h.inverse = fieldOf(zero[:]).invert()
	h.mask[aes.BlockSize-1] = 1
	b.Encrypt(h.mask[:], h.mask[:])
	return h, nil
}

// add hashes whole blocks. Their first one is changed meanwhile.
func (h *ghash) add(blocks []byte) {
	for part := range slices.Chunk(blocks, hashedAtOnce) {
		first := part[:aes.BlockSize]
		subtle.XORBytes(first, first, h.sum[:])
		var nonce [12]byte
		var tag [aes.BlockSize]byte
		h.mac.Seal(tag[:0], nonce[:], nil, part)
		subtle.XORBytes(first, first, h.sum[:])
		subtle.XORBytes(tag[:], tag[:], h.mask[:])
		f := fieldOf(tag[:]).times(h.inverse)
		f.high ^= uint64(len(part)) * 8 // the block of lengths: data, and no ciphertext
		f.put(h.sum[:])
	}
}

// addPadded hashes bytes that are filled up with zeroes to whole blocks.
func (h *ghash) addPadded(b []byte) {
	whole := len(b) / aes.BlockSize * aes.BlockSize
	h.add(b[:whole])
	if whole < len(b) {
		var last [aes.BlockSize]byte
		copy(last[:], b[whole:])
		h.add(last[:])
	}
}

// addLengths hashes the block of two lengths, in bytes.
func (h *ghash) addLengths(a, b uint64) {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[:], 8*a)
	binary.BigEndian.PutUint64(block[8:], 8*b)
	h.add(block[:])
}

// field is an element of GCM's field of 2^128 elements (section 6.3), whose first bit is the
// highest one of high. What it computes takes a time that does not depend on it.
type field struct{ high, low uint64 }

func fieldOf(b []byte) field {
	return field{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (f field) put(to []byte) {
	binary.BigEndian.PutUint64(to, f.high)
	binary.BigEndian.PutUint64(to[8:], f.low)
}

func (f field) times(g field) (product field) {
	high, low := f.high, f.low // f times one more power with each bit of g
	for range 128 {
		take := -(g.high >> 63)
		product.high ^= high & take
		product.low ^= low & take
		reduce := -(low & 1)
		low = low>>1 | high<<63
		high = high>>1 ^ reduce&(0xe1<<56)
		g = field{g.high<<1 | g.low>>63, g.low << 1}
	}
	return product
}

// invert returns f^(2^128 - 2).
func (f field) invert() field {
	power := f
	for range 126 {
		power = power.times(power).times(f)
	}
	return power.times(power)
}
