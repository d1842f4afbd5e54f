//go:build cgo

package p11hsm

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // in OAEP, where collisions do not matter
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math/big"

	"github.com/miekg/pkcs11"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

// way is a way to wrap a KEK in the HSM. The numbers are part of the format.
type way struct {
	number byte
	class  uint // of the key in the HSM
	wrap   func(*hsmKey, secret.Bytes) ([]byte, error)
	unwrap func(*hsmKey, []byte) (secret.Bytes, error)
}

// ckmKWP is CKM_AES_KEY_WRAP_KWP of PKCS#11 3.0, section 6.13.14.
const ckmKWP = 0x210B

var ways = [...]way{
	{1, pkcs11.CKO_SECRET_KEY, (*hsmKey).gcmWrap, (*hsmKey).gcmUnwrap},
	aesWrap(2, ckmKWP),
	aesWrap(3, pkcs11.CKM_AES_KEY_WRAP_PAD),
	oaep(4, pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, sha256.New),
	oaep(5, pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1, sha1.New),
}

// wrap wraps a KEK in the first way that works there and back.
func (k *hsmKey) wrap(key secret.Bytes) (*blob, error) {
	var failed []error
	for _, w := range ways {
		if w.class != k.class {
			continue
		}
		wrapped, err := w.wrap(k, key)
		if err == nil {
			var again secret.Bytes
			again, err = w.unwrap(k, wrapped)
			if err == nil && again.Equal(key) && len(wrapped) <= maxWrapped {
				again.Wipe()
				return &blob{way: w.number, wrapped: wrapped}, nil
			}
			again.Wipe()
		}
		if gone(err) && !is(err, pkcs11.CKR_GENERAL_ERROR) {
			return nil, err
		}
		failed = append(failed, fmt.Errorf("way %d: %w", w.number, err))
	}
	return nil, fmt.Errorf("%w: the key in the HSM can neither encrypt nor wrap in a way that is known here: %w", kek.ErrUnavailable, errors.Join(failed...))
}

func (k *hsmKey) unwrap(b *blob) (secret.Bytes, error) {
	for _, w := range ways {
		if w.number == b.way && w.class == k.class {
			return w.unwrap(k, b.wrapped)
		}
	}
	return nil, fmt.Errorf("%w: it was wrapped in way %d, which is none for this kind of key", kek.ErrWrongKey, b.way)
}

const (
	gcmIV  = 12
	gcmTag = 128
)

// gcmWrap gives the HSM an IV, and asks which one it took, because some make
// their own.
func (k *hsmKey) gcmWrap(key secret.Bytes) ([]byte, error) {
	iv := make([]byte, gcmIV)
	_, _ = rand.Read(iv)
	params := pkcs11.NewGCMParams(iv, nil, gcmTag)
	defer params.Free()
	if err := k.module.EncryptInit(k.session, mechanism(pkcs11.CKM_AES_GCM, params), k.handle); err != nil {
		return nil, err
	}
	ciphertext, err := k.module.Encrypt(k.session, key)
	if err != nil {
		return nil, err
	}
	iv = params.IV()
	if len(iv) == 0 || len(iv) > 64 {
		return nil, fmt.Errorf("the HSM took an IV of %d bytes", len(iv))
	}
	return append(append([]byte{byte(len(iv))}, iv...), ciphertext...), nil
}

func (k *hsmKey) gcmUnwrap(wrapped []byte) (secret.Bytes, error) {
	n := 1 + int(wrapped[0])
	if n == 1 || len(wrapped) <= n+gcmTag/8 {
		return nil, fmt.Errorf("%w: its IV has %d bytes", kek.ErrWrongKey, n-1)
	}
	params := pkcs11.NewGCMParams(wrapped[1:n], nil, gcmTag)
	defer params.Free()
	if err := k.module.DecryptInit(k.session, mechanism(pkcs11.CKM_AES_GCM, params), k.handle); err != nil {
		return nil, err
	}
	return k.module.Decrypt(k.session, wrapped[n:])
}

func mechanism(number uint, params any) []*pkcs11.Mechanism {
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(number, params)}
}

// aesWrap is a way with a mechanism of RFC 5649. The KEK is a session object
// for a moment, because HSMs wrap objects and not bytes.
func aesWrap(number byte, mech uint) way {
	form := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, false),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
	}
	return way{
		number: number, class: pkcs11.CKO_SECRET_KEY,
		wrap: func(k *hsmKey, key secret.Bytes) (wrapped []byte, err error) {
			object, err := k.module.CreateObject(k.session, append(form[:len(form):len(form)], pkcs11.NewAttribute(pkcs11.CKA_VALUE, []byte(key))))
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, k.module.DestroyObject(k.session, object)) }()
			return k.module.WrapKey(k.session, mechanism(mech, nil), k.handle, object)
		},
		unwrap: func(k *hsmKey, wrapped []byte) (key secret.Bytes, err error) {
			object, err := k.module.UnwrapKey(k.session, mechanism(mech, nil), k.handle, wrapped, form)
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, k.module.DestroyObject(k.session, object)) }()
			value, err := k.module.GetAttributeValue(k.session, object, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)})
			if err != nil {
				return nil, err
			}
			return value[0].Value, nil
		},
	}
}

// oaep is a way with an RSA key.
func oaep(number byte, hashAlg, mgf uint, newHash func() hash.Hash) way {
	return way{
		number: number, class: pkcs11.CKO_PRIVATE_KEY,
		wrap: func(k *hsmKey, key secret.Bytes) ([]byte, error) {
			pub, err := k.public()
			if err != nil {
				return nil, err
			}
			return rsa.EncryptOAEP(newHash(), rand.Reader, pub, key, nil)
		},
		unwrap: func(k *hsmKey, wrapped []byte) (secret.Bytes, error) {
			params := pkcs11.NewOAEPParams(hashAlg, mgf, pkcs11.CKZ_DATA_SPECIFIED, nil)
			if err := k.module.DecryptInit(k.session, mechanism(pkcs11.CKM_RSA_PKCS_OAEP, params), k.handle); err != nil {
				return nil, err
			}
			return k.module.Decrypt(k.session, wrapped)
		},
	}
}

// public is the public half of an RSA key.
func (k *hsmKey) public() (*rsa.PublicKey, error) {
	got, err := k.module.GetAttributeValue(k.session, k.handle, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, nil),
	})
	if err != nil {
		return nil, err
	}
	n, e := new(big.Int).SetBytes(got[0].Value), new(big.Int).SetBytes(got[1].Value)
	if n.BitLen() < 2048 || !e.IsInt64() || e.Int64() > 1<<31-1 {
		return nil, fmt.Errorf("%w: the RSA key has %d bits; 2048 are the least", kek.ErrUnavailable, n.BitLen())
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}
