package vtoken_test

import (
	"testing"

	"vtoken/vtoken/ck"
)

var ecdsaSHA256 = ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}

// One operation signs and verifies any number of messages, whole ones and parts,
// and no mistake about one message ends it.
func TestMessages(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false)
	w.ok(c.MessageSignInit(h, ecdsaSHA256, priv))
	w.ok(c.MessageVerifyInit(h, ecdsaSHA256, pub))
	var signatures [][]byte
	for _, text := range []string{"one", "two"} {
		out, err := c.SignMessage(h, nil, []byte(text), query)
		w.ok(err)
		_, err = c.SignMessage(h, nil, []byte(text), ck.Buffer{Len: out.Len - 1})
		want(t, err, ck.CKR_BUFFER_TOO_SMALL)
		out, err = c.SignMessage(h, nil, []byte(text), ck.Buffer{Len: out.Len})
		w.ok(err)
		signatures = append(signatures, out.Data)
	}
	w.ok(c.SignMessageBegin(h, nil))
	_, err := c.SignMessageNext(h, nil, []byte("th"), false, query)
	w.ok(err)
	_, err = c.SignMessageNext(h, nil, []byte("ree"), true, query)
	w.ok(err) // the length alone, and nothing was taken in
	out, err := c.SignMessageNext(h, nil, []byte("ree"), true, big1K)
	w.ok(err)
	signatures = append(signatures, out.Data)

	w.ok(c.VerifyMessage(h, nil, []byte("one"), signatures[0]))
	want(t, c.VerifyMessage(h, nil, []byte("one"), signatures[1]), ck.CKR_SIGNATURE_INVALID)
	want(t, c.VerifyMessage(h, nil, []byte("one"), signatures[0][1:]), ck.CKR_SIGNATURE_LEN_RANGE)
	w.ok(c.VerifyMessage(h, nil, []byte("two"), signatures[1]))
	w.ok(c.VerifyMessageBegin(h, nil))
	w.ok(c.VerifyMessageNext(h, nil, []byte("thr"), nil))
	w.ok(c.VerifyMessageNext(h, nil, []byte("ee"), signatures[2]))
	w.ok(c.MessageSignFinal(h))
	w.ok(c.MessageVerifyFinal(h))
	want(t, c.MessageSignFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
}

func TestMessagesInWrongOrder(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, false)
	_, err := c.SignMessage(h, nil, nil, big1K)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	want(t, c.SignMessageBegin(h, nil), ck.CKR_OPERATION_NOT_INITIALIZED)
	w.ok(c.MessageSignInit(h, ecdsaSHA256, priv))
	want(t, c.MessageSignInit(h, ecdsaSHA256, priv), ck.CKR_OPERATION_ACTIVE)
	w.ok(c.SignInit(h, ecdsaSHA256, priv)) // an operation of another kind
	_, err = c.SignMessageNext(h, nil, nil, false, query)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	_, err = c.SignMessage(h, []byte{1}, nil, big1K)
	want(t, err, ck.CKR_MECHANISM_PARAM_INVALID)
	w.ok(c.SignMessageBegin(h, nil))
	want(t, c.SignMessageBegin(h, nil), ck.CKR_OPERATION_ACTIVE)
	_, err = c.SignMessage(h, nil, nil, big1K)
	want(t, err, ck.CKR_OPERATION_ACTIVE)
	_, err = c.GetOperationState(h, big1K)
	want(t, err, ck.CKR_STATE_UNSAVEABLE)
	w.ok(c.SessionCancel(h, ck.CKF_MESSAGE_SIGN))
	want(t, c.MessageSignFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
	_, err = c.Sign(h, []byte("x"), big1K)
	w.ok(err) // was not cancelled

	// Too much data for CKM_ECDSA ends the message, and the next one begins anew.
	w.ok(c.MessageSignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA}, priv))
	w.ok(c.SignMessageBegin(h, nil))
	_, err = c.SignMessageNext(h, nil, make([]byte, 1<<17), true, big1K)
	want(t, err, ck.CKR_DATA_LEN_RANGE)
	_, err = c.SignMessage(h, nil, make([]byte, 32), big1K)
	w.ok(err)
	w.ok(c.Logout(h))
	_, err = c.SignMessage(h, nil, make([]byte, 32), big1K)
	want(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
}

// A key with CKA_ALWAYS_AUTHENTICATE asks for the PIN at each message.
func TestMessagesAskForThePIN(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, false, flag(ck.CKA_ALWAYS_AUTHENTICATE, true))
	w.ok(c.MessageSignInit(h, ecdsaSHA256, priv))
	text := []byte("text")
	_, err := c.SignMessage(h, nil, text, big1K)
	w.ok(err) // the first use after the login
	for range 2 {
		_, err = c.SignMessage(h, nil, text, big1K)
		want(t, err, ck.CKR_USER_NOT_LOGGED_IN)
		w.ok(c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
		_, err = c.SignMessage(h, nil, text, big1K)
		w.ok(err)
	}
}

// The policy and the uses of a key hold for messages as for everything.
func TestMessagesKeepTheRules(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, false, flag(ck.CKA_DERIVE, true))
	want(t, c.MessageSignInit(h, ecdsaSHA256, priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, c.MessageSignInit(h, ecdsaSHA256, pub), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	pub, priv = w.ecPair(c, h, false)
	want(t, c.MessageSignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA1}, priv), ck.CKR_MECHANISM_INVALID)
	w.ok(c.MessageVerifyInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA1}, pub))
	for m, flags := range map[ck.MechanismType]ck.Flags{
		ck.CKM_ECDSA_SHA256: ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY, ck.CKM_ECDSA_SHA1: ck.CKF_MESSAGE_VERIFY, ck.CKM_SHA256: 0,
	} {
		info, err := c.GetMechanismInfo(w.alice.Slot, m)
		w.ok(err)
		if got := info.Flags & (ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY); got != flags {
			t.Errorf("%v has the flags %#x, want %#x", m, got, flags)
		}
	}
}
