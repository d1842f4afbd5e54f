package vectors

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"math/big"
	"os"
	"strconv"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// pairBits is the size of the pair to make: one that takes no time, or as large as
// RSA_BITS says, in make soak.
func pairBits(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RSA_BITS")
	if text == "" {
		return 2048
	}
	bits, err := strconv.Atoi(text)
	require.NoError(t, err, "RSA_BITS is a number of bits, not %q", text)
	return bits
}

// TestRSAPair has the token make a pair, which takes up to two minutes where it is
// as large as can be, and signs with it. The library waits for it all the time.
func TestRSAPair(t *testing.T) {
	bits := pairBits(t)
	k := newToken(t, func(_ *testing.T, socket string) string { return socket })
	public, private, err := k.p.GenerateKeyPair(k.h, mechanism(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, nil),
		[]*pkcs11.Attribute{attr(ck.CKA_MODULUS_BITS, uint(bits)), attr(ck.CKA_VERIFY, true)},
		[]*pkcs11.Attribute{attr(ck.CKA_SIGN, true)})
	require.NoError(t, err)
	got, err := k.p.GetAttributeValue(k.h, public, []*pkcs11.Attribute{attr(ck.CKA_MODULUS, nil), attr(ck.CKA_PUBLIC_EXPONENT, nil)})
	require.NoError(t, err)
	pair := rsa.PublicKey{N: new(big.Int).SetBytes(got[0].Value), E: int(new(big.Int).SetBytes(got[1].Value).Int64())}
	require.Equal(t, bits, pair.N.BitLen(), "bits of the modulus")
	message := []byte("signed by a key that was made here")
	digest := sha256.Sum256(message)
	m := mechanism(ck.CKM_SHA256_RSA_PKCS, nil)
	require.NoError(t, k.p.SignInit(k.h, m, private))
	signature, err := k.p.Sign(k.h, message)
	require.NoError(t, err)
	require.NoError(t, rsa.VerifyPKCS1v15(&pair, crypto.SHA256, digest[:], signature))
	require.NoError(t, k.p.VerifyInit(k.h, m, public))
	require.NoError(t, k.p.Verify(k.h, message, signature))
	signature[0] ^= 1
	require.NoError(t, k.p.VerifyInit(k.h, m, public))
	require.Error(t, k.p.Verify(k.h, message, signature), "a wrong signature is right")
}
