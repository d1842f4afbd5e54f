package vtoken_test

import (
	"testing"

	"vtoken/vtoken/ck"
)

// A session is heavy while an operation uses a key that takes long, and no longer.
func TestHeavy(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	other := w.session(c, rw)
	rsa := func(bits uint64) ck.ObjectHandle {
		_, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, bits)}, nil)
		w.ok(err)
		return priv
	}
	_, slow, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_SLH_DSA_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_SLH_DSA_SHA2_128F)}, nil)
	w.ok(err)
	_, ec := w.ecPair(c, h, false)
	for _, k := range []struct {
		name  string
		m     ck.Mechanism
		key   ck.ObjectHandle
		heavy bool
	}{
		{"HMAC", hmacMech, w.hmacKey(c, h), false},
		{"ECDSA", ecdsaMech, ec, false},
		{"HOTP", hotp, w.otpKey(c, h, false), true},
		{"RSA-2048", ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, rsa(2048), false},
		{"RSA-3072", ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, rsa(3072), true},
		{"SLH-DSA", ck.Mechanism{Type: ck.CKM_SLH_DSA}, slow, true},
	} {
		w.ok(c.SignInit(h, k.m, k.key))
		if c.Heavy(h) != k.heavy || c.Heavy(other) {
			t.Errorf("%s: heavy is %t, and of another session %t", k.name, c.Heavy(h), c.Heavy(other))
		}
		w.ok(c.SessionCancel(h, ck.CKF_SIGN))
		if c.Heavy(h) {
			t.Errorf("%s: heavy after its end", k.name)
		}
	}
	if c.Heavy(1 << 40) {
		t.Error("no session is heavy")
	}
}

// What is asked before each signature.
func BenchmarkHeavy(b *testing.B) {
	w := newWorld(b)
	c, h := w.loggedIn(rw)
	_, ec := w.ecPair(c, h, false)
	w.ok(c.SignInit(h, ecdsaMech, ec))
	for b.Loop() {
		c.Heavy(h)
	}
}
