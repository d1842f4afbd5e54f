package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

var ecdsaSHA256 = ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}

// One operation signs and verifies any number of messages, whole ones and parts,
// and no mistake about one message ends it.
func TestMessages(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false)
	require.NoError(w.t, c.MessageSignInit(h, ecdsaSHA256, priv))
	require.NoError(w.t, c.MessageVerifyInit(h, ecdsaSHA256, pub))
	var signatures [][]byte
	for _, text := range []string{"one", "two"} {
		out, err := c.SignMessage(h, nil, []byte(text), query)
		require.NoError(w.t, err)
		_, err = c.SignMessage(h, nil, []byte(text), ck.Buffer{Len: out.Len - 1})
		require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
		out, err = c.SignMessage(h, nil, []byte(text), ck.Buffer{Len: out.Len})
		require.NoError(w.t, err)
		signatures = append(signatures, out.Data)
	}
	require.NoError(w.t, c.SignMessageBegin(h, nil))
	_, err := c.SignMessageNext(h, nil, []byte("th"), false, query)
	require.NoError(w.t, err)
	_, err = c.SignMessageNext(h, nil, []byte("ree"), true, query)
	require.NoError(w.t, err) // the length alone, and nothing was taken in
	out, err := c.SignMessageNext(h, nil, []byte("ree"), true, big1K)
	require.NoError(w.t, err)
	signatures = append(signatures, out.Data)

	require.NoError(w.t, c.VerifyMessage(h, nil, []byte("one"), signatures[0]))
	require.Equal(t, ck.CKR_SIGNATURE_INVALID, ck.CodeOf(c.VerifyMessage(h, nil, []byte("one"), signatures[1])))
	require.Equal(t, ck.CKR_SIGNATURE_LEN_RANGE, ck.CodeOf(c.VerifyMessage(h, nil, []byte("one"), signatures[0][1:])))
	require.NoError(w.t, c.VerifyMessage(h, nil, []byte("two"), signatures[1]))
	require.NoError(w.t, c.VerifyMessageBegin(h, nil))
	require.NoError(w.t, c.VerifyMessageNext(h, nil, []byte("thr"), nil))
	require.NoError(w.t, c.VerifyMessageNext(h, nil, []byte("ee"), signatures[2]))
	require.NoError(w.t, c.MessageSignFinal(h))
	require.NoError(w.t, c.MessageVerifyFinal(h))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.MessageSignFinal(h)))
}

func TestMessagesInWrongOrder(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, false)
	_, err := c.SignMessage(h, nil, nil, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.SignMessageBegin(h, nil)))
	require.NoError(w.t, c.MessageSignInit(h, ecdsaSHA256, priv))
	require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.MessageSignInit(h, ecdsaSHA256, priv)))
	require.NoError(w.t, c.SignInit(h, ecdsaSHA256, priv)) // an operation of another kind
	_, err = c.SignMessageNext(h, nil, nil, false, query)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	_, err = c.SignMessage(h, []byte{1}, nil, big1K)
	require.Equal(t, ck.CKR_MECHANISM_PARAM_INVALID, ck.CodeOf(err))
	for name, bad := range map[string]func() error{
		"one part":  func() error { return errorOf(c.SignMessage(h, nil, nil, big1K)) },
		"parameter": func() error { return errorOf(c.SignMessageNext(h, []byte{1}, nil, true, big1K)) },
		"elsewhere": func() error { return failing(c.EndAfterError(h, ck.CKF_MESSAGE_SIGN)) },
	} {
		require.NoError(w.t, c.SignMessageBegin(h, nil))
		require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(c.SignMessageBegin(h, nil)))
		require.Error(t, bad(), name)
		_, err = c.SignMessageNext(h, nil, nil, true, big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), name)
		_, err = c.SignMessage(h, nil, []byte("the next message"), big1K)
		require.NoError(t, err, name)
	}
	_, err = c.GetOperationState(h, big1K)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
	require.NoError(w.t, c.SessionCancel(h, ck.CKF_MESSAGE_SIGN))
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.MessageSignFinal(h)))
	_, err = c.Sign(h, []byte("x"), big1K)
	require.NoError(w.t, err) // was not cancelled

	// Too much data for CKM_ECDSA ends the message, and the next one begins anew.
	require.NoError(w.t, c.MessageSignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA}, priv))
	require.NoError(w.t, c.SignMessageBegin(h, nil))
	_, err = c.SignMessageNext(h, nil, make([]byte, 1<<17), true, big1K)
	require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(err))
	_, err = c.SignMessage(h, nil, make([]byte, 32), big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.Logout(h))
	_, err = c.SignMessage(h, nil, make([]byte, 32), big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
}

// A key with CKA_ALWAYS_AUTHENTICATE asks for the PIN at each message.
func TestMessagesAskForThePIN(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, false, flag(ck.CKA_ALWAYS_AUTHENTICATE, true))
	require.NoError(w.t, c.MessageSignInit(h, ecdsaSHA256, priv))
	text := []byte("text")
	_, err := c.SignMessage(h, nil, text, big1K)
	require.NoError(w.t, err) // the first use after the login
	for range 2 {
		_, err = c.SignMessage(h, nil, text, big1K)
		require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
		require.NoError(w.t, c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
		_, err = c.SignMessage(h, nil, text, big1K)
		require.NoError(w.t, err)
	}
}

// The policy and the uses of a key hold for messages as for everything.
func TestMessagesKeepTheRules(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false, flag(ck.CKA_DERIVE, true))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(c.MessageSignInit(h, ecdsaSHA256, priv)))
	require.Equal(t, ck.CKR_KEY_FUNCTION_NOT_PERMITTED, ck.CodeOf(c.MessageSignInit(h, ecdsaSHA256, pub)))
	pub, priv = w.ecPair(c, h, false)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(c.MessageSignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA1}, priv)))
	require.NoError(w.t, c.MessageVerifyInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA1}, pub))
	for m, flags := range map[ck.MechanismType]ck.Flags{
		ck.CKM_ECDSA_SHA256: ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY, ck.CKM_ECDSA_SHA1: ck.CKF_MESSAGE_VERIFY, ck.CKM_SHA256: 0,
	} {
		info, err := c.GetMechanismInfo(w.alice.Slot, m)
		require.NoError(w.t, err)
		if got := info.Flags & (ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY); got != flags {
			t.Errorf("%v has the flags %#x, want %#x", m, got, flags)
		}
	}
}
