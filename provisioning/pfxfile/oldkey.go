package pfxfile

import (
	"bytes"

	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// What a key of the derivation of PKCS #12 is for (RFC 7292, appendix B.3).
const (
	forKey = 1
	forIV  = 2
	forMAC = 3
)

// oldKey is a derivation of PKCS #12 (RFC 7292, appendix B.2).
type oldKey struct {
	hash       digest
	salt       []byte
	iterations int64
	purpose    byte
	size       int // in bytes
}

func (k oldKey) price() int64 {
	return work.Product(k.iterations, work.Blocks(k.size, k.hash.size))
}

// derive takes the price and derives the key. The names are those of the standard.
func (k oldKey) derive(b *work.Budget, password []byte) (secret.Bytes, error) {
	if err := b.Take(k.price()); err != nil {
		return nil, err
	}
	v := k.hash.block
	d := bytes.Repeat([]byte{k.purpose}, v)
	i := append(repeated(k.salt, v), repeated(password, v)...)
	defer clear(i)
	var out secret.Bytes
	for {
		h := k.hash.new()
		h.Write(d)
		h.Write(i)
		a := h.Sum(nil)
		err := b.Repeat(k.iterations-1, func() {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		})
		if err != nil {
			out.Wipe()
			return nil, err
		}
		out = append(out, a...)
		if len(out) >= k.size {
			return out[:k.size], nil
		}
		plus := repeated(a, v)[:v]
		for j := 0; j < len(i); j += v {
			addOne(i[j:j+v], plus)
		}
	}
}

// repeated returns the text, repeated to a multiple of v bytes.
func repeated(text []byte, v int) []byte {
	n := (len(text) + v - 1) / v * v
	out := make([]byte, n)
	for i := 0; i < n; i += copy(out[i:], text) {
	}
	return out
}

// addOne sets x to x + y + 1, both big endian and of the same length.
func addOne(x, y []byte) {
	carry := 1
	for i := len(x) - 1; i >= 0; i-- {
		carry += int(x[i]) + int(y[i])
		x[i] = byte(carry)
		carry >>= 8
	}
}
