package object

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rand"

	"github.com/cloudflare/circl/dh/x448"
)

// montgomery25519 is X25519 (RFC 7748). Keys are *ecdh.PrivateKey.
type montgomery25519 struct{}

func (montgomery25519) generate() (crypto.PrivateKey, error) {
	return ecdh.X25519().GenerateKey(rand.Reader)
}

func (montgomery25519) decodePoint(raw []byte) (crypto.PublicKey, error) {
	return ecdh.X25519().NewPublicKey(raw)
}

func (montgomery25519) encodePoint(pub crypto.PublicKey) ([]byte, bool) {
	key, ok := pub.(*ecdh.PublicKey)
	if !ok || key.Curve() != ecdh.X25519() {
		return nil, false
	}
	return key.Bytes(), true
}

func (montgomery25519) decodeValue(v []byte) (crypto.PrivateKey, error) {
	s, ok := seed(v, 32)
	if !ok {
		return nil, errValue
	}
	return ecdh.X25519().NewPrivateKey(s)
}

func (montgomery25519) encodeValue(priv crypto.PrivateKey) ([]byte, bool) {
	key, ok := priv.(*ecdh.PrivateKey)
	if !ok || key.Curve() != ecdh.X25519() {
		return nil, false
	}
	return key.Bytes(), true
}

func (montgomery25519) public(priv crypto.PrivateKey) crypto.PublicKey {
	return priv.(*ecdh.PrivateKey).PublicKey()
}

// X448Private and X448Public are keys of X448 (RFC 7748), little endian.
type (
	X448Private x448.Key
	X448Public  x448.Key
)

// montgomery448 is X448. Keys are *X448Private.
type montgomery448 struct{}

func (montgomery448) generate() (crypto.PrivateKey, error) {
	key := new(X448Private)
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return key, nil
}

func (montgomery448) decodePoint(raw []byte) (crypto.PublicKey, error) {
	if len(raw) != x448.Size {
		return nil, errValue
	}
	key := X448Public(raw)
	return &key, nil
}

func (montgomery448) encodePoint(pub crypto.PublicKey) ([]byte, bool) {
	key, ok := pub.(*X448Public)
	if !ok {
		return nil, false
	}
	return key[:], true
}

func (montgomery448) decodeValue(v []byte) (crypto.PrivateKey, error) {
	s, ok := seed(v, x448.Size)
	if !ok {
		return nil, errValue
	}
	key := X448Private(s)
	return &key, nil
}

func (montgomery448) encodeValue(priv crypto.PrivateKey) ([]byte, bool) {
	key, ok := priv.(*X448Private)
	if !ok {
		return nil, false
	}
	return append([]byte(nil), key[:]...), true
}

func (montgomery448) public(priv crypto.PrivateKey) crypto.PublicKey {
	var pub X448Public
	x448.KeyGen((*x448.Key)(&pub), (*x448.Key)(priv.(*X448Private)))
	return &pub
}
