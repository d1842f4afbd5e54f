package vtoken_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/record"
)

// richState is the state of an application that has something of everything, and of its engine.
func richState(t testing.TB, w *world) (vtoken.ClientState, vtoken.EngineState) {
	t.Helper()
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, true)
	_, own := w.ecPair(c, h, false)
	require.NoError(t, c.VerifyInit(h, ecdsaMech, pub))
	key := w.aes(c, h)
	require.NoError(t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, priv))
	require.NoError(t, c.SignUpdate(h, []byte("some data")))
	gcm := ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128}}
	require.NoError(t, c.EncryptInit(h, gcm, key))
	require.NoError(t, errorOf(c.EncryptUpdate(h, []byte("more data"), big1K)))
	require.NoError(t, c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}))
	require.NoError(t, c.MessageEncryptInit(h, ck.Mechanism{Type: ck.CKM_AES_GCM}, key))
	p := messageParameter(ck.CKM_AES_GCM)
	require.NoError(t, c.EncryptMessageBegin(h, p, []byte("about")))
	require.NoError(t, errorOf(c.EncryptMessageNext(h, p, []byte("a message"), big1K, 0)))
	h2 := w.session(c, ro)
	require.NoError(t, c.MessageSignInit(h2, ecdsaMech, own))
	require.NoError(t, c.FindObjectsInit(h2, nil))
	pad := ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Parameter: ck.RawParameter(make([]byte, 16))}
	require.NoError(t, c.EncryptInit(h2, pad, key))
	enc := w.exact(c.Encrypt, h2, []byte("text"))
	require.NoError(t, c.DecryptInit(h2, pad, key))
	_, err := c.Decrypt(h2, enc, ck.Buffer{Len: 1})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	other := w.connect(aliceUID)
	oh := w.session(other, ro)
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(other.Login(oh, ck.CKU_USER, pinOf("wrong"))))
	require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Label = "another" }))
	state, err := c.Save()
	require.NoError(t, err)
	return state, w.engine.Save()
}

// What was encoded is decoded, the same again, and its secrets can be wiped.
func TestStateForm(t *testing.T) {
	state, engine := richState(t, newBoundWorld(t))
	b, err := state.MarshalBinary()
	require.NoError(t, err)
	var again vtoken.ClientState
	require.NoError(t, again.UnmarshalBinary(b))
	b2, err := again.MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, b, b2)
	require.Equal(t, len(b), cap(b), "the buffer grew, and left copies of secrets")
	require.NotEmpty(t, again.Attachments[0].Login.Bound)
	bound := again.Attachments[0].Login.Bound
	collected := again.Attachments[0].Sessions[0].Operations[0].State
	require.Contains(t, string(b), string(bound))
	again.Wipe()
	require.Equal(t, make([]byte, len(bound)), []byte(bound))
	require.Equal(t, make([]byte, len(collected)), []byte(collected))

	b, err = engine.MarshalBinary()
	require.NoError(t, err)
	var engineAgain vtoken.EngineState
	require.NoError(t, engineAgain.UnmarshalBinary(b))
	require.Equal(t, engine.PINKey, engineAgain.PINKey)
	require.Len(t, engineAgain.PINs, 1)
	engineAgain.Wipe()
	require.Equal(t, make([]byte, 32), []byte(engineAgain.PINKey))
}

