package vectors

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"vtoken/vtoken/ck"
)

// hash is the mechanisms that have a hash in them.
type hash struct {
	digest, pkcs1, pss, ecdsa, mac, general ck.MechanismType
	mgf                                     uint64
	size                                    int
}

var hashes = map[string]hash{
	"SHA-1":       {ck.CKM_SHA_1, ck.CKM_SHA1_RSA_PKCS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA1, ck.CKM_SHA_1_HMAC, ck.CKM_SHA_1_HMAC_GENERAL, ck.CKG_MGF1_SHA1, 20},
	"SHA-224":     {ck.CKM_SHA224, ck.CKM_SHA224_RSA_PKCS, ck.CKM_SHA224_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA224, ck.CKM_SHA224_HMAC, ck.CKM_SHA224_HMAC_GENERAL, ck.CKG_MGF1_SHA224, 28},
	"SHA-256":     {ck.CKM_SHA256, ck.CKM_SHA256_RSA_PKCS, ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA256, ck.CKM_SHA256_HMAC, ck.CKM_SHA256_HMAC_GENERAL, ck.CKG_MGF1_SHA256, 32},
	"SHA-384":     {ck.CKM_SHA384, ck.CKM_SHA384_RSA_PKCS, ck.CKM_SHA384_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA384, ck.CKM_SHA384_HMAC, ck.CKM_SHA384_HMAC_GENERAL, ck.CKG_MGF1_SHA384, 48},
	"SHA-512":     {ck.CKM_SHA512, ck.CKM_SHA512_RSA_PKCS, ck.CKM_SHA512_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA512, ck.CKM_SHA512_HMAC, ck.CKM_SHA512_HMAC_GENERAL, ck.CKG_MGF1_SHA512, 64},
	"SHA3-224":    {ck.CKM_SHA3_224, ck.CKM_SHA3_224_RSA_PKCS, ck.CKM_SHA3_224_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_224, ck.CKM_SHA3_224_HMAC, ck.CKM_SHA3_224_HMAC_GENERAL, ck.CKG_MGF1_SHA3_224, 28},
	"SHA3-256":    {ck.CKM_SHA3_256, ck.CKM_SHA3_256_RSA_PKCS, ck.CKM_SHA3_256_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_256, ck.CKM_SHA3_256_HMAC, ck.CKM_SHA3_256_HMAC_GENERAL, ck.CKG_MGF1_SHA3_256, 32},
	"SHA3-384":    {ck.CKM_SHA3_384, ck.CKM_SHA3_384_RSA_PKCS, ck.CKM_SHA3_384_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_384, ck.CKM_SHA3_384_HMAC, ck.CKM_SHA3_384_HMAC_GENERAL, ck.CKG_MGF1_SHA3_384, 48},
	"SHA3-512":    {ck.CKM_SHA3_512, ck.CKM_SHA3_512_RSA_PKCS, ck.CKM_SHA3_512_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_512, ck.CKM_SHA3_512_HMAC, ck.CKM_SHA3_512_HMAC_GENERAL, ck.CKG_MGF1_SHA3_512, 64},
	"SHA-512/224": {mac: ck.CKM_SHA512_224_HMAC, general: ck.CKM_SHA512_224_HMAC_GENERAL, size: 28},
	"SHA-512/256": {mac: ck.CKM_SHA512_256_HMAC, general: ck.CKM_SHA512_256_HMAC_GENERAL, size: 32},
}

// curve is the type of a curve's keys and its object identifier.
type curve struct {
	typ ck.KeyType
	oid string
}

