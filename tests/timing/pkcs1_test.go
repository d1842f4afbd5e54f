package timing

import (
	"bytes"
	"fmt"
	mathrand "math/rand/v2"
)

// pkcs1Overhead is what the shortest padding takes.
const pkcs1Overhead = 11

// pkcs1Classes are those of the Marvin test kit, and some more. All of them have to
// decrypt, in the same time, to a message: the right one, or one that follows from
// the ciphertext where the padding is wrong.
func pkcs1Classes(m maker) []class {
	k := m.Size()
	none := func(em func() []byte) func() ([]byte, answer) {
		return func() ([]byte, answer) { return m.encrypt(em()), answer{} }
	}
	number := func(c func() []byte) func() ([]byte, answer) {
		return func() ([]byte, answer) { return c(), answer{} }
	}
	valid := func(message func() []byte) func() ([]byte, answer) {
		return func() ([]byte, answer) {
			b := message()
			return m.encrypt(block([]byte{0, 2}, nonzero(k-3-len(b)), []byte{0}, b)), answer{message: b}
		}
	}
	length := func(n int) func() []byte { return func() []byte { return random(n) } }
	unlike := func(head ...byte) func() []byte {
		return func() []byte { return block(head, nonzero(k-51), []byte{0}, random(48)) }
	}
	noZero := func() []byte { return block([]byte{0, 2}, nonzero(k-2)) }
	zeroAt := func(i int) func() []byte {
		return func() []byte {
			em := unlike(0, 2)()
			em[i] = 0
			return em
		}
	}
	return []class{
		{name: "no zero byte", make: none(noZero)},
		{name: "no zero byte, again", make: none(noZero)},
		{name: "no structure", make: none(func() []byte { return m.below(0) })},
		{name: "valid, a message of any length", make: valid(func() []byte { return random(mathrand.IntN(k - pkcs1Overhead + 1)) })},
		{name: "valid, no message", make: valid(length(0))},
		{name: "valid, 48 bytes", make: valid(length(48))},
		{name: "valid, 192 bytes", make: valid(length(192))},
		{name: "valid, the longest message", make: valid(length(k - pkcs1Overhead))},
		{name: "valid, 245 times 0xff", make: valid(func() []byte { return bytes.Repeat([]byte{0xff}, k-pkcs1Overhead) })},
		{name: "begins with 1, 2", make: none(unlike(1, 2))},
		{name: "begins with 0, 1", make: none(unlike(0, 1))},
		{name: "zero byte right after 0, 2", make: none(zeroAt(2))},
		{name: "zero byte in the fifth of padding", make: none(zeroAt(6))},
		{name: "zero byte in the eighth of padding", make: none(zeroAt(9))},
		{name: "zero bytes alone after 0, 2", make: none(func() []byte { return block([]byte{0, 2}, make([]byte, k-2)) })},
		{name: "a plaintext below 2^1984", make: none(func() []byte { return m.below(8) })},
		{name: "a plaintext below 2^1024", make: none(func() []byte { return m.below(k / 2) })},
		{name: "the plaintext 2", make: none(func() []byte { return block(make([]byte, k-1), []byte{2}) })},
		{name: "a ciphertext below 2^1984", apart: true, make: number(func() []byte { return m.below(8) })},
		{name: "a ciphertext below 2^1024", apart: true, make: number(func() []byte { return m.below(k / 2) })},
	}
}

// checkPKCS1: no padding is an error, and none that is wrong gives out what is in it.
func checkPKCS1(want answer, plain []byte, err error) error {
	if err != nil || want.message != nil && !bytes.Equal(plain, want.message) {
		return fmt.Errorf("the answer is a message of %d bytes, %w; want %d bytes", len(plain), err, len(want.message))
	}
	return nil
}