// A state of another version says so, and bytes that are none are refused.
func TestStateOfAnotherVersion(t *testing.T) {
	state, engine := richState(t, newWorld(t))
	b, err := state.MarshalBinary()
	require.NoError(t, err)
	version := vtoken.StateVersion()
	require.Contains(t, string(b), version)
	other := []byte(strings.Replace(string(b), version, "0"+version[1:], 1))
	var read vtoken.ClientState
	require.ErrorIs(t, read.UnmarshalBinary(other), vtoken.ErrStateVersion)
	require.ErrorContains(t, read.UnmarshalBinary(other), version)
	for _, bad := range [][]byte{nil, []byte("x"), b[1:], b[:20]} {
		require.ErrorIs(t, read.UnmarshalBinary(bad), vtoken.ErrState)
	}
	for _, n := range []int{1, 2, len(b) / 2} {
		require.ErrorIs(t, read.UnmarshalBinary(b[:len(b)-n]), vtoken.ErrState)
	}
	require.ErrorIs(t, read.UnmarshalBinary(append(bytes.Clone(b), 0)), vtoken.ErrState)

	w := newWorld(t)
	w.connect(aliceUID)
	require.ErrorContains(t, w.engine.RestoreState(engine), "applications are connected")
	engine.PINKey = engine.PINKey[1:]
	w.restart()
	require.ErrorIs(t, w.engine.RestoreState(engine), vtoken.ErrState)
}

// States that no engine saved are refused, and what was begun of them is undone.
func TestImpossibleStates(t *testing.T) {
	first := func(s *vtoken.ClientState) *vtoken.AttachmentState { return &s.Attachments[0] }
	session := func(s *vtoken.ClientState) *vtoken.SessionState { return &first(s).Sessions[0] }
	operation := func(s *vtoken.ClientState, kind string) *vtoken.OperationState {
		for i, one := range first(s).Sessions {
			if j := slices.IndexFunc(one.Operations, func(o vtoken.OperationState) bool { return o.Kind == kind }); j >= 0 {
				return &first(s).Sessions[i].Operations[j]
			}
		}
		t.Fatalf("no %s", kind)
		return nil
	}
	for name, spoil := range map[string]func(s *vtoken.ClientState){
		"nobody asked":            func(s *vtoken.ClientState) { s.Known = false },
		"no attachment id":        func(s *vtoken.ClientState) { first(s).ID = 0 },
		"large attachment id":     func(s *vtoken.ClientState) { first(s).ID = 1 << 63 },
		"two attachments":         func(s *vtoken.ClientState) { s.Attachments = append(s.Attachments, *first(s)) },
		"no session":              func(s *vtoken.ClientState) { first(s).Sessions = nil },
		"session without handle":  func(s *vtoken.ClientState) { session(s).Handle = 0 },
		"large session handle":    func(s *vtoken.ClientState) { session(s).Handle = 1<<64 - 1 },
		"two sessions":            func(s *vtoken.ClientState) { first(s).Sessions[1].Handle = session(s).Handle },
		"unknown role":            func(s *vtoken.ClientState) { first(s).Login.Role = 2 },
		"login without a hash":    func(s *vtoken.ClientState) { first(s).Login.Compared = nil },
		"SO with a ro session":    func(s *vtoken.ClientState) { first(s).Login.Role = 1 },
		"object of the token":     func(s *vtoken.ClientState) { session(s).Objects[0].Handle = 7 },
		"two objects":             func(s *vtoken.ClientState) { session(s).Objects[1].Handle = session(s).Objects[0].Handle },
		"object of no attributes": func(s *vtoken.ClientState) { session(s).Objects[0].Attrs = []byte{1} },
		"sealed object":           func(s *vtoken.ClientState) { session(s).Objects[1].Secret = nil },
		"broken secret":           func(s *vtoken.ClientState) { session(s).Objects[1].Secret = []byte{9} },
		"unknown operation":       func(s *vtoken.ClientState) { session(s).Operations[0].Kind = "dance" },
		"two digests": func(s *vtoken.ClientState) {
			session(s).Operations = append(session(s).Operations, *operation(s, "digest"))
		},
		"waiting for a PIN that nobody asks for": func(s *vtoken.ClientState) {
			operation(s, "verification").Waits = true
		},
		"output of a signature":        func(s *vtoken.ClientState) { operation(s, "signature").Kept = &vtoken.KeptState{} },
		"messages of a signature":      func(s *vtoken.ClientState) { operation(s, "signature").Message = &vtoken.MessageState{} },
		"messages without a message":   func(s *vtoken.ClientState) { operation(s, "signature of messages").Message = nil },
		"a message without parameter":  func(s *vtoken.ClientState) { operation(s, "encryption of messages").Message.Parameter = nil },
		"a message with another tag":   func(s *vtoken.ClientState) { operation(s, "encryption of messages").Message.TagBits = 8 },
		"a message that was not begun": func(s *vtoken.ClientState) { operation(s, "encryption of messages").Message.Begun = false },
		"a search of no weight":        func(s *vtoken.ClientState) { first(s).Sessions[1].Search.Weight = 0 },
		"a search of all weight":       func(s *vtoken.ClientState) { first(s).Sessions[1].Search.Weight = 1 << 40 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			state, _ := richState(t, w)
			w.restart()
			spoil(&state)
			_, err := w.engine.Restore(peerOf(aliceUID), state)
			require.ErrorIs(t, err, vtoken.ErrState)
			clients, tokens := w.engine.InUse()
			require.Zero(t, clients+tokens)
		})
	}
}

