package mech_test

import (
	"crypto/elliptic"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"

	"github.com/stretchr/testify/require"
)

// BenchmarkSign is one signature from SignInit to the bytes, as the engine does
// it with a parsed key.
func BenchmarkSign(b *testing.B) {
	r := privateKey(b, testRSA())
	digest := random(32)
	for _, c := range []struct {
		name string
		m    ck.MechanismType
		k    *mech.Key
		p    ck.Parameter
		data []byte
	}{
		{"ECDSA-P256", ck.CKM_ECDSA, privateKey(b, ecKey(b, elliptic.P256())), nil, digest},
		{"ECDSA-P384", ck.CKM_ECDSA, privateKey(b, ecKey(b, elliptic.P384())), nil, digest},
		{"RSA-2048-PKCS", ck.CKM_RSA_PKCS, r, nil, digest},
		{"RSA-2048-PSS", ck.CKM_RSA_PKCS_PSS, r, ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 32}, digest},
		{"RSA-2048-raw", ck.CKM_RSA_X_509, r, nil, digest},
		{"HMAC-SHA256", ck.CKM_SHA256_HMAC, secretKey(b, ck.CKK_GENERIC_SECRET, digest), nil, digest},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := lookup(b, c.m)
			b.ReportAllocs()
			for b.Loop() {
				s, err := d.Sign(c.k, c.p)
				require.NoError(b, err)
				require.NoError(b, s.Update(c.data))
				_, err = s.Final()
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkDecryptPKCS1(b *testing.B) {
	r := testRSA()
	c := mustRun(b, lookup(b, ck.CKM_RSA_PKCS).Encrypt, publicKey(b, &r.PublicKey), nil, random(32))
	k := privateKey(b, r)
	b.ReportAllocs()
	for b.Loop() {
		mustRun(b, lookup(b, ck.CKM_RSA_PKCS).Decrypt, k, nil, c)
	}
}
