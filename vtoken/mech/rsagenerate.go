package mech

import (
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
)

// GenerateRSA makes an RSA key with crypto/rsa. It takes up to a minute, and calls pause
// before each number that is tried as a prime; an error of pause ends it. pause may be nil.
//
// crypto/rsa has no way to end a key that is being made but a source of random numbers that
// fails, and takes one from its caller with GODEBUG=cryptocustomrand=1 only, which the
// module's go.mod sets. The numbers are crypto/rand's all the same. Without that setting, and
// in Go's FIPS 140-3 mode, which wants crypto/rand itself, the key is made without a pause.
func GenerateRSA(bits int, pause func() error) (*rsa.PrivateKey, error) {
	if pause == nil || fips140.Enabled() {
		return rsa.GenerateKey(rand.Reader, bits)
	}
	return rsa.GenerateKey(pausingReader{pause}, bits)
}

// generateRSAFor is GenerateRSA with a public exponent. crypto/rsa makes keys for 65537 only, so its
// primes are taken that go with the exponent: half of all for 3, and more for others.
func generateRSAFor(bits int, exponent int64, pause func() error) (*rsa.PrivateKey, error) {
	if exponent == 65537 {
		return GenerateRSA(bits, pause)
	}
	e, one := big.NewInt(exponent), big.NewInt(1)
	var primes [2]*big.Int // a key has two, which may differ by one in their size
	for primes[0] == nil || primes[1] == nil || primes[0].Cmp(primes[1]) == 0 {
		key, err := GenerateRSA(bits, pause)
		if err != nil {
			return nil, err
		}
		for i, p := range key.Primes {
			if new(big.Int).GCD(nil, nil, e, new(big.Int).Sub(p, one)).Cmp(one) == 0 {
				primes[i] = p
			}
		}
	}
	p1, q1 := new(big.Int).Sub(primes[0], one), new(big.Int).Sub(primes[1], one)
	lambda := new(big.Int).Mul(p1, q1)
	lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(primes[0], primes[1]), E: int(exponent)},
		D:         new(big.Int).ModInverse(e, lambda),
		Primes:    primes[:],
	}
	key.Precompute()
	return key, key.Validate()
}

// pausingReader is crypto/rand's source of random numbers with a pause before each use.
type pausingReader struct{ pause func() error }

func (r pausingReader) Read(p []byte) (int, error) {
	if err := r.pause(); err != nil {
		return 0, err
	}
	return rand.Read(p)
}
