package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

var mlkem = ck.Mechanism{Type: ck.CKM_ML_KEM}

// kemPair generates an ML-KEM-768 key pair of the session.
func (w *world) kemPair(c *vtoken.Client, h ck.SessionHandle, pubExtra, privExtra ck.Template) (pub, priv ck.ObjectHandle) {
	w.t.Helper()
	pub, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_ML_KEM_KEY_PAIR_GEN},
		append(ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_ML_KEM_768)}, pubExtra...), privExtra)
	require.NoError(w.t, err)
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
	require.NoError(w.t, err)
	theirs, err := c.DecapsulateKey(h, mlkem, priv, with(readableSecret, onToken), out.Data)
	require.NoError(w.t, err)
	require.Equal(t, w.bytes(c, h, theirs, ck.CKA_VALUE), w.bytes(c, h, ours, ck.CKA_VALUE), "the two keys differ")
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
	require.Equal(t, ck.CKR_SESSION_READ_ONLY, ck.CodeOf(err))
	require.NoError(w.t, c.Logout(h))
	_, _, err = c.EncapsulateKey(h, mlkem, pub, with(readableSecret, private), room)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
	_, ours, err = c.EncapsulateKey(h, mlkem, pub, readableSecret, room)
	require.NoError(t, err)
	require.Equal(t, []byte{0}, w.bytes(c, h, ours, ck.CKA_PRIVATE), "made without a login")
	_, err = c.DecapsulateKey(h, mlkem, priv, readableSecret, out.Data)
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(err)) // it went with the login
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
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	out, ours, err := c.EncapsulateKey(h, mlkem, pub, readableSecret[:3], room)
	require.NoError(w.t, err)
	_, err = c.DecapsulateKey(h, mlkem, priv, readableSecret, out.Data)
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	theirs, err := c.DecapsulateKey(h, mlkem, priv, readableSecret[:3], out.Data)
	require.NoError(w.t, err)
	for _, key := range []ck.ObjectHandle{ours, theirs} {
		if id := w.bytes(c, h, key, ck.CKA_ID); string(id) != "shared" {
			t.Errorf("the id is %q", id)
		}
	}
	deaf, mute := w.kemPair(c, h, ck.Template{flag(ck.CKA_ENCAPSULATE, false)}, ck.Template{flag(ck.CKA_DECAPSULATE, false)})
	_, _, err = c.EncapsulateKey(h, mlkem, deaf, readableSecret, room)
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(err))
	_, err = c.DecapsulateKey(h, mlkem, mute, readableSecret, out.Data)
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(err))
	_, _, err = c.EncapsulateKey(h, ck.Mechanism{Type: ck.CKM_ECDSA}, pub, readableSecret, room)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
}
