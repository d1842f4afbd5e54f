package mech

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"

	"vtoken/vtoken/ck"
)

// gmacIVSize is the length of the IV in bytes.
const gmacIVSize = 12

// aesGMACMechanisms is GMAC, the tag that GCM puts on data that it does not encrypt
// (section 6.13.6; NIST SP 800-38D section 6.4).
func aesGMACMechanisms() []*Descriptor {
	d := aesMechanism(ck.CKM_AES_GMAC)
	d.OneMessage = true
	d.Sign = func(k *Key, p ck.Parameter) (Signer, error) {
		mac, err := newGMAC(k, p)
		if err != nil {
			return nil, err
		}
		return &signer{wholeSink(), gcmTagSize, func(data []byte) ([]byte, error) { return mac(data), nil }}, nil
	}
	d.Verify = func(k *Key, p ck.Parameter) (Verifier, error) {
		mac, err := newGMAC(k, p)
		if err != nil {
			return nil, err
		}
		return &verifier{wholeSink(), gcmTagSize, func(data, tag []byte) error {
			return valid(subtle.ConstantTimeCompare(mac(data), tag) == 1)
		}}, nil
	}
	return []*Descriptor{d}
}

// newGMAC returns what makes the tag of data.
func newGMAC(k *Key, p ck.Parameter) (func(data []byte) []byte, error) {
	b, err := aesBlock(k)
	if err != nil {
		return nil, err
	}
	iv, err := parameterOf[ck.RawParameter](p)
	if err != nil {
		return nil, err
	}
	if len(iv) != gmacIVSize {
		return nil, badParameter("an IV of %d bytes; it has %d", len(iv), gmacIVSize)
	}
	aead, err := cipher.NewGCM(b)
	if err != nil {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "set up AES-GMAC: %w", err)
	}
	iv = bytes.Clone(iv)
	return func(data []byte) []byte { return aead.Seal(nil, iv, nil, data) }, nil
}