var curves = map[string]curve{
	"secp224r1": {ck.CKK_EC, "\x06\x05\x2b\x81\x04\x00\x21"}, "secp256r1": {ck.CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"},
	"secp384r1": {ck.CKK_EC, "\x06\x05\x2b\x81\x04\x00\x22"}, "secp521r1": {ck.CKK_EC, "\x06\x05\x2b\x81\x04\x00\x23"},
	"secp256k1": {ck.CKK_EC, "\x06\x05\x2b\x81\x04\x00\x0a"}, "P-256K": {ck.CKK_EC, "\x06\x05\x2b\x81\x04\x00\x0a"},
	"edwards25519": {ck.CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x70"}, "edwards448": {ck.CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x71"},
	"curve25519": {ck.CKK_EC_MONTGOMERY, "\x06\x03\x2b\x65\x6e"}, "curve448": {ck.CKK_EC_MONTGOMERY, "\x06\x03\x2b\x65\x6f"},
}

// parameterSets are those of ML-DSA, by the file.
var parameterSets = map[string]uint64{"mldsa_44_verify": ck.CKP_ML_DSA_44, "mldsa_65_verify": ck.CKP_ML_DSA_65, "mldsa_87_verify": ck.CKP_ML_DSA_87}

func (k *token) verifies(g group, v vector) error {
	public, begin, err := k.verifying(g, v)
	if err != nil {
		return v.wrong(err, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKR_MECHANISM_PARAM_INVALID)
	}
	if err := begin(public); err != nil {
		return v.wrong(err, ck.CKR_MECHANISM_PARAM_INVALID)
	}
	return v.wrong(k.p.Verify(k.h, v.Msg, v.Sig), ck.CKR_SIGNATURE_INVALID, ck.CKR_SIGNATURE_LEN_RANGE)
}

// verifying makes the public key of a group, and says how a verification with it
// begins.
func (k *token) verifying(g group, v vector) (public pkcs11.ObjectHandle, begin func(pkcs11.ObjectHandle) error, err error) {
	with := func(m ck.MechanismType, parameter any) func(pkcs11.ObjectHandle) error {
		return func(h pkcs11.ObjectHandle) error { return k.p.VerifyInit(k.h, mechanism(m, parameter), h) }
	}
	h, c := hashes[g.SHA], curves[g.PublicKey.Curve]
	switch g.Type {
	case "RsassaPkcs1Verify":
		begin = with(h.pkcs1, nil)
	case "RsassaPssVerify":
		begin = with(h.pss, pkcs11.NewPSSParams(uint(h.digest), uint(hashes[g.MGFSHA].mgf), uint(g.SLen)))
	case "EcdsaP1363Verify":
		begin = with(h.ecdsa, nil)
		public, err = k.object(ck.CKO_PUBLIC_KEY, c.typ, attr(ck.CKA_EC_PARAMS, c.oid), attr(ck.CKA_EC_POINT, g.PublicKey.Uncompressed))
		return public, begin, err
	case "EddsaVerify":
		begin = with(ck.CKM_EDDSA, nil)
		public, err = k.object(ck.CKO_PUBLIC_KEY, c.typ, attr(ck.CKA_EC_PARAMS, c.oid), attr(ck.CKA_EC_POINT, g.PublicKey.PK))
		return public, begin, err
	case "MlDsaVerify":
		begin = func(h pkcs11.ObjectHandle) error {
			var s structure
			s.word(uint64(ck.CKH_HEDGE_PREFERRED))
			s.pointer(v.Ctx)
			s.word(uint64(len(v.Ctx)))
			return s.with(ck.CKM_ML_DSA, func(m []*pkcs11.Mechanism) error { return k.p.VerifyInit(k.h, m, h) })
		}
		public, err = k.object(ck.CKO_PUBLIC_KEY, ck.CKK_ML_DSA, attr(ck.CKA_PARAMETER_SET, uint(parameterSets[k.name])), attr(ck.CKA_VALUE, g.PublicKey.PK))
		return public, begin, err
	}
	public, err = k.object(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, attr(ck.CKA_MODULUS, g.PublicKey.Modulus), attr(ck.CKA_PUBLIC_EXPONENT, g.PublicKey.PublicExponent))
	return public, begin, err
}

// rsa makes the private key of a group, of three numbers or of all eight.
func (k *token) rsa(g group) (pkcs11.ObjectHandle, error) {
	t, p := []*pkcs11.Attribute{}, g.PrivateKey
	for typ, value := range map[ck.AttributeType]octets{
		ck.CKA_MODULUS: p.Modulus, ck.CKA_PUBLIC_EXPONENT: p.PublicExponent, ck.CKA_PRIVATE_EXPONENT: p.PrivateExponent,
		ck.CKA_PRIME_1: p.Prime1, ck.CKA_PRIME_2: p.Prime2,
		ck.CKA_EXPONENT_1: p.Exponent1, ck.CKA_EXPONENT_2: p.Exponent2, ck.CKA_COEFFICIENT: p.Coefficient,
	} {
		if len(value) > 0 {
			t = append(t, attr(typ, value))
		}
	}
	return k.object(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, t...)
}

// signs: the default policy makes no signatures with SHA-1.
func (k *token) signs(g group, v vector) error {
	private, err := k.rsa(g)
	if err != nil {
		return err
	}
	err = k.p.SignInit(k.h, mechanism(hashes[g.SHA].pkcs1, nil), private)
	if g.SHA == "SHA-1" {
		if !errors.Is(err, pkcs11.Error(ck.CKR_MECHANISM_INVALID)) {
			return fmt.Errorf("signing with SHA-1 ends with %v", err)
		}
		return nil
	}
	if err != nil {
		return v.wrong(err)
	}
	sig, err := k.p.Sign(k.h, v.Msg)
	if err == nil && !bytes.Equal(sig, v.Sig) {
		err = fmt.Errorf("the signature is %x", sig)
	}
	return err
}

// authenticates: a tag that is shorter than the mechanism's is that of its
// "general" form.
func (k *token) authenticates(g group, v vector) error {
	h := hashes[macHash(k.name)]
	typ, m, whole := ck.CKK_GENERIC_SECRET, h.mac, h.size
	if k.name == "aes_cmac" {
		typ, m, whole = ck.CKK_AES, ck.CKM_AES_CMAC, 16
		h.general = ck.CKM_AES_CMAC_GENERAL
	}
	secret, err := k.secret(typ, v.Key, ck.CKA_SIGN, ck.CKA_VERIFY)
	if err != nil {
		return v.wrong(err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	var parameter any
	if g.TagSize/8 < whole {
		m, parameter = h.general, word(uint64(g.TagSize/8))
	}
	if err := k.p.VerifyInit(k.h, mechanism(m, parameter), secret); err != nil {
		return v.wrong(err)
	}
	if err := v.wrong(k.p.Verify(k.h, v.Msg, v.Tag), ck.CKR_SIGNATURE_INVALID, ck.CKR_SIGNATURE_LEN_RANGE); err != nil || v.Result != "valid" {
		return err
	}
	if err := k.p.SignInit(k.h, mechanism(m, parameter), secret); err != nil {
		return err
	}
	tag, err := k.p.Sign(k.h, v.Msg)
	if err == nil && !bytes.Equal(tag, v.Tag) {
		err = fmt.Errorf("the tag is %x", tag)
	}
	return err
}