// An operation that cannot go on is left out, and the others are not.
func TestOperationIsLeftOut(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	require.NoError(t, c.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}))
	require.NoError(t, c.SignInit(h, ecdsaMech, priv))
	restore := w.save(c)
	admin, ah := w.loggedIn(rw)
	require.NoError(t, admin.DestroyObject(ah, priv))
	w.restart()
	c = restore(w.engine)[0]
	require.Len(t, c.NotRestored(), 1)
	require.Contains(t, c.NotRestored()[0], "signature with CKM_ECDSA")
	_, err := c.Sign(h, make([]byte, 32), big1K)
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
	require.NoError(t, errorOf(c.Digest(h, nil, big1K)))
}

// What Save cannot tell it names, and the application goes on with it.
func TestLostOperation(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_SLH_DSA_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(3))}, nil)
	require.NoError(t, err)
	require.NoError(t, c.VerifyInit(h, ck.Mechanism{Type: ck.CKM_HASH_SLH_DSA_SHA256}, pub))
	require.NoError(t, c.VerifyUpdate(h, make([]byte, 2*mib)))
	state, err := c.Save()
	require.NoError(t, err)
	require.Len(t, state.Lost(), 1)
	require.Contains(t, state.Lost()[0], "verification with CKM_HASH_SLH_DSA_SHA256")
	require.NoError(t, c.VerifyUpdate(h, nil))
	w.restart()
	restored, err := w.engine.Restore(peerOf(aliceUID), state)
	require.NoError(t, err)
	defer restored.Close()
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(restored.VerifyUpdate(h, nil)))
	c.Close()
	_, err = c.Save()
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, ck.CodeOf(err))
}

// Slow sessions are told at once, as the server wants to know of a call before it begins.
func TestSlowSessionsAreTold(t *testing.T) {
	w := newWorld(t)
	old, h := w.loggedIn(rw)
	pub, _, err := old.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_SLH_DSA_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, uint64(3))}, nil)
	require.NoError(t, err)
	require.NoError(t, old.VerifyInit(h, ck.Mechanism{Type: ck.CKM_SLH_DSA}, pub))
	c := w.handOver(old)[0]
	told := map[ck.SessionHandle]bool{}
	c.OnSlow(func(h ck.SessionHandle, slow bool) { told[h] = slow })
	require.Equal(t, map[ck.SessionHandle]bool{h: true}, told)
	require.NoError(t, c.SessionCancel(h, everyOperation))
	require.False(t, told[h])
}

