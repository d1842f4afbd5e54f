package mech

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// rsaOAEPMechanisms is RSAES-OAEP (RFC 8017 section 7.1; PKCS#11 section
// 6.1.8), with any hash for the message and any for the mask.
func rsaOAEPMechanisms() []*Descriptor {
	d := rsaMechanism(ck.CKM_RSA_PKCS_OAEP)
	d.Encrypt, d.Decrypt = encryptOAEP, decryptOAEP
	d.Wrap, d.Unwrap = wrapOAEP, unwrapOAEP
	return []*Descriptor{d}
}

// oaepParameter checks a parameter. most is the longest message for a modulus
// of size bytes.
func oaepParameter(p ck.Parameter, size int) (opts *rsa.OAEPOptions, most int, err error) {
	params, err := parameterOf[ck.RSAPkcsOaepParams](p)
	if err != nil {
		return nil, 0, err
	}
	h, ok := hashOf(params.HashAlg)
	if !ok {
		return nil, 0, badParameter("%v is no hash that is supported", params.HashAlg)
	}
	mgf, ok := hashOfMGF(params.MGF)
	if !ok {
		return nil, 0, badParameter("mask generation function 0x%x is not supported", params.MGF)
	}
	if params.Source != ck.CKZ_DATA_SPECIFIED && (params.Source != 0 || len(params.SourceData) > 0) {
		return nil, 0, badParameter("the source of the label, 0x%x, is not CKZ_DATA_SPECIFIED", params.Source)
	}
	if most = size - 2*h.hash.Size() - 2; most < 0 {
		return nil, 0, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "an RSA key of %d bits is too small for OAEP with %v", 8*size, params.HashAlg)
	}
	return &rsa.OAEPOptions{Hash: h.hash, MGFHash: mgf.hash, Label: bytes.Clone(params.SourceData)}, most, nil
}

func encryptOAEP(k *Key, p ck.Parameter) (Cipher, error) {
	key, err := rsaPublic(k, object.MinRSABits)
	if err != nil {
		return nil, err
	}
	opts, most, err := oaepParameter(p, key.Size())
	if err != nil {
		return nil, err
	}
	return rsaEncryption(k, most, func(in []byte) ([]byte, error) {
		out, err := rsa.EncryptOAEPWithOptions(rand.Reader, key, in, opts)
		if err != nil {
			return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "encrypt with RSA OAEP: %w", err)
		}
		return out, nil
	}), nil
}

func decryptOAEP(k *Key, p ck.Parameter) (Cipher, error) {
	key, pub, err := rsaPrivate(k)
	if err != nil {
		return nil, err
	}
	opts, most, err := oaepParameter(p, pub.Size())
	if err != nil {
		return nil, err
	}
	return rsaDecryption(k, most, func(in []byte) ([]byte, error) {
		out, err := key.DecryptOAEP(in, opts)
		if err != nil {
			return nil, ck.CKR_ENCRYPTED_DATA_INVALID // one answer, whatever the fault
		}
		return out, nil
	}), nil
}

// wrapOAEP encrypts an encoded key, which mostly is a secret key: private keys
// are too long for it.
func wrapOAEP(k *Key, p ck.Parameter, encoded []byte) ([]byte, error) {
	c, err := encryptOAEP(k, p)
	if err != nil {
		return nil, err
	}
	if _, err := c.Update(encoded); err != nil {
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "a key of %d bytes is too long for this RSA key", len(encoded))
	}
	return c.Final()
}

func unwrapOAEP(k *Key, p ck.Parameter, wrapped []byte) ([]byte, error) {
	c, err := decryptOAEP(k, p)
	if err != nil {
		return nil, err
	}
	if size := k.RSA.Public().Size(); len(wrapped) != size {
		return nil, ck.Errorf(ck.CKR_WRAPPED_KEY_LEN_RANGE, "the wrapped key has %d bytes, not %d", len(wrapped), size)
	}
	if _, err := c.Update(wrapped); err != nil {
		return nil, err
	}
	encoded, err := c.Final()
	if err != nil {
		return nil, ck.CKR_WRAPPED_KEY_INVALID // one answer, whatever the fault
	}
	return encoded, nil
}
