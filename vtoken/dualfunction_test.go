package vtoken_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

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
	w.ok(err)
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
	w.ok(c.EncryptInit(h, cbcMech, aes))
	w.ok(c.DigestInit(h, sha256M))
	enc := w.inPieces(c.DigestEncryptUpdate, h, plain)
	_, err := c.EncryptFinal(h, big1K)
	w.ok(err)
	w.wantDigest(c, h, plain)
	w.ok(c.DecryptInit(h, cbcMech, aes))
	w.ok(c.DigestInit(h, sha256M))
	if dec := w.inPieces(c.DecryptDigestUpdate, h, enc); !bytes.Equal(dec, plain) {
		t.Fatalf("decrypted %q", dec)
	}
	_, err = c.DecryptFinal(h, big1K)
	w.ok(err)
	w.wantDigest(c, h, plain)
}

func (w *world) inPieces(f dualFunc, h ck.SessionHandle, in []byte) (out []byte) {
	w.t.Helper()
	for piece := 1; len(in) > 0; piece += 5 {
		n := min(piece, len(in))
		o, err := f(h, in[:n], big1K)
		w.ok(err)
		out, in = append(out, o.Data...), in[n:]
	}
	return out
}

func (w *world) wantDigest(c *vtoken.Client, h ck.SessionHandle, of []byte) {
	w.t.Helper()
	out, err := c.DigestFinal(h, big1K)
	w.ok(err)
	if sum := sha256.Sum256(of); !bytes.Equal(out.Data, sum[:]) {
		w.t.Fatalf("digest %x, want %x", out.Data, sum)
	}
}

// What is encrypted and signed in one go is decrypted and verified in one go.
func TestDualSignature(t *testing.T) {
	w, c, h, aes, mac := dualWorld(t)
	plain := bytes.Repeat([]byte("dual"), 64)
	w.ok(c.EncryptInit(h, cbcMech, aes))
	w.ok(c.SignInit(h, hmacMech, mac))
	enc := w.inPieces(c.SignEncryptUpdate, h, plain)
	sig, err := c.SignFinal(h, big1K)
	w.ok(err)
	w.ok(c.SessionCancel(h, ck.CKF_ENCRYPT))
	w.ok(c.DecryptInit(h, cbcMech, aes))
	w.ok(c.VerifyInit(h, hmacMech, mac))
	w.inPieces(c.DecryptVerifyUpdate, h, enc)
	w.ok(c.VerifyFinal(h, sig.Data))
}

// A dual call needs both operations; a short buffer changes neither, another
// error ends both.
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
		want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
		w.ok(d.init())
		_, err = d.f(h, in, big1K)
		want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
		w.ok(d.second())
		out, err := d.f(h, in, query)
		w.ok(err)
		_, err = d.f(h, in, ck.Buffer{Len: out.Len - 1})
		want(t, err, ck.CKR_BUFFER_TOO_SMALL)
		out, err = d.f(h, in, ck.Buffer{Len: out.Len})
		w.ok(err)
		if len(out.Data) != 32 {
			t.Fatalf("%d bytes", len(out.Data))
		}
		w.ok(d.finished())
		w.ok(c.DestroyObject(h, aes))
		_, err = d.f(h, in, big1K)
		want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
		aes = w.aes(c, h)
		w.ok(c.SessionCancel(h, ck.CKF_DIGEST|ck.CKF_SIGN|ck.CKF_VERIFY|ck.CKF_ENCRYPT|ck.CKF_DECRYPT))
	}
}
