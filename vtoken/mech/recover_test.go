package mech_test

import (
	"bytes"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"

	"github.com/stretchr/testify/require"
)

func signRecover(t *testing.T, m ck.MechanismType, k *mech.Key, data []byte) []byte {
	t.Helper()
	s, err := lookup(t, m).SignRecover(k, nil)
	require.NoError(t, err)
	require.NoError(t, s.Update(data))
	signature, err := s.Final()
	require.NoError(t, err)
	return signature
}

func TestRecover(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	for _, data := range [][]byte{nil, {0}, []byte("data"), random(245)} {
		sig := signRecover(t, ck.CKM_RSA_PKCS, priv, data)
		if err := verify(t, ck.CKM_RSA_PKCS, pub, nil, sig, data); err != nil {
			t.Errorf("a signature with recovery is none without: %v", err)
		}
		start := lookup(t, ck.CKM_RSA_PKCS).VerifyRecover
		if got := mustRun(t, start, pub, nil, sig); !bytes.Equal(got, data) {
			t.Errorf("%d bytes are recovered as %d", len(data), len(got))
		}
		_, err := run(t, start, pub, nil, sig[1:])
		require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(err))
		bad := bytes.Clone(sig)
		bad[100] ^= 4
		_, err = run(t, start, pub, nil, bad)
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(err))
		_, err = run(t, start, pub, nil, bytes.Repeat([]byte{0xff}, 256))
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(err))
	}
	raw := lookup(t, ck.CKM_RSA_X_509)
	number := append([]byte{0}, random(255)...)
	got := mustRun(t, raw.VerifyRecover, pub, nil, signRecover(t, ck.CKM_RSA_X_509, priv, number))
	require.Equal(t, number, got, "the bare number is not recovered")
	_, err := raw.VerifyRecover(priv, nil)
	require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	_, err = raw.VerifyRecover(pub, ck.RawParameter{1})
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
}

// Padding of PKCS #1 v1.5 that a forger would like to see taken: too short, of
// other bytes, for encryption, without an end.
func TestRecoverRefusesBadPadding(t *testing.T) {
	r := testRSA()
	priv, pub := privateKey(t, r), publicKey(t, &r.PublicKey)
	padded := func(front []byte, ff int, end ...byte) []byte {
		em := make([]byte, 256)
		copy(em, front)
		n := len(front) + copy(em[len(front):], bytes.Repeat([]byte{0xff}, ff))
		copy(em[n:], end)
		for i := n + len(end); i < len(em); i++ {
			em[i] = 7
		}
		return em
	}
	for _, em := range [][]byte{
		padded([]byte{0, 1}, 7, 0), padded([]byte{0, 1}, 20, 9, 0), padded([]byte{0, 2}, 20, 0),
		padded([]byte{0, 1}, 254), padded([]byte{0, 0, 1}, 20, 0), padded([]byte{0, 1}, 0, 0),
	} {
		sig := signRecover(t, ck.CKM_RSA_X_509, priv, em)
		_, err := run(t, lookup(t, ck.CKM_RSA_PKCS).VerifyRecover, pub, nil, sig)
		require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(err))
	}
}
