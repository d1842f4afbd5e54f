package mech

import (
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
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

// pausingReader is crypto/rand's source of random numbers with a pause before each use.
type pausingReader struct{ pause func() error }

func (r pausingReader) Read(p []byte) (int, error) {
	if err := r.pause(); err != nil {
		return 0, err
	}
	return rand.Read(p)
}
