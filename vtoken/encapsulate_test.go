package vtoken_test

import (
	"bytes"
	"testing"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

var mlkem = ck.Mechanism{Type: ck.CKM_ML_KEM}

// kemPair generates an ML-KEM-768 key pair of the session.
func (w *world) kemPair(c *vtoken.Client, h ck.SessionHandle, pubExtra, privExtra ck.Template) (pub, priv ck.ObjectHandle) {
	w.t.Helper()
	pub, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_ML_KEM_KEY_PAIR_GEN},
		append(ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_ML_KEM_768)}, pubExtra...), privExtra)
	w.ok(err)
	return pub, priv
}

// Only a call that gives the ciphertext makes a key, and keys go where the
// template says.
func TestEncapsulate(t *testing.T) {
	const length = 1088
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.kemPair(c, h, nil, nil)
	room := ck.Buffer{Len: length}
	for _, buf := range []ck.Buffer{query, {Len: length - 1}} {
		out, key, err := c.EncapsulateKey(h, mlkem, pub, readableSecret, buf)
		if short := !buf.Null; (ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL) != short || out.Len != length || out.Data != nil || key != 0 {
			t.Errorf("a buffer of %d: %d bytes, key %d, %v", buf.Len, out.Len, key, err)
		}
	}
	out, ours, err := c.EncapsulateKey(h, mlkem, pub, readableSecret, room)
	w.ok(err)
	theirs, err := c.DecapsulateKey(h, mlkem, priv, with(readableSecret, onToken), out.Data)
	w.ok(err)
	if !bytes.Equal(w.bytes(c, h, ours, ck.CKA_VALUE), w.bytes(c, h, theirs, ck.CKA_VALUE)) {
		t.Error("the two keys differ")
	}
	for _, key := range []ck.ObjectHandle{ours, theirs} {
		for _, typ := range []ck.AttributeType{ck.CKA_LOCAL, ck.CKA_ALWAYS_SENSITIVE, ck.CKA_NEVER_EXTRACTABLE} {
			if v := w.bytes(c, h, key, typ); v[0] != 0 {
				t.Errorf("%v is %d", typ, v[0])
			}
		}
	}
	other, reader := w.loggedIn(ro)
	if v := w.bytes(other, reader, theirs, ck.CKA_VALUE); len(v) != 32 {
		t.Errorf("another application reads %d bytes of the key on the token", len(v))
	}
	_, err = c.DecapsulateKey(w.session(c, ro), mlkem, priv, with(readableSecret, onToken), out.Data)
	want(t, err, ck.CKR_SESSION_READ_ONLY)
	w.ok(c.Logout(h))
	_, _, err = c.EncapsulateKey(h, mlkem, pub, readableSecret, room)
	want(t, err, ck.CKR_USER_NOT_LOGGED_IN) // the new key would be private
	_, err = c.DecapsulateKey(h, mlkem, priv, readableSecret, out.Data)
	want(t, err, ck.CKR_KEY_HANDLE_INVALID) // it went with the login
}

// CKA_ENCAPSULATE_TEMPLATE and CKA_DECAPSULATE_TEMPLATE hold, and so do the uses
// of keys.
func TestEncapsulateRules(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	governed := ck.EncodeTemplate(ck.Template{flag(ck.CKA_SENSITIVE, true), ck.String(ck.CKA_ID, "shared")})
	pub, priv := w.kemPair(c, h, ck.Template{ck.Bytes(ck.CKA_ENCAPSULATE_TEMPLATE, governed)},
		ck.Template{ck.Bytes(ck.CKA_DECAPSULATE_TEMPLATE, governed)})
	room := ck.Buffer{Len: 2048}
	_, _, err := c.EncapsulateKey(h, mlkem, pub, readableSecret, room)
	want(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
	out, ours, err := c.EncapsulateKey(h, mlkem, pub, readableSecret[:3], room)
	w.ok(err)
	_, err = c.DecapsulateKey(h, mlkem, priv, readableSecret, out.Data)
	want(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
	theirs, err := c.DecapsulateKey(h, mlkem, priv, readableSecret[:3], out.Data)
	w.ok(err)
	for _, key := range []ck.ObjectHandle{ours, theirs} {
		if id := w.bytes(c, h, key, ck.CKA_ID); string(id) != "shared" {
			t.Errorf("the id is %q", id)
		}
	}
	deaf, mute := w.kemPair(c, h, ck.Template{flag(ck.CKA_ENCAPSULATE, false)}, ck.Template{flag(ck.CKA_DECAPSULATE, false)})
	_, _, err = c.EncapsulateKey(h, mlkem, deaf, readableSecret, room)
	want(t, err, ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	_, err = c.DecapsulateKey(h, mlkem, mute, readableSecret, out.Data)
	want(t, err, ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	_, _, err = c.EncapsulateKey(h, ck.Mechanism{Type: ck.CKM_ECDSA}, pub, readableSecret, room)
	want(t, err, ck.CKR_MECHANISM_INVALID)
}
