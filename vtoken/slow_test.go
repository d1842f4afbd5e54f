package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// A session is slow while an operation uses a key that takes long, and no longer.
func TestOnSlow(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	slow := map[ck.SessionHandle]bool{}
	c.OnSlow(func(h ck.SessionHandle, is bool) {
		require.NotEqual(t, is, slow[h], "told what is known")
		if slow[h] = is; !is {
			delete(slow, h)
		}
	})
	w.session(c, rw)
	rsa := func(bits uint64) ck.ObjectHandle {
		_, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, bits)}, nil)
		require.NoError(w.t, err)
		return priv
	}
	_, slhdsa, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_SLH_DSA_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_SLH_DSA_SHA2_128F)}, nil)
	require.NoError(w.t, err)
	_, ec := w.ecPair(c, h, false)
	for _, k := range []struct {
		name string
		m    ck.Mechanism
		key  ck.ObjectHandle
		slow bool
	}{
		{"HMAC", hmacMech, w.hmacKey(c, h), false},
		{"ECDSA", ecdsaMech, ec, false},
		{"HOTP", hotp, w.otpKey(c, h, false), true},
		{"RSA-2048", ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, rsa(2048), false},
		{"RSA-3072", ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, rsa(3072), true},
		{"SLH-DSA", ck.Mechanism{Type: ck.CKM_SLH_DSA}, slhdsa, true},
	} {
		want := map[ck.SessionHandle]bool{}
		if k.slow {
			want[h] = true
		}
		require.NoError(w.t, c.SignInit(h, k.m, k.key))
		require.Equal(t, want, slow, k.name)
		require.NoError(w.t, c.VerifyInit(h, hmacMech, w.hmacKey(c, h)))
		require.Equal(t, want, slow, "%s beside another operation", k.name)
		require.NoError(w.t, c.SessionCancel(h, ck.CKF_SIGN))
		require.Empty(t, slow, "%s after its end", k.name)
		require.NoError(w.t, c.SessionCancel(h, ck.CKF_VERIFY))
	}
	require.NoError(w.t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_SLH_DSA}, slhdsa))
	require.NotEmpty(t, slow)
	require.NoError(w.t, c.CloseSession(h))
	require.Empty(t, slow, "after the session")
}
