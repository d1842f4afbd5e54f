package mech

import (
	"bytes"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// recoverRSA is C_VerifyRecover with an RSA public key: what the signature holds
// is the result of the bare operation, less the padding that data takes off.
func recoverRSA(data func(em []byte) ([]byte, error), overhead int) func(*Key, ck.Parameter) (Cipher, error) {
	return func(k *Key, p ck.Parameter) (Cipher, error) {
		raw, err := barePublic(k, p, object.MinRSABits)
		if err != nil {
			return nil, err
		}
		size := raw.size()
		return &whole{
			collector{max: size, code: ck.CKR_SIGNATURE_LEN_RANGE}, fixed(size - overhead),
			func(signature []byte) ([]byte, error) {
				if len(signature) != size {
					return nil, ck.Errorf(ck.CKR_SIGNATURE_LEN_RANGE, "the signature has %d bytes, not %d", len(signature), size)
				}
				em, ok := raw.public(signature)
				if !ok {
					return nil, ck.CKR_SIGNATURE_INVALID
				}
				return data(em)
			},
		}, nil
	}
}

// unpadSignature takes the padding of a PKCS #1 v1.5 signature off (RFC 8017
// section 9.2: 00 01 FF ... FF 00, at least eight of FF). Nothing here is secret.
func unpadSignature(em []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(em, []byte{0, 1})
	data := bytes.TrimLeft(rest, "\xff")
	if !ok || len(rest)-len(data) < 8 || len(data) == 0 || data[0] != 0 {
		return nil, ck.CKR_SIGNATURE_INVALID
	}
	return data[1:], nil
}