// FuzzRestore: no bytes crash the engine, and an application that they make can be used and
// ends without a trace.
func FuzzRestore(f *testing.F) {
	w := newWorld(f)
	state, engine := richState(f, w)
	b, err := state.MarshalBinary()
	require.NoError(f, err)
	common, err := engine.MarshalBinary()
	require.NoError(f, err)
	header := bytes.IndexByte(b, '\n') + 1
	seeds := [][]byte{b[header:], nil, {0, 0, 0, 0, 0}}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		spoiled := bytes.Clone(b[header:])
		for range 1 + rng.IntN(3) {
			spoiled[rng.IntN(len(spoiled))] ^= byte(1 << rng.IntN(8))
		}
		seeds = append(seeds, spoiled)
	}
	require.Len(f, seeds, 43)
	for _, seed := range seeds {
		f.Add(seed, common[bytes.IndexByte(common, '\n')+1:])
	}
	f.Fuzz(func(t *testing.T, fields, common []byte) {
		e, err := vtoken.New(storeOf(w.store), vtoken.Options{})
		require.NoError(t, err)
		var engine vtoken.EngineState
		if engine.UnmarshalBinary(append(bytes.Clone(b[:header]), common...)) == nil {
			_ = e.RestoreState(engine)
		}
		var state vtoken.ClientState
		if state.UnmarshalBinary(append(bytes.Clone(b[:header]), fields...)) != nil {
			return
		}
		c, err := e.Restore(peerOf(aliceUID), state)
		if err != nil {
			return
		}
		for _, a := range state.Attachments {
			for _, s := range a.Sessions {
				useAll(c, s.Handle)
			}
		}
		_, err = c.Save()
		require.NoError(t, err)
		c.Close()
		clients, tokens := e.InUse()
		require.Zero(t, clients+tokens)
	})
}

// storeOf is the store without watchers, of which each engine adds one.
func storeOf(s *enginetest.Store) vtoken.Store { return unwatched{s} }

type unwatched struct{ *enginetest.Store }

func (unwatched) Watch(func([]record.Change)) {}

// useAll makes the calls that end operations, and some others.
func useAll(c *vtoken.Client, h ck.SessionHandle) {
	_, _ = c.SignFinal(h, big1K)
	_ = c.VerifyFinal(h, make([]byte, 64))
	_, _ = c.EncryptUpdate(h, make([]byte, 20), big1K)
	_, _ = c.EncryptFinal(h, big1K)
	_, _ = c.Decrypt(h, make([]byte, 16), big1K)
	_, _ = c.DigestFinal(h, big1K)
	_, _ = c.SignRecover(h, []byte("data"), big1K)
	_, _ = c.VerifyRecover(h, make([]byte, 256), big1K)
	p := messageParameter(ck.CKM_AES_GCM)
	_, _ = c.EncryptMessageNext(h, p, nil, big1K, ck.CKF_END_OF_MESSAGE)
	_, _ = c.EncryptMessage(h, messageParameter(ck.CKM_AES_GCM), nil, []byte("data"), big1K)
	_, _ = c.DecryptMessageNext(h, p, nil, big1K, ck.CKF_END_OF_MESSAGE)
	_, _ = c.SignMessage(h, nil, make([]byte, 32), big1K)
	_, _ = c.SignMessageNext(h, nil, make([]byte, 32), true, big1K)
	_ = c.VerifyMessage(h, nil, make([]byte, 32), make([]byte, 64))
	_, _ = c.FindObjects(h, 100)
	if c.FindObjectsFinal(h) != nil && c.FindObjectsInit(h, nil) == nil {
		found, _ := c.FindObjects(h, 100)
		for _, o := range found {
			_, _ = c.GetAttributeValue(h, o, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
			_ = c.SignInit(h, ecdsaMech, o)
			_, _ = c.Sign(h, make([]byte, 32), big1K)
			_ = c.EncryptInit(h, ck.Mechanism{Type: ck.CKM_AES_ECB}, o)
			_ = c.SessionCancel(h, everyOperation)
			_ = c.DestroyObject(h, o)
		}
	}
	_ = c.Logout(h)
}
