package kek

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"vtoken/vtoken/secret"
)

// MaxWrapped bounds a wrapped key of any provider in bytes.
const MaxWrapped = 8192

// Seal wraps a key with AES-256-GCM, for providers that hold a KEK of 32 bytes
// in memory. The result is a 12-byte random nonce and the ciphertext with its
// tag; header is authenticated and not included. One KEK wraps a handful of
// keys in its life, so random nonces do not collide.
func Seal(kek, key secret.Bytes, header []byte) ([]byte, error) {
	gcm, err := newGCM(kek)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce)
	return gcm.Seal(nonce, nonce, key, header), nil
}

// Unseal is the inverse of [Seal]. It fails with [ErrWrongKey].
func Unseal(kek secret.Bytes, wrapped, header []byte) (secret.Bytes, error) {
	gcm, err := newGCM(kek)
	if err != nil {
		return nil, err
	}
	if n := gcm.NonceSize() + gcm.Overhead(); len(wrapped) < n || len(wrapped) > MaxWrapped {
		return nil, fmt.Errorf("%w: a wrapped key has no %d bytes", ErrWrongKey, len(wrapped))
	}
	nonce, sealed := wrapped[:gcm.NonceSize()], wrapped[gcm.NonceSize():]
	key, err := gcm.Open(nil, nonce, sealed, header)
	if err != nil {
		return nil, ErrWrongKey
	}
	return key, nil
}

func newGCM(kek secret.Bytes) (cipher.AEAD, error) {
	if len(kek) != 32 {
		return nil, fmt.Errorf("a KEK in memory has 32 bytes, not %d", len(kek))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
