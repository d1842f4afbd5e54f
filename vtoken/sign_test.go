package vtoken_test

import (
	"crypto/sha256"
	"testing"

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
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	w.ok(c.SignInit(h, ecdsaMech, priv))
	want(t, c.SignInit(h, ecdsaMech, priv), ck.CKR_OPERATION_ACTIVE)
	out, err := c.Sign(h, digest[:], query)
	w.ok(err)
	if out.Len != 64 || out.Data != nil {
		t.Fatalf("query answers %d bytes and data %v", out.Len, out.Data != nil)
	}
	out, err = c.Sign(h, digest[:], ck.Buffer{Len: 63})
	want(t, err, ck.CKR_BUFFER_TOO_SMALL)
	if out.Len != 64 || out.Data != nil {
		t.Fatalf("a short buffer answers %d bytes and data %v", out.Len, out.Data != nil)
	}
	out, err = c.Sign(h, digest[:], ck.Buffer{Len: 64})
	w.ok(err)
	w.verifyP256(c, h, pub, digest[:], out.Data)
	_, err = c.Sign(h, digest[:], big1K)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)

	w.ok(c.VerifyInit(h, ecdsaMech, pub))
	w.ok(c.Verify(h, digest[:], out.Data))
	w.ok(c.VerifyInit(h, ecdsaMech, pub))
	want(t, c.Verify(h, digest[:], out.Data[:63]), ck.CKR_SIGNATURE_LEN_RANGE)
	want(t, c.Verify(h, digest[:], out.Data), ck.CKR_OPERATION_NOT_INITIALIZED)
	out.Data[0] ^= 1
	w.ok(c.VerifyInit(h, ecdsaMech, pub))
	want(t, c.Verify(h, digest[:], out.Data), ck.CKR_SIGNATURE_INVALID)
}

func TestSignInParts(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false)
	m := ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}
	digest := sha256.Sum256([]byte("message"))

	w.ok(c.SignInit(h, m, priv))
	w.ok(c.SignUpdate(h, []byte("mes")))
	_, err := c.Sign(h, []byte("sage"), big1K)
	want(t, err, ck.CKR_OPERATION_ACTIVE)
	w.ok(c.SignUpdate(h, []byte("sage")))
	_, err = c.SignFinal(h, ck.Buffer{Len: 1})
	want(t, err, ck.CKR_BUFFER_TOO_SMALL)
	out, err := c.SignFinal(h, big1K)
	w.ok(err)
	w.verifyP256(c, h, pub, digest[:], out.Data)

	w.ok(c.VerifyInit(h, m, pub))
	w.ok(c.VerifyUpdate(h, []byte("mess")))
	want(t, c.Verify(h, nil, out.Data), ck.CKR_OPERATION_ACTIVE)
	w.ok(c.VerifyUpdate(h, []byte("age")))
	w.ok(c.VerifyFinal(h, out.Data))
	want(t, c.VerifyFinal(h, out.Data), ck.CKR_OPERATION_NOT_INITIALIZED)
}
