package object

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"

	"github.com/cloudflare/circl/sign/ed448"
)

// seed is a private key of RFC 8032 or 7748: n bytes, bare or in an OCTET STRING. PKCS #8
// has the latter, and some programs give it.
func seed(v []byte, n int) ([]byte, bool) {
	if len(v) == n+2 {
		v, _ = unwrapString(v)
	}
	return v, len(v) == n
}

// edwards25519 is Ed25519 (RFC 8032). Keys are ed25519.PrivateKey; CKA_VALUE is
// the seed.
type edwards25519 struct{}

func (edwards25519) generate() (crypto.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func (edwards25519) decodePoint(raw []byte) (crypto.PublicKey, error) {
	if len(raw) != ed25519.PublicKeySize {
		return nil, errValue
	}
	return ed25519.PublicKey(append([]byte(nil), raw...)), nil
}

func (edwards25519) encodePoint(pub crypto.PublicKey) ([]byte, bool) {
	key, ok := pub.(ed25519.PublicKey)
	return key, ok
}

func (edwards25519) decodeValue(v []byte) (crypto.PrivateKey, error) {
	s, ok := seed(v, ed25519.SeedSize)
	if !ok {
		return nil, errValue
	}
	return ed25519.NewKeyFromSeed(s), nil
}

func (edwards25519) encodeValue(priv crypto.PrivateKey) ([]byte, bool) {
	key, ok := priv.(ed25519.PrivateKey)
	if !ok {
		return nil, false
	}
	return key.Seed(), true
}

func (edwards25519) public(priv crypto.PrivateKey) crypto.PublicKey {
	return priv.(ed25519.PrivateKey).Public()
}

// edwards448 is Ed448 (RFC 8032). Keys are ed448.PrivateKey.
type edwards448 struct{}

func (edwards448) generate() (crypto.PrivateKey, error) {
	_, key, err := ed448.GenerateKey(rand.Reader)
	return key, err
}

func (edwards448) decodePoint(raw []byte) (crypto.PublicKey, error) {
	if len(raw) != ed448.PublicKeySize {
		return nil, errValue
	}
	return ed448.PublicKey(append([]byte(nil), raw...)), nil
}

func (edwards448) encodePoint(pub crypto.PublicKey) ([]byte, bool) {
	key, ok := pub.(ed448.PublicKey)
	return key, ok
}

func (edwards448) decodeValue(v []byte) (crypto.PrivateKey, error) {
	s, ok := seed(v, ed448.SeedSize)
	if !ok {
		return nil, errValue
	}
	return ed448.NewKeyFromSeed(s), nil
}

func (edwards448) encodeValue(priv crypto.PrivateKey) ([]byte, bool) {
	key, ok := priv.(ed448.PrivateKey)
	if !ok {
		return nil, false
	}
	return key.Seed(), true
}

func (edwards448) public(priv crypto.PrivateKey) crypto.PublicKey {
	return priv.(ed448.PrivateKey).Public()
}
