package vtoken_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// The library and the slots say who made them and which version they are.
func TestInfos(t *testing.T) {
	w := newWorld(t)
	version := ck.Version{Major: 7, Minor: 9}
	e, err := vtoken.New(w.store, vtoken.Options{Version: version})
	require.NoError(t, err)
	w.engine = e
	c := w.connect(aliceUID)
	require.Equal(t, ck.Info{
		CryptokiVersion: ck.Version{Major: 3, Minor: 2}, ManufacturerID: "vtoken",
		LibraryDescription: "vtoken virtual smart card", LibraryVersion: version,
	}, c.GetInfo())
	slot, err := c.GetSlotInfo(w.alice.Slot)
	require.NoError(t, err)
	require.Equal(t, ck.SlotInfo{
		SlotDescription: "vtoken virtual slot", ManufacturerID: "vtoken", FirmwareVersion: version,
		Flags: ck.CKF_REMOVABLE_DEVICE | ck.CKF_TOKEN_PRESENT,
	}, slot)
	h := w.session(c, rw)
	w.session(c, ro)
	info, err := c.GetTokenInfo(w.alice.Slot)
	require.NoError(t, err)
	info.Flags, info.UTCTime = 0, ""
	none := ck.UnavailableInformation
	require.Equal(t, ck.TokenInfo{
		Label: "alice's card", ManufacturerID: "vtoken", Model: "vtoken", SerialNumber: w.alice.Serial,
		SessionCount: 2, RwSessionCount: 1,
		MinPinLen: uint64(w.alice.UserPIN.Policy.MinLen), MaxPinLen: uint64(w.alice.UserPIN.Policy.MaxLen),
		TotalPublicMemory: none, FreePublicMemory: none, TotalPrivateMemory: none, FreePrivateMemory: none,
		FirmwareVersion: version,
	}, info)
	require.NoError(t, c.CloseSession(h))
	info, err = c.GetTokenInfo(w.alice.Slot)
	require.NoError(t, err)
	require.EqualValues(t, 1, info.SessionCount)
	require.EqualValues(t, 0, info.RwSessionCount)

	_, err = vtoken.New(nil, vtoken.Options{})
	require.Error(t, err)
}

// The functions of a slot that the application never saw say so, and tell nothing.
func TestUnknownSlot(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	const unknown = 12345
	slot, err := c.GetSlotInfo(unknown)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
	require.Zero(t, slot)
	token, err := c.GetTokenInfo(unknown)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
	require.Zero(t, token)
	list, err := c.GetMechanismList(unknown)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
	require.Nil(t, list)
	info, err := c.GetMechanismInfo(unknown, ck.CKM_RSA_PKCS)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
	require.Zero(t, info)
	_, err = c.OpenSession(unknown, rw)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(c.CloseAllSessions(unknown)))
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(c.InitToken(unknown, pinOf(soPIN), "x")))
}

// A label that is set is UTF-8 of as many bytes as PKCS#11 has for it, without blanks at its end.
func TestLabelsOfInitToken(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	for label, want := range map[string]ck.Error{
		strings.Repeat("x", 32): ck.CKR_OK, strings.Repeat("x", 33): ck.CKR_ARGUMENTS_BAD,
		"x" + strings.Repeat(" ", 40): ck.CKR_OK, "\xff": ck.CKR_ARGUMENTS_BAD,
	} {
		require.Equal(t, want, ck.CodeOf(c.InitToken(w.alice.Slot, pinOf(soPIN), label)), "%q", label)
		if want == ck.CKR_OK {
			info, err := c.GetTokenInfo(w.alice.Slot)
			require.NoError(t, err)
			require.Equal(t, strings.TrimRight(label, " "), info.Label)
		}
	}
}

// The engine counts its applications and their sessions.
func TestUsage(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, vtoken.Usage{}, w.engine.Usage())
	c, h := w.open(rw)
	w.session(c, ro)
	other := w.connect(bobUID)
	usage := w.engine.Usage()
	require.Equal(t, 2, usage.Applications)
	require.Equal(t, 2, usage.Sessions)
	require.NotZero(t, usage.Loads)
	require.NoError(t, c.CloseSession(h))
	other.Close()
	usage = w.engine.Usage()
	require.Equal(t, 1, usage.Applications)
	require.Equal(t, 1, usage.Sessions)
}

// A template of a key is read whole, or its length is told, where the caller's array has too few
// entries.
func TestReadTemplate(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	demanded := ck.EncodeTemplate(ck.Template{ck.Bool(ck.CKA_SIGN, true), ck.String(ck.CKA_LABEL, "x")})
	key := w.aes(c, h, ck.Bytes(ck.CKA_WRAP_TEMPLATE, demanded))
	for _, tc := range []struct {
		buffer ck.Buffer
		value  []byte
		len    uint64
		code   ck.Error
	}{
		{ck.Buffer{Null: true}, nil, uint64(len(demanded)), ck.CKR_OK},
		{ck.Buffer{Len: 2 * 24}, demanded, uint64(len(demanded)), ck.CKR_OK},
		{ck.Buffer{Len: 2*24 - 1}, nil, ck.UnavailableInformation, ck.CKR_BUFFER_TOO_SMALL},
	} {
		got, err := c.GetAttributeValue(h, key, []ck.AttributeQuery{{Type: ck.CKA_WRAP_TEMPLATE, Buffer: tc.buffer}})
		require.Equal(t, tc.code, ck.CodeOf(err))
		require.Equal(t, []ck.AttributeResult{{Type: ck.CKA_WRAP_TEMPLATE, Value: tc.value, Len: tc.len}}, got)
	}
}

