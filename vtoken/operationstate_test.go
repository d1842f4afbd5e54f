package vtoken_test

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
)

// saved is the state of a session's operations, by way of its length.
func saved(t *testing.T, c *vtoken.Client, h ck.SessionHandle) []byte {
	t.Helper()
	out, err := c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_OK, ck.CodeOf(err))
	_, err = c.GetOperationState(h, ck.Buffer{Len: out.Len - 1})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	out, err = c.GetOperationState(h, ck.Buffer{Len: out.Len})
	require.Equal(t, ck.CKR_OK, ck.CodeOf(err))
	return out.Data
}

// A digest that was duplicated goes on twice.
func TestDigestState(t *testing.T) {
	w := newWorld(t)
	c, a := w.open(ro)
	b := w.session(c, ro)
	for _, m := range []ck.MechanismType{ck.CKM_SHA_1, ck.CKM_SHA224, ck.CKM_SHA256, ck.CKM_SHA384, ck.CKM_SHA512, ck.CKM_SHA512_256} {
		require.NoError(w.t, c.DigestInit(a, ck.Mechanism{Type: m}))
		require.NoError(w.t, c.DigestUpdate(a, []byte("one ")))
		require.NoError(w.t, c.SetOperationState(b, saved(t, c, a), 0, 0))
		require.NoError(w.t, c.DigestUpdate(a, []byte("two")))
		require.NoError(w.t, c.DigestUpdate(b, []byte("two")))
		first, err := c.DigestFinal(a, big1K)
		require.NoError(w.t, err)
		second, err := c.DigestFinal(b, big1K)
		require.NoError(w.t, err)
		require.Equal(t, second.Data, first.Data, "%v: %x and %x", m, first.Data, second.Data)
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
	require.NoError(w.t, c.SignInit(a, m, priv))
	require.NoError(w.t, c.SignUpdate(a, []byte("one ")))
	state := saved(t, c, a)

	require.Equal(t, ck.CKR_KEY_CHANGED, ck.CodeOf(c.SetOperationState(b, state, 0, other)))
	require.Equal(t, ck.CKR_SAVED_STATE_INVALID, ck.CodeOf(c.SetOperationState(b, state[:len(state)-1], 0, priv)))
	require.Equal(t, ck.CKR_SAVED_STATE_INVALID, ck.CodeOf(c.SetOperationState(b, nil, 0, priv)))
	stranger, h := w.loggedIn(rw)
	require.Equal(t, ck.CKR_SAVED_STATE_INVALID, ck.CodeOf(stranger.SetOperationState(h, state, 0, priv)))

	digest := sha256.Sum256([]byte("one two"))
	for _, keys := range [][2]ck.ObjectHandle{{0, priv}, {priv, priv}, {0, 0}} {
		require.NoError(w.t, c.SetOperationState(b, state, keys[0], keys[1]))
		require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.SignInit(b, m, priv)))
		require.NoError(w.t, c.SignUpdate(b, []byte("two")))
		sig, err := c.SignFinal(b, big1K)
		require.NoError(w.t, err)
		w.verifyP256(c, a, pub, digest[:], sig.Data)
	}
	require.NoError(w.t, c.VerifyInit(b, m, pub))
	require.NoError(w.t, c.VerifyUpdate(b, []byte("one ")))
	verifying := saved(t, c, b)
	require.NoError(w.t, c.SignUpdate(a, []byte("two")))
	sig, err := c.SignFinal(a, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.SetOperationState(a, verifying, 0, pub))
	require.NoError(w.t, c.VerifyUpdate(a, []byte("two")))
	require.NoError(w.t, c.VerifyFinal(a, sig.Data))

	require.NoError(w.t, c.DestroyObject(a, priv))
	require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(c.SetOperationState(a, state, 0, 0)))
}

// The state of a logged-out session's operation is no way back to its key.
func TestStateAfterLogout(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	require.NoError(w.t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, priv))
	require.NoError(w.t, c.SignUpdate(h, []byte("data")))
	state := saved(t, c, h)
	require.NoError(w.t, c.Logout(h))
	_, err := c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.SetOperationState(h, state, 0, priv)))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.SignUpdate(h, nil)))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.NoError(w.t, c.SetOperationState(h, state, 0, priv))
	_, err = c.SignFinal(h, big1K)
	require.Equal(t, ck.CKR_OK, ck.CodeOf(err))
}

