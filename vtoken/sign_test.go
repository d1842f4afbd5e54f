package vtoken_test

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

var ecdsaMech = ck.Mechanism{Type: ck.CKM_ECDSA}

// The way of a C_Sign: one key made, used with every form of the call, and what
// it signs is right by Go's own verification.
func TestSign(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, true)
	digest := sha256.Sum256([]byte("message"))

	_, err := c.Sign(h, digest[:], big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.SignInit(h, ecdsaMech, priv)))
	out, err := c.Sign(h, digest[:], query)
	require.NoError(w.t, err)
	if out.Len != 64 || out.Data != nil {
		t.Fatalf("query answers %d bytes and data %v", out.Len, out.Data != nil)
	}
	out, err = c.Sign(h, digest[:], ck.Buffer{Len: 63})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	if out.Len != 64 || out.Data != nil {
		t.Fatalf("a short buffer answers %d bytes and data %v", out.Len, out.Data != nil)
	}
	out, err = c.Sign(h, digest[:], ck.Buffer{Len: 64})
	require.NoError(w.t, err)
	w.verifyP256(c, h, pub, digest[:], out.Data)
	_, err = c.Sign(h, digest[:], big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))

	require.NoError(w.t, c.VerifyInit(h, ecdsaMech, pub))
	require.NoError(w.t, c.Verify(h, digest[:], out.Data))
	require.NoError(w.t, c.VerifyInit(h, ecdsaMech, pub))
	require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(c.Verify(h, digest[:], out.Data[:63])))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.Verify(h, digest[:], out.Data)))
	out.Data[0] ^= 1
	require.NoError(w.t, c.VerifyInit(h, ecdsaMech, pub))
	require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(c.Verify(h, digest[:], out.Data)))
}

func TestSignInParts(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false)
	m := ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}
	digest := sha256.Sum256([]byte("message"))

	require.NoError(w.t, c.SignInit(h, m, priv))
	require.NoError(w.t, c.SignUpdate(h, []byte("mes")))
	_, err := c.Sign(h, []byte("sage"), big1K)
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.SignUpdate(h, []byte("sage"))))
	require.NoError(w.t, c.SignInit(h, m, priv))
	require.NoError(w.t, c.SignUpdate(h, []byte("mes")))
	require.NoError(w.t, c.SignUpdate(h, []byte("sage")))
	_, err = c.SignFinal(h, ck.Buffer{Len: 1})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err := c.SignFinal(h, big1K)
	require.NoError(w.t, err)
	w.verifyP256(c, h, pub, digest[:], out.Data)

	require.NoError(w.t, c.VerifyInit(h, m, pub))
	require.NoError(w.t, c.VerifyUpdate(h, []byte("mess")))
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.Verify(h, nil, out.Data)))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.VerifyUpdate(h, []byte("age"))))
	require.NoError(w.t, c.VerifyInit(h, m, pub))
	require.NoError(w.t, c.VerifyUpdate(h, []byte("mess")))
	require.NoError(w.t, c.VerifyUpdate(h, []byte("age")))
	require.NoError(w.t, c.VerifyFinal(h, out.Data))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.VerifyFinal(h, out.Data)))
}