// The size of an object is that of what is not secret.
func TestObjectSize(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	small, err := c.CreateObject(h, data("x", ""))
	require.NoError(t, err)
	large, err := c.CreateObject(h, data("x", strings.Repeat("v", 100)))
	require.NoError(t, err)
	a, err := c.GetObjectSize(h, small)
	require.NoError(t, err)
	b, err := c.GetObjectSize(h, large)
	require.NoError(t, err)
	require.EqualValues(t, 100, b-a)
	_, err = c.GetObjectSize(h, 999)
	require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
}

// Signatures with a parameter are saved with it: PSS, and none at all in the form of no bytes.
func TestStateWithParameter(t *testing.T) {
	w := newWorld(t)
	c, a := w.loggedIn(rw)
	b := w.session(c, rw)
	pub, priv := w.rsaPair(c, a, nil, nil)
	for _, m := range []ck.Mechanism{
		{Type: ck.CKM_SHA256_RSA_PKCS_PSS,
			Parameter: ck.RSAPkcsPssParams{HashAlg: ck.CKM_SHA256, MGF: ck.CKG_MGF1_SHA256, SLen: 20}},
		{Type: ck.CKM_SHA256_RSA_PKCS, Parameter: ck.RawParameter{}},
		{Type: ck.CKM_SHA256_RSA_PKCS},
	} {
		require.NoError(t, c.SignInit(a, m, priv))
		require.NoError(t, c.SignUpdate(a, []byte("one ")))
		require.NoError(t, c.SetOperationState(b, saved(t, c, a), 0, priv))
		_, err := c.Sign(b, []byte("x"), big1K)
		require.Equal(t, ck.CKR_OPERATION_ACTIVE, ck.CodeOf(err), "it goes on in parts")
		require.NoError(t, c.SetOperationState(b, saved(t, c, a), 0, priv))
		require.NoError(t, c.SignUpdate(b, []byte("two")))
		sig, err := c.SignFinal(b, big1K)
		require.NoError(t, err)
		require.NoError(t, c.VerifyInit(b, m, pub))
		require.NoError(t, c.Verify(b, []byte("one two"), sig.Data))
		require.NoError(t, c.SessionCancel(a, ck.CKF_SIGN))
	}
	pair := ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, append([]byte{0x13, 12}, "edwards25519"...))}
	_, ed, err := c.GenerateKeyPair(a, ck.Mechanism{Type: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN}, pair, nil)
	require.NoError(t, err)
	require.NoError(t, c.SignInit(a, ck.Mechanism{Type: ck.CKM_EDDSA, Parameter: ck.EdDSAParams{PhFlag: true}}, ed))
	require.NoError(t, c.SignUpdate(a, []byte("one ")))
	_, err = c.GetOperationState(a, query)
	require.Equal(t, ck.CKR_STATE_UNSAVEABLE, ck.CodeOf(err))
}

// A state is not taken up again after its operation ended, and ends those of the session.
func TestStateReplacesOperations(t *testing.T) {
	w := newWorld(t)
	c, a := w.open(ro)
	b := w.session(c, ro)
	require.NoError(t, c.DigestInit(a, sha256M))
	require.NoError(t, c.DigestUpdate(a, []byte("one")))
	state := saved(t, c, a)
	require.NoError(t, c.DigestInit(b, ck.Mechanism{Type: ck.CKM_SHA512}))
	require.NoError(t, c.SetOperationState(b, state, 0, 0))
	out, err := c.DigestFinal(b, big1K)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte("one"))
	require.Equal(t, sum[:], out.Data)
	_, err = c.DigestFinal(b, big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	for _, broken := range [][]byte{nil, state[1:], append(bytes.Clone(state), 0), bytes.Repeat([]byte{1}, 100)} {
		require.NoError(t, c.DigestInit(b, sha256M))
		require.Equal(t, ck.CKR_SAVED_STATE_INVALID, ck.CodeOf(c.SetOperationState(b, broken, 0, 0)))
		require.NoError(t, c.DigestUpdate(b, nil), "what is no state ends nothing")
		_, err = c.DigestFinal(b, big1K)
		require.NoError(t, err)
	}
}