// What cannot be saved says so.
func TestUnsaveableState(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, err := c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	key := w.aes(c, h, ck.Bool(ck.CKA_ENCRYPT, true))
	cbc := ck.Mechanism{Type: ck.CKM_AES_CBC, Parameter: ck.RawParameter(make([]byte, 16))}
	require.NoError(w.t, c.EncryptInit(h, cbc, key))
	_, err = c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
	require.NoError(w.t, c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}))
	_, err = c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
	require.NoError(w.t, c.SessionCancel(h, ck.CKF_ENCRYPT))
	state := saved(t, c, h)
	require.Equal(t, ck.CKR_KEY_NOT_NEEDED, ck.CodeOf(c.SetOperationState(h, state, 0, key)))

	hmac, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
	require.NoError(w.t, err)
	require.NoError(w.t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, hmac))
	_, err = c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
}

// An operation with a key that asks for the PIN at each use is not saved: before the PIN was given,
// after, and where the login stood for it. It goes on as before.
func TestStateOfKeysThatAsk(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true, ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true))
	m := ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}
	unsaveable := func() {
		t.Helper()
		_, err := c.GetOperationState(h, query)
		require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
	}
	for _, asked := range []bool{false, true} {
		require.NoError(t, c.SignInit(h, m, priv))
		unsaveable()
		if asked {
			require.NoError(t, c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
			unsaveable()
		}
		require.NoError(t, c.SignUpdate(h, []byte("data")))
		unsaveable()
		_, err := c.SignFinal(h, big1K)
		require.NoError(t, err)
	}
}

// Every signature and verification is saved and goes on in another session, or says that it cannot
// be: none is saved that comes to another end.
func TestEveryOperationState(t *testing.T) {
	b := newBench(t)
	c, h := b.c, b.h
	other := b.session(c, rw)
	saved, unsaveable := 0, 0
	for _, m := range mech.List() {
		d, _ := mech.Lookup(m)
		if !d.Info().Flags.Has(ck.CKF_SIGN|ck.CKF_VERIFY) || d.Stateful {
			continue
		}
		var key, pair ck.ObjectHandle
		var used ck.Mechanism
		for i, k := range b.keys { // a public key stands two before its private one
			pair = k.h
			if k.class == ck.CKO_PRIVATE_KEY {
				pair = b.keys[i-2].h
			}
			if begin(m, func(m ck.Mechanism) error { used = m; return c.SignInit(h, m, k.h) }) {
				key = k.h
				break
			}
		}
		require.NotZero(t, key, "%v: nothing begins", m)
		data := inputOf(d)
		require.NoError(t, c.SignUpdate(h, data[:8]), "%v", m)
		out, err := c.GetOperationState(h, ck.Buffer{Len: 1 << 20})
		if err != nil {
			require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err), "%v", m)
			require.NoError(t, c.SessionCancel(h, everyOperation))
			unsaveable++
			continue
		}
		saved++
		for range 2 {
			require.NoError(t, c.SetOperationState(other, out.Data, 0, 0), "%v", m)
			require.NoError(t, c.SignUpdate(other, data[8:]), "%v", m)
			signature, err := c.SignFinal(other, ck.Buffer{Len: 1 << 20})
			require.NoError(t, err, "%v", m)
			require.NoError(t, c.VerifyInit(other, used, pair), "%v", m)
			require.NoError(t, c.VerifyUpdate(other, data[:8]), "%v", m)
			verifying, err := c.GetOperationState(other, ck.Buffer{Len: 1 << 20})
			require.NoError(t, err, "%v verifying", m)
			require.NoError(t, c.SessionCancel(other, everyOperation))
			require.NoError(t, c.SetOperationState(other, verifying.Data, 0, pair), "%v", m)
			require.NoError(t, c.VerifyUpdate(other, data[8:]), "%v", m)
			require.NoError(t, c.VerifyFinal(other, signature.Data), "%v", m)
		}
		require.NoError(t, c.SessionCancel(h, everyOperation))
	}
	require.Greater(t, saved, 20)
	require.Greater(t, unsaveable, 20)
}

// A state that one answer does not hold cannot be saved, and the operation goes on.
func TestStateThatIsTooLarge(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pair := ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, []byte("\x13\x0cedwards25519"))}
	_, ed, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN}, pair, nil)
	require.NoError(t, err)
	require.NoError(t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_EDDSA}, ed))
	require.NoError(t, c.SignUpdate(h, make([]byte, 1<<20)))
	_, err = c.GetOperationState(h, query)
	require.NoError(t, err)
	require.NoError(t, c.SignUpdate(h, make([]byte, mech.MaxGCM)))
	_, err = c.GetOperationState(h, query)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
	_, err = c.SignFinal(h, big1K)
	require.NoError(t, err)
}
