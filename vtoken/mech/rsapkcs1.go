package mech

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// pkcs1Overhead is the least number of bytes that PKCS #1 v1.5 padding takes.
const pkcs1Overhead = 11

// rsaPKCS1Mechanisms are PKCS #1 v1.5 (RFC 8017 sections 7.2 and 8.2; PKCS#11
// sections 6.1.6 and 6.1.9). CKM_RSA_PKCS signs any bytes that fit, a DigestInfo
// or not: gnupg-pkcs11-scd signs raw input (alonbl/gnupg-pkcs11-scd#45).
func rsaPKCS1Mechanisms() []*Descriptor {
	plain := rsaPKCS1Signature(ck.CKM_RSA_PKCS, 0, func(k int) sink {
		return &collector{max: k - pkcs1Overhead, code: ck.CKR_DATA_LEN_RANGE}
	})
	plain.Encrypt, plain.Decrypt = encryptPKCS1, decryptPKCS1
	plain.SignRecover, plain.VerifyRecover = plain.Sign, recoverRSA(unpadSignature, pkcs1Overhead)
	list := []*Descriptor{plain}
	for _, h := range hashAlgs() {
		if h.rsaPKCS != 0 {
			list = append(list, rsaPKCS1Signature(h.rsaPKCS, h.hash, func(int) sink { return hashSink{h.new()} }))
		}
	}
	return list
}

// rsaPKCS1Signature signs and verifies what the sink gives for a modulus of k
// bytes.
func rsaPKCS1Signature(t ck.MechanismType, h crypto.Hash, newSink func(k int) sink) *Descriptor {
	d := rsaMechanism(t)
	d.Sign = func(k *Key, p ck.Parameter) (Signer, error) {
		key, pub, err := rsaPrivate(k)
		if err != nil {
			return nil, err
		}
		if err := noParameter(p); err != nil {
			return nil, err
		}
		return &signer{newSink(pub.Size()), pub.Size(), func(message []byte) ([]byte, error) {
			s, err := key.SignPKCS1v15(h, message)
			if err != nil {
				return nil, failed("sign with RSA PKCS #1 v1.5", err)
			}
			return s, nil
		}}, nil
	}
	d.Verify = func(k *Key, p ck.Parameter) (Verifier, error) {
		key, err := rsaPublic(k, object.MinRSABits)
		if err != nil {
			return nil, err
		}
		if err := noParameter(p); err != nil {
			return nil, err
		}
		return &verifier{newSink(key.Size()), key.Size(), func(message, signature []byte) error {
			if rsa.VerifyPKCS1v15(key, h, message, signature) != nil {
				return ck.CKR_SIGNATURE_INVALID
			}
			return nil
		}}, nil
	}
	return d
}

// rsaEncryption is an encryption of at most most bytes with a public key.
func rsaEncryption(k *Key, most int, encrypt func(in []byte) ([]byte, error)) *whole {
	return &whole{
		collector{max: most, code: ck.CKR_DATA_LEN_RANGE}, fixed(k.RSAPublic.Size()), encrypt,
	}
}

// rsaDecryption is a decryption with a private key of exactly one block, to at
// most most bytes.
func rsaDecryption(k *Key, most int, decrypt func(in []byte) ([]byte, error)) *whole {
	size := k.RSA.Public().Size()
	return &whole{
		collector{max: size, code: ck.CKR_ENCRYPTED_DATA_LEN_RANGE}, fixed(most),
		func(in []byte) ([]byte, error) {
			if len(in) != size {
				return nil, ck.Errorf(ck.CKR_ENCRYPTED_DATA_LEN_RANGE, "the encrypted data has %d bytes, not %d", len(in), size)
			}
			return decrypt(in)
		},
	}
}

func encryptPKCS1(k *Key, p ck.Parameter) (Cipher, error) {
	key, err := rsaPublic(k, object.MinRSABits)
	if err != nil {
		return nil, err
	}
	if err := noParameter(p); err != nil {
		return nil, err
	}
	raw, err := k.rawPublic()
	if err != nil {
		return nil, err
	}
	return rsaEncryption(k, key.Size()-pkcs1Overhead, func(in []byte) ([]byte, error) {
		em := make([]byte, key.Size())
		em[1] = 2
		zero := len(em) - len(in) - 1
		fillNonZero(em[2:zero])
		copy(em[zero+1:], in)
		out, _ := raw.public(em) // em starts with 0, so it is below the modulus
		return out, nil
	}), nil
}

// fillNonZero fills b with random bytes that are not zero.
func fillNonZero(b []byte) {
	_, _ = rand.Read(b) // never fails (crypto/rand)
	for i := range b {
		for b[i] == 0 {
			_, _ = rand.Read(b[i : i+1])
		}
	}
}

func decryptPKCS1(k *Key, p ck.Parameter) (Cipher, error) {
	key, pub, err := rsaPrivate(k)
	if err != nil {
		return nil, err
	}
	if err := noParameter(p); err != nil {
		return nil, err
	}
	return rsaDecryption(k, pub.Size()-pkcs1Overhead, func(in []byte) ([]byte, error) {
		em, ok, err := key.Private(in)
		if err != nil {
			return nil, failed("decrypt with RSA PKCS #1 v1.5", err)
		}
		if !ok {
			return nil, ck.Errorf(ck.CKR_ENCRYPTED_DATA_INVALID, "the encrypted number exceeds the modulus")
		}
		return unpadImplicit(em, in, key.RejectionSeed()), nil
	}), nil
}
