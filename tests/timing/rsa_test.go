package timing

import (
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	mathrand "math/rand/v2"
	"sync"
)

// testKey is the RSA key of all measurements.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// maker makes ciphertexts with a public key, or where plain is set leaves out the
// encryption.
type maker struct {
	*rsa.PublicKey
	plain bool
}

// encrypt is the bare operation on an encoded message, which has to be below the
// modulus.
func (m maker) encrypt(em []byte) []byte {
	if m.plain {
		return em
	}
	c := new(big.Int).SetBytes(em)
	c.Exp(c, big.NewInt(int64(m.E)), m.N)
	return c.FillBytes(make([]byte, m.Size()))
}

// below is a random number below the modulus, of which the first bytes are 0.
func (m maker) below(zeros int) []byte {
	for {
		b := random(m.Size())
		clear(b[:zeros])
		if new(big.Int).SetBytes(b).Cmp(m.N) < 0 {
			return b
		}
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// nonzero is n random bytes, none of which is 0.
func nonzero(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + mathrand.IntN(255))
	}
	return b
}

// block puts parts, which have all bytes of a modulus together, into one.
func block(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
