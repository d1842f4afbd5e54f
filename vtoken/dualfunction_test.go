package vtoken_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

type dualFunc func(h ck.SessionHandle, in []byte, buf ck.Buffer) (ck.Output, error)

// dualWorld is a session with an AES key and an HMAC key.
func dualWorld(t *testing.T) (w *world, c *vtoken.Client, h ck.SessionHandle, aes, mac ck.ObjectHandle) {
	w = newWorld(t)
	c, h = w.loggedIn(rw)
	aes = w.aes(c, h)
	mac, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
	require.NoError(w.t, err)
	return w, c, h, aes, mac
}

var (
	cbcMech  = ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(make([]byte, 16))}
	hmacMech = ck.Mechanism{Type: ck.CKM_SHA256_HMAC}
	sha256M  = ck.Mechanism{Type: ck.CKM_SHA256}
)

// What is encrypted and digested in one go is decrypted and digested in one go,
// over pieces that do not end with a block.
func TestDualDigest(t *testing.T) {
	w, c, h, aes, _ := dualWorld(t)
	plain := bytes.Repeat([]byte("dual"), 64)
	require.NoError(w.t, c.EncryptInit(h, cbcMech, aes))
	require.NoError(w.t, c.DigestInit(h, sha256M))
	enc := w.inPieces(c.DigestEncryptUpdate, h, plain)
	_, err := c.EncryptFinal(h, big1K)
	require.NoError(w.t, err)
	w.wantDigest(c, h, plain)
	require.NoError(w.t, c.DecryptInit(h, cbcMech, aes))
	require.NoError(w.t, c.DigestInit(h, sha256M))
	if dec := w.inPieces(c.DecryptDigestUpdate, h, enc); !bytes.Equal(dec, plain) {
		t.Fatalf("decrypted %q", dec)
	}
	_, err = c.DecryptFinal(h, big1K)
	require.NoError(w.t, err)
	w.wantDigest(c, h, plain)
}

func (w *world) inPieces(f dualFunc, h ck.SessionHandle, in []byte) (out []byte) {
	w.t.Helper()
	for piece := 1; len(in) > 0; piece += 5 {
		n := min(piece, len(in))
		o, err := f(h, in[:n], big1K)
		require.NoError(w.t, err)
		out, in = append(out, o.Data...), in[n:]
	}
	return out
}

func (w *world) wantDigest(c *vtoken.Client, h ck.SessionHandle, of []byte) {
	w.t.Helper()
	out, err := c.DigestFinal(h, big1K)
	require.NoError(w.t, err)
	if sum := sha256.Sum256(of); !bytes.Equal(out.Data, sum[:]) {
		w.t.Fatalf("digest %x, want %x", out.Data, sum)
	}
}

// What is encrypted and signed in one go is decrypted and verified in one go.
func TestDualSignature(t *testing.T) {
	w, c, h, aes, mac := dualWorld(t)
	plain := bytes.Repeat([]byte("dual"), 64)
	require.NoError(w.t, c.EncryptInit(h, cbcMech, aes))
	require.NoError(w.t, c.SignInit(h, hmacMech, mac))
	enc := w.inPieces(c.SignEncryptUpdate, h, plain)
	sig, err := c.SignFinal(h, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.SessionCancel(h, ck.CKF_ENCRYPT))
	require.NoError(w.t, c.DecryptInit(h, cbcMech, aes))
	require.NoError(w.t, c.VerifyInit(h, hmacMech, mac))
	w.inPieces(c.DecryptVerifyUpdate, h, enc)
	require.NoError(w.t, c.VerifyFinal(h, sig.Data))
}

// A dual call needs both operations; a short buffer changes neither, another
// error ends both, also that one of them is missing.
func TestDualErrors(t *testing.T) {
	w, c, h, aes, mac := dualWorld(t)
	in := make([]byte, 32)
	for _, d := range []struct {
		f        dualFunc
		init     func() error
		second   func() error
		finished func() error
	}{
		{c.DigestEncryptUpdate, func() error { return c.EncryptInit(h, cbcMech, aes) },
			func() error { return c.DigestInit(h, sha256M) }, func() error { return c.DigestUpdate(h, nil) }},
		{c.DecryptDigestUpdate, func() error { return c.DecryptInit(h, cbcMech, aes) },
			func() error { return c.DigestInit(h, sha256M) }, func() error { return c.DigestUpdate(h, nil) }},
		{c.SignEncryptUpdate, func() error { return c.EncryptInit(h, cbcMech, aes) },
			func() error { return c.SignInit(h, hmacMech, mac) }, func() error { return c.SignUpdate(h, nil) }},
		{c.DecryptVerifyUpdate, func() error { return c.DecryptInit(h, cbcMech, aes) },
			func() error { return c.VerifyInit(h, hmacMech, mac) }, func() error { return c.VerifyUpdate(h, nil) }},
	} {
		_, err := d.f(h, in, big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
		require.NoError(w.t, d.init())
		_, err = d.f(h, in, big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
		require.NoError(w.t, d.init(), "the one that was there has ended")
		require.NoError(w.t, d.second())
		out, err := d.f(h, in, query)
		require.NoError(w.t, err)
		_, err = d.f(h, in, ck.Buffer{Len: out.Len - 1})
		require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
		out, err = d.f(h, in, ck.Buffer{Len: out.Len})
		require.NoError(w.t, err)
		require.Len(t, out.Data, 32, "%d bytes", len(out.Data))
		require.NoError(w.t, d.finished())
		require.NoError(w.t, c.DestroyObject(h, aes))
		_, err = d.f(h, in, big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
		aes = w.aes(c, h)
		require.NoError(w.t, c.SessionCancel(h, ck.CKF_DIGEST|ck.CKF_SIGN|ck.CKF_VERIFY|ck.CKF_ENCRYPT|ck.CKF_DECRYPT))
	}
}
