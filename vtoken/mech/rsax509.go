package mech

import (
	"crypto/subtle"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// rsaRawMechanisms is the bare RSA operation (section 6.1.11): data of up to
// the length of the modulus, as a number, with zeroes in front.
func rsaRawMechanisms() []*Descriptor {
	d := rsaMechanism(ck.CKM_RSA_X_509)
	d.Sign, d.Verify = signRaw, verifyRaw
	d.Encrypt, d.Decrypt = encryptRaw, decryptRaw
	d.SignRecover = signRaw
	d.VerifyRecover = recoverRSA(func(em []byte) ([]byte, error) { return em, nil }, 0)
	return []*Descriptor{d}
}

// barePrivate and barePublic check key and parameter. The former also is the
// length of the modulus.
func barePrivate(k *Key, p ck.Parameter) (RSAPrivate, int, error) {
	key, pub, err := rsaPrivate(k)
	if err != nil {
		return nil, 0, err
	}
	return key, pub.Size(), noParameter(p)
}

func barePublic(k *Key, p ck.Parameter, minBits int) (*rawPublic, error) {
	if _, err := rsaPublic(k, minBits); err != nil {
		return nil, err
	}
	if err := noParameter(p); err != nil {
		return nil, err
	}
	return k.rawPublic()
}

func signRaw(k *Key, p ck.Parameter) (Signer, error) {
	key, size, err := barePrivate(k, p)
	if err != nil {
		return nil, err
	}
	c := &collector{max: size, code: ck.CKR_DATA_LEN_RANGE}
	return &signer{c, size, func(message []byte) ([]byte, error) {
		out, ok, err := key.Private(message)
		if err != nil {
			return nil, failed("sign with RSA", err)
		}
		if !ok {
			err = ck.Errorf(ck.CKR_DATA_INVALID, "the data, as a number, exceeds the modulus")
		}
		return out, err
	}}, nil
}

func verifyRaw(k *Key, p ck.Parameter) (Verifier, error) {
	raw, err := barePublic(k, p, object.MinRSABits)
	if err != nil {
		return nil, err
	}
	c := &collector{max: raw.size(), code: ck.CKR_DATA_LEN_RANGE}
	return &verifier{c, raw.size(), func(message, signature []byte) error {
		got, ok := raw.public(signature)
		want := make([]byte, raw.size())
		copy(want[len(want)-len(message):], message)
		if !ok || subtle.ConstantTimeCompare(got, want) != 1 {
			return ck.CKR_SIGNATURE_INVALID
		}
		return nil
	}}, nil
}

func encryptRaw(k *Key, p ck.Parameter) (Cipher, error) {
	raw, err := barePublic(k, p, object.MinRSABits)
	if err != nil {
		return nil, err
	}
	return rsaEncryption(k, raw.size(), func(in []byte) ([]byte, error) {
		out, ok := raw.public(in)
		if !ok {
			return nil, ck.Errorf(ck.CKR_DATA_INVALID, "the data, as a number, exceeds the modulus")
		}
		return out, nil
	}), nil
}

func decryptRaw(k *Key, p ck.Parameter) (Cipher, error) {
	key, size, err := barePrivate(k, p)
	if err != nil {
		return nil, err
	}
	return rsaDecryption(k, size, func(in []byte) ([]byte, error) {
		out, ok, err := key.Private(in)
		if err != nil {
			return nil, failed("decrypt with RSA", err)
		}
		if !ok {
			err = ck.Errorf(ck.CKR_ENCRYPTED_DATA_INVALID, "the encrypted number exceeds the modulus")
		}
		return out, err
	}), nil
}
