package mech_test

import (
	"crypto/elliptic"
	"testing"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

// FuzzParseKey: a stored object of any content gives a key or a code, and a key that parses
// can be used. openCryptoki read past the end of tampered objects (CVE-2026-40253).
func FuzzParseKey(f *testing.F) {
	rsaKey, ecPriv := testRSA(), ecKey(f, elliptic.P256())
	rsaPriv, err := object.PrivateTemplate(rsaKey)
	require.NoError(f, err)
	ecTpl, err := object.PrivateTemplate(ecPriv)
	require.NoError(f, err)
	pub, err := object.PublicTemplate(&ecPriv.PublicKey)
	require.NoError(f, err)
	aes := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}
	otp := object.NewOTP(object.OTP{Period: 30}, make([]byte, 20), 0, "otp", nil)
	for _, tpl := range []ck.Template{rsaPriv, ecTpl, pub, aes, otp} {
		o, err := object.Build(object.Source{}, tpl)
		require.NoError(f, err)
		f.Add(o.Attrs.AppendBinary(nil), o.Secret.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, attrs, secret []byte) {
		a, err := object.ParseSet(attrs)
		if err != nil {
			return
		}
		s, err := object.ParseSet(secret)
		if err != nil {
			return
		}
		k, err := mech.ParseKey(&object.Object{Attrs: a, Secret: s}, provider(t))
		if err != nil {
			require.NotEqual(t, ck.CKR_GENERAL_ERROR, ck.CodeOf(err), "an error without a code: %v", err)
			return
		}
		for _, m := range []ck.MechanismType{ck.CKM_ECDSA, ck.CKM_RSA_PKCS, ck.CKM_AES_ECB, ck.CKM_SHA256_HMAC, ck.CKM_HOTP} {
			d := lookup(t, m)
			startAll(d, k, nil)
			onePassword(d, k, a)
		}
	})
}

// onePassword makes a password with a key that makes some.
func onePassword(d *mech.Descriptor, k *mech.Key, attrs object.Set) {
	if !d.Stateful {
		return
	}
	s, err := d.Sign(k, nil)
	if err != nil {
		return
	}
	if _, err := s.(mech.Stateful).Advance(attrs, time.Unix(59, 0)); err == nil && s.Len() > 0 {
		_, _ = s.Final()
	}
}
