package mech

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"sync"

	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// Go is the [Provider] of Go's standard library, whose cryptographic module is
// validated for FIPS 140-3. Its keys are in Go's heap, where they cannot be
// wiped; the garbage collector may overwrite them (daemon's package comment).
type Go struct{}

// RSA loads a key ([Provider]).
func (Go) RSA(n object.RSANumbers) (RSAPrivate, error) {
	key, err := n.Key()
	if err != nil {
		return nil, err
	}
	return &goRSA{key: key}, nil
}

// goRSA is an RSA key of crypto/rsa.
type goRSA struct {
	key  *rsa.PrivateKey
	bare struct { // made on first use
		once sync.Once
		key  *rawPrivate
		err  error
	}
}

func (k *goRSA) Public() *rsa.PublicKey { return &k.key.PublicKey }

func (k *goRSA) Private(in []byte) (out []byte, ok bool, err error) {
	k.bare.once.Do(func() { k.bare.key, k.bare.err = newRawPrivate(k.key) })
	if k.bare.err != nil {
		return nil, false, k.bare.err
	}
	secret.OnOwnStack(func() { out, ok, err = k.bare.key.private(in) })
	return out, ok, err
}

func (k *goRSA) SignPKCS1v15(h crypto.Hash, message []byte) (s []byte, err error) {
	secret.OnOwnStack(func() { s, err = rsa.SignPKCS1v15(nil, k.key, h, message) })
	return s, err
}

// SignPSS is crypto/rsa's where that can do it: there the mask has the hash of
// the message, and a salt of no bytes cannot be asked for.
func (k *goRSA) SignPSS(h, mgf crypto.Hash, salt int, digest []byte) (s []byte, err error) {
	if h == mgf && salt > 0 {
		secret.OnOwnStack(func() { s, err = rsa.SignPSS(rand.Reader, k.key, h, digest, &rsa.PSSOptions{SaltLength: salt}) })
		return s, err
	}
	fresh := make([]byte, salt)
	_, _ = rand.Read(fresh) // never fails (crypto/rand)
	// The encoded message has a bit less than the modulus, so it is below it.
	v := pss{hashAlg{hash: h, new: h.New}, hashAlg{hash: mgf, new: mgf.New}, salt}
	s, _, err = k.Private(v.encode(digest, fresh, k.key.N.BitLen()-1))
	return s, err
}

func (k *goRSA) DecryptOAEP(in []byte, o *rsa.OAEPOptions) (out []byte, err error) {
	secret.OnOwnStack(func() { out, err = k.key.Decrypt(nil, in, o) })
	return out, err
}

func (k *goRSA) RejectionSeed() [32]byte {
	d := k.key.D.FillBytes(make([]byte, k.key.Size()))
	defer clear(d)
	return sha256.Sum256(d)
}

// Wipe leaves the numbers to the garbage collector.
func (k *goRSA) Wipe() {}
