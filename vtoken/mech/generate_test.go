package mech_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

func TestGenerateKey(t *testing.T) {
	for _, c := range []struct {
		m    ck.MechanismType
		kt   ck.KeyType
		len  uint64 // 0: the template has none
		want ck.Error
	}{
		{ck.CKM_AES_KEY_GEN, ck.CKK_AES, 16, ck.CKR_OK},
		{ck.CKM_AES_KEY_GEN, ck.CKK_AES, 24, ck.CKR_OK},
		{ck.CKM_AES_KEY_GEN, ck.CKK_AES, 32, ck.CKR_OK},
		{ck.CKM_AES_KEY_GEN, ck.CKK_AES, 20, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_AES_KEY_GEN, ck.CKK_AES, 1 << 62, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_AES_KEY_GEN, ck.CKK_AES, 0, ck.CKR_TEMPLATE_INCOMPLETE},
		{ck.CKM_GENERIC_SECRET_KEY_GEN, ck.CKK_GENERIC_SECRET, 5, ck.CKR_OK},
		{ck.CKM_GENERIC_SECRET_KEY_GEN, ck.CKK_GENERIC_SECRET, object.MaxSecretLen + 1, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_SHA256_KEY_GEN, ck.CKK_SHA256_HMAC, 0, ck.CKR_OK},
		{ck.CKM_SHA256_KEY_GEN, ck.CKK_SHA256_HMAC, 40, ck.CKR_OK},
	} {
		var tpl ck.Template
		if c.len != 0 {
			tpl = append(tpl, ck.Ulong(ck.CKA_VALUE_LEN, c.len))
		}
		made, err := lookup(t, c.m).GenerateKey(nil, tpl, noPause)
		require.Equal(t, c.want, ck.CodeOf(err), "%v of %d bytes: %v", c.m, c.len, err)
		if err != nil {
			continue
		}
		o, err := object.Build(object.Source{Origin: object.Generate, Mechanism: c.m, Made: made}, tpl)
		require.NoError(t, err, "%v: %v", c.m, err)
		if kt, _ := o.KeyType(); kt != c.kt || !o.Bool(ck.CKA_LOCAL) || !o.Bool(ck.CKA_ALWAYS_SENSITIVE) || !o.Bool(ck.CKA_NEVER_EXTRACTABLE) {
			t.Errorf("%v makes %v", c.m, o.Attrs)
		}
	}
}

func TestGenerateKeyPair(t *testing.T) {
	bits := func(n uint64) ck.Template { return ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, n)} }
	curve := func(b ...byte) ck.Template { return ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, b)} }
	name := func(s string) ck.Template { return curve(append([]byte{0x13, byte(len(s))}, s...)...) }
	exponent := func(e ...byte) ck.Template { return append(bits(2048), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, e)) }
	for _, c := range []struct {
		m    ck.MechanismType
		tpl  ck.Template
		want ck.Error
	}{
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, bits(2048), ck.CKR_OK},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, exponent(1, 0, 1), ck.CKR_OK},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, exponent(0, 1, 0, 1), ck.CKR_OK},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, exponent(3), ck.CKR_OK},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, exponent(2), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, bits(1016), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, bits(2049), ck.CKR_OK},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, bits(16384), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, nil, ck.CKR_TEMPLATE_INCOMPLETE},
		{ck.CKM_EC_KEY_PAIR_GEN, curve(6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7), ck.CKR_OK},
		{ck.CKM_EC_KEY_PAIR_GEN, name("secp384r1"), ck.CKR_OK},
		{ck.CKM_EC_KEY_PAIR_GEN, name("P-521"), ck.CKR_OK},
		{ck.CKM_EC_KEY_PAIR_GEN, name("P-224"), ck.CKR_OK},
		{ck.CKM_EC_KEY_PAIR_GEN, name("sect163k1"), ck.CKR_CURVE_NOT_SUPPORTED},
		{ck.CKM_EC_KEY_PAIR_GEN, curve(0x30, 0), ck.CKR_CURVE_NOT_SUPPORTED},
		{ck.CKM_EC_KEY_PAIR_GEN, curve(1), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{ck.CKM_EC_KEY_PAIR_GEN, nil, ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		pub, priv, err := lookup(t, c.m).GenerateKeyPair(nil, c.tpl, nil, nil)
		require.Equal(t, c.want, ck.CodeOf(err), "%v with %v: %v, want %v", c.m, c.tpl, err, c.want)
		if err != nil {
			continue
		}
		src := object.Source{Origin: object.Generate, Mechanism: c.m, Made: pub}
		if _, err = object.Build(src, c.tpl); err != nil {
			t.Errorf("%v with %v: public key: %v", c.m, c.tpl, err)
		}
		src.Made = priv
		o, err := object.Build(src, nil)
		require.NoError(t, err, "%v: private key: %v", c.m, err)
		if !o.Bool(ck.CKA_WRAP_WITH_TRUSTED) || !o.Sensitive() || o.Extractable() {
			t.Errorf("%v: private key is not guarded", c.m)
		}
	}
}
