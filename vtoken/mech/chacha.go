package mech

import (
	"bytes"
	"crypto/cipher"

	"golang.org/x/crypto/chacha20poly1305"

	"vtoken/vtoken/ck"
)

// chachaMechanisms is ChaCha20-Poly1305 (section 6.55.2; RFC 8439), with its
// nonce of 96 bits. It releases no plaintext before the tag is verified, as
// CKM_AES_GCM does.
func chachaMechanisms() []*Descriptor {
	return []*Descriptor{{
		Type: ck.CKM_CHACHA20_POLY1305, KeyTypes: []ck.KeyType{ck.CKK_CHACHA20},
		MinKeySize: chacha20poly1305.KeySize, MaxKeySize: chacha20poly1305.KeySize,
		Message: chachaMessage,
		Encrypt: func(k *Key, p ck.Parameter) (Cipher, error) {
			c, err := newChaCha(k, p)
			if err != nil {
				return nil, err
			}
			return &whole{
				collector{max: MaxGCM, code: ck.CKR_DATA_LEN_RANGE},
				func(n int) int { return n + chacha20poly1305.Overhead },
				func(in []byte) ([]byte, error) { return c.Seal(in[:0], c.nonce, in, c.aad), nil },
			}, nil
		},
		Decrypt: func(k *Key, p ck.Parameter) (Cipher, error) {
			c, err := newChaCha(k, p)
			if err != nil {
				return nil, err
			}
			return &whole{
				collector{max: MaxGCM + chacha20poly1305.Overhead, code: ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
				func(n int) int { return max(0, n-chacha20poly1305.Overhead) }, c.decrypt,
			}, nil
		},
	}}
}

// chacha is a key with a checked parameter.
type chacha struct {
	cipher.AEAD
	nonce, aad []byte
}

func newChaCha(k *Key, p ck.Parameter) (*chacha, error) {
	if k.Class != ck.CKO_SECRET_KEY || k.Type != ck.CKK_CHACHA20 {
		return nil, wrongKey(k, "ChaCha20 key")
	}
	v, err := parameterOf[ck.ChaCha20Poly1305Params](p)
	if err != nil {
		return nil, err
	}
	if len(v.Nonce) != chacha20poly1305.NonceSize {
		return nil, badParameter("a nonce of %d bytes; it has %d", len(v.Nonce), chacha20poly1305.NonceSize)
	}
	aead, err := chacha20poly1305.New(k.Secret)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "a ChaCha20 key has %d bytes, not %d", chacha20poly1305.KeySize, len(k.Secret))
	}
	return &chacha{aead, bytes.Clone(v.Nonce), bytes.Clone(v.AAD)}, nil
}

func (c *chacha) decrypt(in []byte) ([]byte, error) {
	if len(in) < chacha20poly1305.Overhead {
		return nil, ck.Errorf(ck.CKR_ENCRYPTED_DATA_LEN_RANGE, "the encrypted data is shorter than the tag")
	}
	out, err := c.Open(in[:0], c.nonce, in, c.aad)
	if err != nil {
		return nil, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return out, nil
}
