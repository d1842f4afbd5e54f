package timing

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"vtoken/vtoken/ck"
)

// oaepClasses are those of Manger's attack and its relatives: whatever is wrong with
// a padding, it takes the same time. A valid one has another answer by design.
func oaepClasses(m maker) []class {
	k := m.Size()
	type fault func(em, seed, db []byte)
	label := sha256.Sum256(nil)
	encode := func(f fault, n int, err error) func() ([]byte, answer) {
		return func() ([]byte, answer) {
			message := random(n)
			seed, db := random(sha256.Size), make([]byte, k-1-sha256.Size)
			copy(db, label[:])
			copy(db[len(db)-n:], message)
			db[len(db)-n-1] = 1
			em := make([]byte, k)
			f(em, seed, db)
			xor(db, mask(seed, len(db)))
			xor(seed, mask(db, len(seed)))
			copy(em[1:], seed)
			copy(em[1+len(seed):], db)
			if err != nil {
				message = nil
			}
			return m.encrypt(em), answer{err, message}
		}
	}
	const n = 48
	separator := k - 1 - sha256.Size - n - 1
	wrong := ck.CKR_ENCRYPTED_DATA_INVALID
	otherLabel := func(_, _, db []byte) { copy(db, random(sha256.Size)) }
	return []class{
		{name: "another label", make: encode(otherLabel, n, wrong)},
		{name: "another label, again", make: encode(otherLabel, n, wrong)},
		{name: "no structure", make: func() ([]byte, answer) { return m.encrypt(m.below(0)), answer{err: wrong} }},
		{name: "one bit of the label", make: encode(func(_, _, db []byte) { db[31] ^= 1 }, n, wrong)},
		{name: "first byte 1", make: encode(func(em, _, _ []byte) { em[0] = 1 }, n, wrong)},
		{name: "first byte 1 and another label", make: encode(func(em, s, db []byte) { em[0] = 1; otherLabel(em, s, db) }, n, wrong)},
		{name: "no separator", make: encode(func(_, _, db []byte) { clear(db[sha256.Size:]) }, n, wrong)},
		{name: "separator 2", make: encode(func(_, _, db []byte) { db[separator] = 2 }, n, wrong)},
		{name: "padding that begins with 2", make: encode(func(_, _, db []byte) { db[sha256.Size] = 2 }, n, wrong)},
		{name: "padding that ends with 2", make: encode(func(_, _, db []byte) { db[separator-1] = 2 }, n, wrong)},
		{name: "a plaintext below 2^1984", make: func() ([]byte, answer) { return m.encrypt(m.below(8)), answer{err: wrong} }},
		{name: "a plaintext below 2^1024", make: func() ([]byte, answer) { return m.encrypt(m.below(k / 2)), answer{err: wrong} }},
		{name: "a ciphertext below 2^1984", apart: true, make: func() ([]byte, answer) { return m.below(8), answer{err: wrong} }},
		{name: "valid, 48 bytes", apart: true, make: encode(func(_, _, _ []byte) {}, n, nil)},
		{name: "valid, no message", apart: true, make: encode(func(_, _, _ []byte) {}, 0, nil)},
	}
}

// mask is MGF1 with SHA-256 (RFC 8017 section B.2.1).
func mask(seed []byte, n int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(bytes.Clone(seed), i))
		out = append(out, sum[:]...)
	}
	return out[:n]
}

func xor(to, with []byte) {
	for i := range to {
		to[i] ^= with[i]
	}
}

// checkExact: the answer is the message, or the one code that all faults have.
func checkExact(want answer, plain []byte, err error) error {
	if !errors.Is(err, want.err) || !bytes.Equal(plain, want.message) {
		return fmt.Errorf("the answer is a message of %d bytes, %v; want %d bytes, %v", len(plain), err, len(want.message), want.err)
	}
	return nil
}