// Where the clock is set back, what was due once is due again.
func TestClockSetBack(t *testing.T) {
	w, set := clocked(t)
	c := w.connect(bobUID)
	slots(t, c)
	_, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(t, err)
	start := time.Now()
	end := start.Add(time.Hour)
	require.NoError(t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.ExpiresAt = end }))
	w.oneEvent("an end", c, w.bob.Slot)
	for range 2 {
		set(end)
		w.engine.Tick()
		w.oneEvent("expiry", c, w.bob.Slot)
		require.Empty(t, slots(t, c))
		set(start)
		w.engine.Tick()
		require.Equal(t, []ck.SlotID{w.bob.Slot}, slots(t, c))
		for { // the event of its return, if there is one
			if _, err := c.WaitForSlotEvent(context.Background(), true); err != nil {
				break
			}
		}
	}
}

// A change that is older than what is known is no news.
func TestOldChangeIsNoNews(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	slots(t, c)
	h, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(t, err)
	old := w.stored(w.bob.ID)
	require.NoError(t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Label = "new" }))
	w.oneEvent("a label", c, w.bob.Slot)
	disabled := *old
	disabled.Enabled = false
	w.engine.Feed(record.Change{TokenID: w.bob.ID, Token: &disabled})
	_, err = c.WaitForSlotEvent(context.Background(), true)
	require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
	_, err = c.GetSessionInfo(h)
	require.NoError(t, err)
	info, err := c.GetTokenInfo(w.bob.Slot)
	require.NoError(t, err)
	require.Equal(t, "new", info.Label)
}

// An error in one half of a call with two operations ends both, and so does a missing operation.
func TestErrorInOneOfTwoOperations(t *testing.T) {
	_, c, h, aes, mac := dualWorld(t)
	ctr := ck.Mechanism{Type: ck.CKM_AES_CTR, Parameter: ck.AESCtrParams{CounterBits: 1}}
	for name, dual := range map[string]struct {
		first, second func() error
		call          dualFunc
	}{
		"digest and encrypt": {
			func() error { return c.EncryptInit(h, ctr, aes) }, func() error {
				return c.DigestInit(h,
					sha256M)
			}, c.DigestEncryptUpdate,
		},
		"decrypt and digest": {
			func() error { return c.DecryptInit(h, ctr, aes) }, func() error {
				return c.DigestInit(h,
					sha256M)
			}, c.DecryptDigestUpdate,
		},
		"sign and encrypt": {
			func() error { return c.EncryptInit(h, ctr, aes) }, func() error {
				return c.SignInit(h, hmacMech,
					mac)
			}, c.SignEncryptUpdate,
		},
		"decrypt and verify": {
			func() error { return c.DecryptInit(h, ctr, aes) }, func() error {
				return c.VerifyInit(h, hmacMech,
					mac)
			}, c.DecryptVerifyUpdate,
		},
	} {
		_, err := dual.call(h, []byte("x"), big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), name)
		require.NoError(t, dual.first(), name)
		_, err = dual.call(h, []byte("x"), big1K)
		require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err), name)
		require.NoError(t, dual.first(), "%s: it has ended", name)
		require.NoError(t, dual.second(), name)
		out, err := dual.call(h, make([]byte, 32), ck.Buffer{Len: 31})
		require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err), name)
		require.EqualValues(t, 32, out.Len)
		_, err = dual.call(h, make([]byte, 33), big1K) // more than the counter lasts
		require.Error(t, err, name)
		require.NoError(t, dual.first(), "%s: both are over", name)
		require.NoError(t, dual.second(), "%s: both are over", name)
		_, err = dual.call(h, make([]byte, 32), ck.Buffer{Len: 32})
		require.NoError(t, err, name)
		require.NoError(t, c.SessionCancel(h, ck.CKF_ENCRYPT|ck.CKF_DECRYPT|ck.CKF_SIGN|ck.CKF_VERIFY|ck.CKF_DIGEST))
	}
}

// A user more raises events for that user's tokens, and for no token that was seen before, in
// whichever order the slots are.
func TestEventsOfAnotherUser(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		uid   uint32
		other record.UserID
		slot  ck.SlotID
	}{{bobUID, "alice", w.alice.Slot}, {aliceUID, "bob", w.bob.Slot}} {
		e, err := vtoken.New(w.store, vtoken.Options{}) // in which nobody makes tokens
		require.NoError(t, err)
		app := e.Connect(peerOf(c.uid))
		t.Cleanup(app.Close)
		require.Len(t, slots(t, app), 1)
		w.store.MapUser(c.uid, c.other)
		require.Len(t, slots(t, app), 2)
		w.oneEvent("another user", app, c.slot)
		w.store.UnmapUser(c.uid)
		require.Empty(t, slots(t, app))
		both := []ck.SlotID{}
		for range 2 {
			slot, err := app.WaitForSlotEvent(context.Background(), true)
			require.NoError(t, err)
			both = append(both, slot)
		}
		require.ElementsMatch(t, []ck.SlotID{w.alice.Slot, w.bob.Slot}, both)
		_, err = app.WaitForSlotEvent(context.Background(), true)
		require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
		w.store.MapUser(c.uid, map[uint32]record.UserID{aliceUID: "alice", bobUID: "bob"}[c.uid])
	}
}
