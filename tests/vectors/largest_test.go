package vectors

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// TestLargestRSA: what is told of RSA is true of a token that was given no limit:
// pairs of up to 8192 bits are made, and a key of so many signs and decrypts.
// (Making one takes too long to be waited for in each test: make soak does it.)
func TestLargestRSA(t *testing.T) {
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	slots, err := k.p.GetSlotList(true)
	require.NoError(t, err)
	for _, m := range []ck.MechanismType{ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_RSA_PKCS_PSS, ck.CKM_RSA_PKCS_OAEP} {
		info, err := k.p.GetMechanismInfo(slots[0], mechanism(m, nil))
		require.NoError(t, err)
		if info.MaxKeySize != 8192 {
			t.Errorf("%v is for keys of up to %d bits", m, info.MaxKeySize)
		}
	}
	key := largest(t)
	private, err := k.rsa(group{PrivateKey: numbers(key)})
	require.NoError(t, err)

	message := []byte("signed by the largest key")
	digest := sha256.Sum256(message)
	pss := pkcs11.NewPSSParams(uint(ck.CKM_SHA256), uint(ck.CKG_MGF1_SHA256), 32)
	require.NoError(t, k.p.SignInit(k.h, mechanism(ck.CKM_SHA256_RSA_PKCS_PSS, pss), private))
	signature, err := k.p.Sign(k.h, message)
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}))

	hidden, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, message, nil)
	require.NoError(t, err)
	oaep := pkcs11.NewOAEPParams(uint(ck.CKM_SHA256), uint(ck.CKG_MGF1_SHA256), pkcs11.CKZ_DATA_SPECIFIED, nil)
	plain, err := k.decrypts(hidden, k.p.DecryptInit(k.h, mechanism(ck.CKM_RSA_PKCS_OAEP, oaep), private))
	require.NoError(t, err)
	require.Equal(t, string(message), string(plain), "what was decrypted")
}

// largest is a key of 8192 bits, made by openssl genrsa.
func largest(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile("testdata/rsa8192.pem")
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	require.NoError(t, err)
	return key
}

func numbers(k *rsa.PrivateKey) key {
	return key{Modulus: k.N.Bytes(), PublicExponent: big.NewInt(int64(k.E)).Bytes(), PrivateExponent: k.D.Bytes(),
		Prime1: k.Primes[0].Bytes(), Prime2: k.Primes[1].Bytes(),
		Exponent1: k.Precomputed.Dp.Bytes(), Exponent2: k.Precomputed.Dq.Bytes(), Coefficient: k.Precomputed.Qinv.Bytes()}
}
