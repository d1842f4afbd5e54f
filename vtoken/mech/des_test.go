package mech_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// FIPS 81 (table B1), NIST SP 800-67 (appendix B.1) and SP 800-38B (appendix D.4);
// with padding, what OpenSSL makes.
func TestDESDecrypts(t *testing.T) {
	const triple = "0123456789abcdef23456789abcdef01456789abcdef0123"
	for _, v := range []struct {
		m         ck.MechanismType
		kt        ck.KeyType
		key       string
		p         ck.Parameter
		enc, text string
	}{
		{ck.CKM_DES_ECB, ck.CKK_DES, "0123456789abcdef", nil, "3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53", "Now is the time for all "},
		{ck.CKM_DES_CBC, ck.CKK_DES, "0123456789abcdef", ck.RawParameter(unhex(t, "1234567890abcdef")), "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6", "Now is the time for all "},
		{ck.CKM_DES3_ECB, ck.CKK_DES3, triple, nil, "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900", "The qufck brown fox jump"},
		{ck.CKM_DES3_CBC_PAD, ck.CKK_DES3, triple, ck.RawParameter(unhex(t, "1234567890abcdef")), "843ca4e232a4d284b3b8fbfddd4d1fcd", "old data"},
		{ck.CKM_DES3_CBC_PAD, ck.CKK_DES2, triple[:32], ck.RawParameter(unhex(t, "1234567890abcdef")), "70810099a56fe5ab969f46e14b0a85bd", "old data"},
	} {
		k := secretKey(t, v.kt, unhex(t, v.key))
		d := lookup(t, v.m)
		if got := mustRun(t, d.Decrypt, k, v.p, pieces(unhex(t, v.enc))...); string(got) != v.text {
			t.Errorf("%v decrypts to %q", v.m, got)
		}
		if d.Encrypt != nil {
			t.Errorf("%v encrypts", v.m)
		}
		_, err := d.Decrypt(secretKey(t, ck.CKK_AES, random(16)), v.p)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
	k := secretKey(t, ck.CKK_DES3, unhex(t, triple))
	bad := make([]byte, 16)
	_, err := run(t, lookup(t, ck.CKM_DES3_CBC_PAD).Decrypt, k, ck.RawParameter(make([]byte, 8)), bad)
	require.Equal(t, ck.CKR_ENCRYPTED_DATA_INVALID, ck.CodeOf(err))
	_, err = lookup(t, ck.CKM_DES3_CBC).Decrypt(k, ck.RawParameter(make([]byte, 16)))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
}

func TestDESCMACVerifies(t *testing.T) {
	k := secretKey(t, ck.CKK_DES3, unhex(t, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5"))
	for _, v := range []struct{ data, mac string }{
		{"", "b7a688e122ffaf95"}, {"6bc1bee22e409f96", "8e8f293136283797"},
		{"6bc1bee22e409f96e93d7e117393172aae2d8a57", "743ddbe0ce2dc2ed"},
	} {
		if err := verify(t, ck.CKM_DES3_CMAC, k, nil, unhex(t, v.mac), pieces(unhex(t, v.data))...); err != nil {
			t.Errorf("%s: %v", v.data, err)
		}
		if err := verify(t, ck.CKM_DES3_CMAC_GENERAL, k, ck.MACGeneralParams(4), unhex(t, v.mac)[:4], unhex(t, v.data)); err != nil {
			t.Errorf("%s: %v", v.data, err)
		}
	}
	require.Nil(t, lookup(t, ck.CKM_DES3_CMAC).Sign, "CKM_DES3_CMAC signs")
}

func TestDESKeys(t *testing.T) {
	good := unhex(t, "0123456789abcdef23456789abcdef01456789abcdef0123")
	for _, c := range []struct {
		kt    ck.KeyType
		value []byte
		want  ck.Error
	}{
		{ck.CKK_DES, good[:8], ck.CKR_OK}, {ck.CKK_DES2, good[:16], ck.CKR_OK}, {ck.CKK_DES3, good, ck.CKR_OK},
		{ck.CKK_DES, good[:7], ck.CKR_ATTRIBUTE_VALUE_INVALID}, {ck.CKK_DES3, good[:16], ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKK_DES, bytes.Repeat([]byte{0}, 8), ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		_, err := object.Build(object.Source{}, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, c.kt), ck.Bytes(ck.CKA_VALUE, c.value),
		})
		require.Equal(t, c.want, ck.CodeOf(err))
	}
}

// RFC 1321 appendix A.5 and RFC 2202 section 2. No parameter may name MD5: an
// algorithm policy would not see it.
func TestMD5(t *testing.T) {
	h, err := lookup(t, ck.CKM_MD5).Digest(nil)
	require.NoError(t, err)
	h.Write([]byte("abc"))
	got := hex.EncodeToString(h.Sum(nil))
	require.Equal(t, "900150983cd24fb0d6963f7d28e17f72", got, "the digest is %s", got)
	k := secretKey(t, ck.CKK_MD5_HMAC, []byte("Jefe"))
	mac := sign(t, ck.CKM_MD5_HMAC, k, nil, []byte("what do ya want for nothing?"))
	require.Equal(t, "750c783e6ab0b503eaa86e310a5db738", hex.EncodeToString(mac), "the MAC is %x", mac)
	r := testRSA()
	sig := sign(t, ck.CKM_MD5_RSA_PKCS, privateKey(t, r), nil, []byte("old"))
	require.NoError(t, verify(t, ck.CKM_MD5_RSA_PKCS, publicKey(t, &r.PublicKey), nil, sig, []byte("old")))
	_, err = lookup(t, ck.CKM_RSA_PKCS_PSS).Sign(privateKey(t, r), ck.RSAPkcsPssParams{HashAlg: ck.CKM_MD5, MGF: ck.CKG_MGF1_SHA1})
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	_, err = lookup(t, ck.CKM_RSA_PKCS_OAEP).Encrypt(publicKey(t, &r.PublicKey), ck.RSAPkcsOaepParams{HashAlg: ck.CKM_MD5, MGF: ck.CKG_MGF1_SHA1, Source: 1})
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	_, err = lookup(t, ck.CKM_HKDF_DERIVE).Derive(secretKey(t, ck.CKK_HKDF, random(16)), ck.HKDFParams{Expand: true, PRF: ck.CKM_MD5}, generic(8))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	_, err = lookup(t, ck.CKM_SP800_108_COUNTER_KDF).Derive(secretKey(t, ck.CKK_MD5_HMAC, random(16)), ck.SP800108Params{PRF: ck.CKM_MD5_HMAC}, generic(8))
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
}
