package mech

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"

	"vtoken/vtoken/ck"
)

// MaxGCM is the most bytes that a decryption with CKM_AES_GCM has, and an encryption of one of
// many messages: they are collected in memory, because nothing may be put out before the tag is
// verified. So are those of CKM_AES_CCM and CKM_CHACHA20_POLY1305, both ways. The output comes in
// one answer, and larger ones no protocol of ours carries. (CKM_AES_GCM encrypts more.)
const MaxGCM = 16<<20 - 64<<10

// gcmTagSize is the size of the full tag in bytes.
const gcmTagSize = 16

// aesGCMMechanisms is Galois/counter mode (section 6.12.3).
func aesGCMMechanisms() []*Descriptor {
	d := aesMechanism(ck.CKM_AES_GCM)
	d.Message = gcmMessage
	sealing(d, newGCM)
	d.Encrypt = newGCMEncrypter
	d.EncryptMessage = func(k *Key, p ck.Parameter) (Cipher, error) {
		g, err := newGCM(k, p)
		if err != nil {
			return nil, err
		}
		return &whole{
			collector{max: MaxGCM, code: ck.CKR_DATA_LEN_RANGE},
			func(n int) int { return n + g.tag }, g.encrypt,
		}, nil
	}
	d.Decrypt = func(k *Key, p ck.Parameter) (Cipher, error) {
		g, err := newGCM(k, p)
		if err != nil {
			return nil, err
		}
		return &whole{
			collector{max: MaxGCM + g.tag, code: ck.CKR_ENCRYPTED_DATA_LEN_RANGE},
			func(n int) int { return max(0, n-g.tag) }, g.decrypt,
		}, nil
	}
	return []*Descriptor{d}
}

// gcm is a key with a checked parameter.
type gcm struct {
	cipher.AEAD
	iv, aad []byte
	tag     int // bytes of the tag that are used
}

func newGCM(k *Key, p ck.Parameter) (*gcm, error) {
	b, err := aesBlock(k)
	if err != nil {
		return nil, err
	}
	params, err := parameterOf[ck.GCMParams](p)
	if err != nil {
		return nil, err
	}
	iv := params.IV
	if len(iv) == 0 {
		return nil, badParameter("an IV of 0 bytes; it has at least 1")
	}
	if params.TagBits%8 != 0 || params.TagBits < 96 || params.TagBits > 8*gcmTagSize {
		return nil, badParameter("a tag of %d bits; it has 96, 104, 112, 120 or 128", params.TagBits)
	}
	aead, err := cipher.NewGCMWithNonceSize(b, len(iv))
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "set up AES-GCM: %w", err)
	}
	return &gcm{aead, bytes.Clone(iv), bytes.Clone(params.AAD), int(params.TagBits / 8)}, nil
}

func (g *gcm) encrypt(in []byte) ([]byte, error) {
	out := g.Seal(in[:0], g.iv, in, g.aad)
	return out[:len(out)-gcmTagSize+g.tag], nil
}

func (g *gcm) decrypt(in []byte) ([]byte, error) {
	n := len(in) - g.tag
	if n < 0 {
		return nil, ck.Errorf(ck.CKR_ENCRYPTED_DATA_LEN_RANGE, "the encrypted data is shorter than the tag")
	}
	if g.tag < gcmTagSize {
		return g.decryptShort(in[:n], in[n:])
	}
	out, err := g.Open(in[:0], g.iv, in, g.aad)
	if err != nil {
		return nil, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return out, nil
}

// decryptShort verifies a tag that is cut off. The key stream is what zeroes
// encrypt to, and the full tag is what encrypting the plaintext again gives.
func (g *gcm) decryptShort(in, tag []byte) ([]byte, error) {
	plain := g.Seal(nil, g.iv, make([]byte, len(in)), g.aad)[:len(in)]
	subtle.XORBytes(plain, plain, in)
	again := g.Seal(nil, g.iv, plain, g.aad)
	if subtle.ConstantTimeCompare(again[len(in):][:len(tag)], tag) != 1 {
		clear(plain)
		return nil, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return plain, nil
}
