package vectors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"vtoken/vtoken/ck"
)

func word(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }

// macHash is the hash of a file such as hmac_sha3_256.
func macHash(name string) string {
	s := strings.TrimPrefix(strings.ToUpper(name), "HMAC_")
	if three, ok := strings.CutPrefix(s, "SHA3_"); ok {
		return "SHA3-" + three
	}
	return "SHA-" + strings.ReplaceAll(strings.TrimPrefix(s, "SHA"), "_", "/")
}

// decrypts decrypts in one call, unless the operation did not begin.
func (k *token) decrypts(in octets, begin error) ([]byte, error) {
	if begin != nil {
		return nil, begin
	}
	return k.p.Decrypt(k.h, in)
}

// same compares a result with that of the vector, where there is one.
func (v vector) same(what string, got, want []byte, err error, right ...ck.Error) error {
	if wrong := v.wrong(err, right...); wrong != nil || err != nil {
		return wrong
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is %x", what, got)
	}
	return nil
}

func (k *token) decryptsOAEP(g group, v vector) error {
	private, err := k.rsa(g)
	if err != nil {
		return err
	}
	p := pkcs11.NewOAEPParams(uint(hashes[g.SHA].digest), uint(hashes[g.MGFSHA].mgf), pkcs11.CKZ_DATA_SPECIFIED, v.Label)
	plain, err := k.decrypts(v.CT, k.p.DecryptInit(k.h, mechanism(ck.CKM_RSA_PKCS_OAEP, p), private))
	return v.same("the message", plain, v.Msg, err, ck.CKR_ENCRYPTED_DATA_INVALID, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
}

// decryptsPKCS1: no padding is refused, and none that is wrong gives the message, so that
// an answer tells nothing of it. Only a ciphertext of a wrong length or size is an error.
func (k *token) decryptsPKCS1(g group, v vector) error {
	private, err := k.rsa(g)
	if err != nil {
		return err
	}
	plain, err := k.decrypts(v.CT, k.p.DecryptInit(k.h, mechanism(ck.CKM_RSA_PKCS, nil), private))
	if v.Result == "valid" {
		return v.same("the message", plain, v.Msg, err)
	}
	if err == nil && len(v.Msg) > 0 && bytes.Equal(plain, v.Msg) {
		return errors.New("the message of a wrong padding is given out")
	}
	if err != nil {
		return v.wrong(err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE, ck.CKR_ENCRYPTED_DATA_INVALID)
	}
	again, err := k.decrypts(v.CT, k.p.DecryptInit(k.h, mechanism(ck.CKM_RSA_PKCS, nil), private))
	if err != nil || !bytes.Equal(plain, again) {
		return fmt.Errorf("the second time it is %x, %w", again, err)
	}
	return nil
}

// parameter begins an operation with the parameter of a cipher.
func (k *token) parameter(v vector, tagSize, length int, begin func([]*pkcs11.Mechanism) error) error {
	var s structure
	switch k.name {
	case "aes_gcm":
		return begin(mechanism(ck.CKM_AES_GCM, pkcs11.NewGCMParams(v.IV, v.AAD, tagSize)))
	case "aes_ccm":
		s.word(uint64(length))
	}
	s.pointer(v.IV)
	s.word(uint64(len(v.IV)))
	s.pointer(v.AAD)
	s.word(uint64(len(v.AAD)))
	if k.name == "aes_ccm" {
		s.word(uint64(tagSize / 8))
		return s.with(ck.CKM_AES_CCM, begin)
	}
	return s.with(ck.CKM_CHACHA20_POLY1305, begin)
}

func (k *token) seals(g group, v vector) error {
	typ := ck.CKK_AES
	if k.name == "chacha20_poly1305" {
		typ = ck.CKK_CHACHA20
	}
	secret, err := k.secret(typ, v.Key, ck.CKA_ENCRYPT, ck.CKA_DECRYPT)
	if err != nil {
		return v.wrong(err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	sealed := append(bytes.Clone(v.CT), v.Tag...)
	begun := k.parameter(v, g.TagSize, len(v.CT), func(m []*pkcs11.Mechanism) error { return k.p.DecryptInit(k.h, m, secret) })
	plain, err := k.decrypts(sealed, begun)
	if err := v.same("the plaintext", plain, v.Msg, err, ck.CKR_ENCRYPTED_DATA_INVALID, ck.CKR_MECHANISM_PARAM_INVALID); err != nil || v.Result != "valid" {
		return err
	}
	err = k.parameter(v, g.TagSize, len(v.Msg), func(m []*pkcs11.Mechanism) error { return k.p.EncryptInit(k.h, m, secret) })
	if err != nil {
		return err
	}
	again, err := k.p.Encrypt(k.h, v.Msg)
	return v.same("the ciphertext", again, sealed, err)
}

func (k *token) encrypts(_ group, v vector) error {
	secret, err := k.secret(ck.CKK_AES, v.Key, ck.CKA_ENCRYPT, ck.CKA_DECRYPT)
	if err != nil {
		return err
	}
	m := mechanism(ck.CKM_AES_CBC_PAD, []byte(v.IV))
	plain, err := k.decrypts(v.CT, k.p.DecryptInit(k.h, m, secret))
	if err := v.same("the plaintext", plain, v.Msg, err, ck.CKR_ENCRYPTED_DATA_INVALID, ck.CKR_ENCRYPTED_DATA_LEN_RANGE); err != nil || v.Result != "valid" {
		return err
	}
	if err := k.p.EncryptInit(k.h, m, secret); err != nil {
		return err
	}
	again, err := k.p.Encrypt(k.h, v.Msg)
	return v.same("the ciphertext", again, v.CT, err)
}

// wraps: what is unwrapped cannot be read, so a wrapped key is compared by
// wrapping, and its length by unwrapping.
func (k *token) wraps(_ group, v vector) error {
	m := mechanism(ck.CKM_AES_KEY_WRAP, nil)
	if k.name == "aes_kwp" {
		m = mechanism(ck.CKM_AES_KEY_WRAP_KWP, nil)
	}
	secret, err := k.secret(ck.CKK_AES, v.Key, ck.CKA_WRAP, ck.CKA_UNWRAP)
	if err != nil {
		return err
	}
	if len(v.CT) == 0 {
		return nil // pkcs11.Ctx has no way to say nothing
	}
	got, err := k.note(k.p.UnwrapKey(k.h, m, secret, v.CT, []*pkcs11.Attribute{
		attr(ck.CKA_CLASS, uint(ck.CKO_SECRET_KEY)), attr(ck.CKA_KEY_TYPE, uint(ck.CKK_GENERIC_SECRET))}))
	if wrong := v.wrong(err, ck.CKR_WRAPPED_KEY_INVALID, ck.CKR_WRAPPED_KEY_LEN_RANGE); wrong != nil || v.Result != "valid" {
		return wrong
	}
	length, err := k.p.GetAttributeValue(k.h, got, []*pkcs11.Attribute{attr(ck.CKA_VALUE_LEN, nil)})
	if err != nil || binary.NativeEndian.Uint64(length[0].Value) != uint64(len(v.Msg)) {
		return fmt.Errorf("the length of the unwrapped key is %v, %w", length, err)
	}
	inner, err := k.object(ck.CKO_SECRET_KEY, ck.CKK_GENERIC_SECRET, attr(ck.CKA_VALUE, v.Msg),
		attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)) // the wrapping key is a known one, too
	if err != nil {
		return err
	}
	wrapped, err := k.p.WrapKey(k.h, m, secret, inner)
	return v.same("the wrapped key", wrapped, v.CT, err)
}
