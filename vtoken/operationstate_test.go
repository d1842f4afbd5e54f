package vtoken_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// saved is the state of a session's operations, by way of its length.
func saved(t *testing.T, c *vtoken.Client, h ck.SessionHandle) []byte {
	t.Helper()
	out, err := c.GetOperationState(h, query)
	want(t, err, ck.CKR_OK)
	_, err = c.GetOperationState(h, ck.Buffer{Len: out.Len - 1})
	want(t, err, ck.CKR_BUFFER_TOO_SMALL)
	out, err = c.GetOperationState(h, ck.Buffer{Len: out.Len})
	want(t, err, ck.CKR_OK)
	return out.Data
}

// A digest that was duplicated goes on twice.
func TestDigestState(t *testing.T) {
	w := newWorld(t)
	c, a := w.open(ro)
	b := w.session(c, ro)
	for _, m := range []ck.MechanismType{ck.CKM_SHA_1, ck.CKM_SHA224, ck.CKM_SHA256, ck.CKM_SHA384, ck.CKM_SHA512, ck.CKM_SHA512_256} {
		w.ok(c.DigestInit(a, ck.Mechanism{Type: m}))
		w.ok(c.DigestUpdate(a, []byte("one ")))
		w.ok(c.SetOperationState(b, saved(t, c, a), 0, 0))
		w.ok(c.DigestUpdate(a, []byte("two")))
		w.ok(c.DigestUpdate(b, []byte("two")))
		first, err := c.DigestFinal(a, big1K)
		w.ok(err)
		second, err := c.DigestFinal(b, big1K)
		w.ok(err)
		if !bytes.Equal(first.Data, second.Data) {
			t.Errorf("%v: %x and %x", m, first.Data, second.Data)
		}
	}
}

// A signature goes on in another session, and the state is bound to its key, to
// the application and to the token.
func TestSignatureState(t *testing.T) {
	w := newWorld(t)
	c, a := w.loggedIn(rw)
	b := w.session(c, rw)
	pub, priv := w.ecPair(c, a, false)
	_, other := w.ecPair(c, a, false)
	m := ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}
	w.ok(c.SignInit(a, m, priv))
	w.ok(c.SignUpdate(a, []byte("one ")))
	state := saved(t, c, a)

	want(t, c.SetOperationState(b, state, 0, other), ck.CKR_KEY_CHANGED)
	want(t, c.SetOperationState(b, state[:len(state)-1], 0, priv), ck.CKR_SAVED_STATE_INVALID)
	want(t, c.SetOperationState(b, nil, 0, priv), ck.CKR_SAVED_STATE_INVALID)
	stranger, h := w.loggedIn(rw)
	want(t, stranger.SetOperationState(h, state, 0, priv), ck.CKR_SAVED_STATE_INVALID)

	digest := sha256.Sum256([]byte("one two"))
	for _, keys := range [][2]ck.ObjectHandle{{0, priv}, {priv, priv}, {0, 0}} {
		w.ok(c.SetOperationState(b, state, keys[0], keys[1]))
		want(t, c.SignInit(b, m, priv), ck.CKR_OPERATION_ACTIVE)
		w.ok(c.SignUpdate(b, []byte("two")))
		sig, err := c.SignFinal(b, big1K)
		w.ok(err)
		w.verifyP256(c, a, pub, digest[:], sig.Data)
	}
	w.ok(c.VerifyInit(b, m, pub))
	w.ok(c.VerifyUpdate(b, []byte("one ")))
	verifying := saved(t, c, b)
	w.ok(c.SignUpdate(a, []byte("two")))
	sig, err := c.SignFinal(a, big1K)
	w.ok(err)
	w.ok(c.SetOperationState(a, verifying, 0, pub))
	w.ok(c.VerifyUpdate(a, []byte("two")))
	w.ok(c.VerifyFinal(a, sig.Data))

	w.ok(c.DestroyObject(a, priv))
	want(t, c.SetOperationState(a, state, 0, 0), ck.CKR_KEY_HANDLE_INVALID)
}

// The state of a logged-out session's operation is no way back to its key.
func TestStateAfterLogout(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	w.ok(c.SignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, priv))
	w.ok(c.SignUpdate(h, []byte("data")))
	state := saved(t, c, h)
	w.ok(c.Logout(h))
	_, err := c.GetOperationState(h, query)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	want(t, c.SetOperationState(h, state, 0, priv), ck.CKR_USER_NOT_LOGGED_IN)
	want(t, c.SignUpdate(h, nil), ck.CKR_OPERATION_NOT_INITIALIZED)
	w.ok(c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	w.ok(c.SetOperationState(h, state, 0, priv))
	_, err = c.SignFinal(h, big1K)
	want(t, err, ck.CKR_OK)
}

// What cannot be saved says so.
func TestUnsaveableState(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, err := c.GetOperationState(h, query)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	key := w.aes(c, h, ck.Bool(ck.CKA_ENCRYPT, true))
	cbc := ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(make([]byte, 16))}
	w.ok(c.EncryptInit(h, cbc, key))
	_, err = c.GetOperationState(h, query)
	want(t, err, ck.CKR_STATE_UNSAVEABLE)
	w.ok(c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}))
	_, err = c.GetOperationState(h, query)
	want(t, err, ck.CKR_STATE_UNSAVEABLE)
	w.ok(c.SessionCancel(h, ck.CKF_ENCRYPT))
	state := saved(t, c, h)
	want(t, c.SetOperationState(h, state, 0, key), ck.CKR_KEY_NOT_NEEDED)

	hmac, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
	w.ok(err)
	w.ok(c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, hmac))
	_, err = c.GetOperationState(h, query)
	want(t, err, ck.CKR_STATE_UNSAVEABLE)
}
