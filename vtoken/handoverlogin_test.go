package vtoken_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// A login goes over in both kinds of token, with what the key of a PIN-bound one opens, and
// ends there as it would have here.
func TestLoginGoesOn(t *testing.T) {
	for i, newWorld := range worlds {
		t.Run(worldNames[i], func(t *testing.T) {
			w := newWorld(t)
			old, h := w.loggedIn(rw)
			_, _ = w.ecPair(old, h, true)
			secretData, err := old.CreateObject(h, data("x", "secret", private))
			require.NoError(t, err)
			h2 := w.session(old, ro)
			hashes := w.store.Hashes()

			c := w.handOver(old)[0]
			old.Close()
			require.Empty(t, c.NotRestored())
			for _, s := range []struct {
				h     ck.SessionHandle
				state ck.State
			}{{h, ck.CKS_RW_USER_FUNCTIONS}, {h2, ck.CKS_RO_USER_FUNCTIONS}} {
				info, err := c.GetSessionInfo(s.h)
				require.NoError(t, err)
				require.Equal(t, ck.SessionInfo{SlotID: w.alice.Slot, State: s.state, Flags: info.Flags}, info)
				w.signs(c, s.h)
			}
			require.Equal(t, ck.CKR_USER_ALREADY_LOGGED_IN, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
			// Another process finds the PIN remembered.
			other, oh := w.loggedIn(ro)
			w.signs(other, oh)
			require.Equal(t, hashes, w.store.Hashes(), "a PIN was hashed again after a restart")

			newHandle := w.session(c, rw)
			require.Greater(t, newHandle, h2, "an earlier handle was given again")
			require.NoError(t, c.Logout(h2))
			require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(c.DestroyObject(h, secretData)))
			require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(h)))
			w.signs(other, oh) // whose login is its own
			other.Close()
			c.Close()
			private, _ := w.engine.ParsedKeys()
			require.Zero(t, private, "keys stayed after the last logout")
			if i == 1 {
				require.Zero(t, w.engine.HeldKeys(), "the key of the PIN-bound token stayed")
			}
		})
	}
}

// What happens to a token between the two engines ends what it would have ended.
func TestLoginThatEndsMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(w *world) error
		code    ck.Error // of a session
		notices bool     // a slot event
	}{
		"nothing": {func(*world) error { return nil }, ck.CKR_OK, false},
		"PIN set meanwhile": {func(w *world) error {
			v, err := w.store.HashPIN(w.alice.ID, pin.User, pinOf("other"), nil)
			require.NoError(w.t, err)
			return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN = r.UserPIN.Change(v, time.Now()) })
		}, ck.CKR_USER_NOT_LOGGED_IN, false},
		"PIN locked": {func(w *world) error {
			return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Failed = r.UserPIN.Policy.MaxTries })
		}, ck.CKR_USER_NOT_LOGGED_IN, false},
		"PIN taken away": {func(w *world) error {
			return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Verifier = nil })
		}, ck.CKR_USER_NOT_LOGGED_IN, false},
		"disabled": {func(w *world) error {
			return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Enabled = false })
		}, ck.CKR_SESSION_HANDLE_INVALID, true},
		"given away": {func(w *world) error {
			return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Holders = w.bob.Holders })
		}, ck.CKR_SESSION_HANDLE_INVALID, true},
		"expired": {func(w *world) error {
			return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.ExpiresAt = time.Now().Add(-time.Hour) })
		}, ck.CKR_SESSION_HANDLE_INVALID, true},
		"deleted": {func(w *world) error { return w.store.DeleteToken(w.alice.ID) }, ck.CKR_SESSION_HANDLE_INVALID, true},
		"user gone": {func(w *world) error {
			w.store.UnmapUser(aliceUID)
			return nil
		}, ck.CKR_SESSION_HANDLE_INVALID, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			old, h := w.loggedIn(rw)
			_, priv := w.ecPair(old, h, true)
			require.NoError(t, old.SignInit(h, ecdsaMech, priv))
			o, err := old.CreateObject(h, data("x", "secret", private))
			require.NoError(t, err)
			restore := w.save(old)
			require.NoError(t, c.change(w))
			w.restart()
			app := restore(w.engine)[0]
			_, err = app.Sign(h, make([]byte, 32), big1K)
			switch c.code {
			case ck.CKR_OK:
				require.NoError(t, err)
				require.NoError(t, app.DestroyObject(h, o))
			case ck.CKR_USER_NOT_LOGGED_IN:
				require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(err))
				require.Equal(t, c.code, ck.CodeOf(app.Logout(h)))
				require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(app.DestroyObject(h, o)))
				require.NotEmpty(t, app.NotRestored())
			default:
				require.Equal(t, c.code, ck.CodeOf(err))
				require.NotEmpty(t, app.NotRestored())
			}
			slot, err := app.WaitForSlotEvent(context.Background(), true)
			if c.notices {
				require.NoError(t, err)
				require.Equal(t, w.alice.Slot, slot)
			} else {
				require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
			}
			app.Close()
			clients, tokens := w.engine.InUse()
			require.Zero(t, clients+tokens)
		})
	}
}

// A PIN that its holder changed before keeps the login, and one that somebody sets afterwards
// ends it.
func TestPINChangesAroundARestart(t *testing.T) {
	w := newBoundWorld(t)
	old, h := w.loggedIn(rw)
	_, _ = w.ecPair(old, h, true)
	require.NoError(t, old.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	c := w.handOver(old)[0]
	w.signs(c, h)
	so, soh := w.open(rw)
	require.NoError(t, so.Login(soh, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(t, so.InitPIN(soh, pinOf("9999")))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(h)))
	require.NoError(t, c.Login(h, ck.CKU_USER, pinOf("9999")))
	w.signs(c, h)

	c = w.handOver(c, so)[0]
	w.signs(c, h)
}

// The SO goes on as the SO.
func TestSOGoesOn(t *testing.T) {
	w := newWorld(t)
	old, h := w.open(rw)
	require.NoError(t, old.Login(h, ck.CKU_SO, pinOf(soPIN)))
	c := w.handOver(old)[0]
	_, err := c.OpenSession(w.alice.Slot, ro)
	require.Equal(t, ck.CKR_SESSION_READ_WRITE_SO_EXISTS, ck.CodeOf(err))
	require.NoError(t, c.InitPIN(h, pinOf("5678")))
}

// A key that asks for the PIN at each use is as far as it was.
func TestContextLoginGoesOn(t *testing.T) {
	w := newWorld(t)
	old, h := w.loggedIn(rw)
	_, priv := w.ecPair(old, h, true, ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true))
	fresh := w.handOver(old)[0]
	require.NoError(t, fresh.SignInit(h, ecdsaMech, priv))
	_, err := fresh.Sign(h, make([]byte, 32), big1K)
	require.NoError(t, err, "the login was fresh")
	require.NoError(t, fresh.SignInit(h, ecdsaMech, priv))

	c := w.handOver(fresh)[0]
	_, err = c.Sign(h, make([]byte, 32), query)
	require.NoError(t, err)
	require.NoError(t, c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)), "it waits for the PIN")

	given := w.handOver(c)[0]
	_, err = given.Sign(h, make([]byte, 32), big1K)
	require.NoError(t, err, "the PIN was given")
	require.NoError(t, given.MessageSignInit(h, ecdsaMech, priv))
	require.NoError(t, given.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
	_, err = given.SignMessage(h, nil, make([]byte, 32), big1K)
	require.NoError(t, err)

	last := w.handOver(given)[0]
	_, err = last.SignMessage(h, nil, make([]byte, 32), big1K)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err), "each message asks for the PIN")
}

// A restart gives no free guesses: a wrong PIN is remembered, and so is how long the next one
// waits, over a second restart too, in which nobody used the token.
func TestWrongPINsGoOn(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(rw)
	for i := range 5 {
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(string(rune('a'+i))))))
	}
	waited := w.waited.Load()
	w.handOver()
	c = w.handOver(c)[0]
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("e"))))
	rec, err := c.TokenIn(w.alice.Slot)
	require.NoError(t, err)
	require.Equal(t, 5, rec.UserPIN.Failed, "a PIN that was wrong before was compared again")
	require.Equal(t, waited, w.waited.Load())
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("f"))))
	require.GreaterOrEqual(t, time.Duration(w.waited.Load()-waited), time.Second, "the wait began from zero")
}

// A state that C_GetOperationState gave before is good in the session after.
func TestOperationStateGoesOn(t *testing.T) {
	w := newWorld(t)
	old, h := w.open(ro)
	require.NoError(t, old.DigestInit(h, ck.Mechanism{Type: ck.CKM_SHA256}))
	require.NoError(t, old.DigestUpdate(h, []byte("one ")))
	state := saved(t, old, h)
	require.NoError(t, old.DigestUpdate(h, []byte("two")))
	want, err := old.DigestFinal(h, big1K)
	require.NoError(t, err)
	c := w.handOver(old)[0]
	require.NoError(t, c.SetOperationState(h, state, 0, 0))
	require.NoError(t, c.DigestUpdate(h, []byte("two")))
	got, err := c.DigestFinal(h, big1K)
	require.NoError(t, err)
	require.Equal(t, want.Data, got.Data)
	other, oh := w.open(ro)
	require.Equal(t, ck.CKR_SAVED_STATE_INVALID, ck.CodeOf(other.SetOperationState(oh, state, 0, 0)))
}

// Slots and events: what was told stays told, what was not is told, once.
func TestSlotEventsGoOn(t *testing.T) {
	w := newWorld(t)
	old := w.connect(aliceUID)
	slots, err := old.GetSlotList(true)
	require.NoError(t, err)
	require.NotEmpty(t, slots)
	require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Label = "renamed" }))
	gone, err := w.store.AddToken("alice", "second", userPIN, soPIN)
	require.NoError(t, err)
	restore := w.save(old)
	require.NoError(t, w.store.DeleteToken(gone.ID))
	third, err := w.store.AddToken("alice", "third", userPIN, soPIN)
	require.NoError(t, err)
	w.restart()
	c := restore(w.engine)[0]
	events := map[ck.SlotID]int{}
	for {
		slot, err := c.WaitForSlotEvent(context.Background(), true)
		if ck.CodeOf(err) == ck.CKR_NO_EVENT {
			break
		}
		require.NoError(t, err)
		events[slot]++
	}
	require.Equal(t, map[ck.SlotID]int{w.alice.Slot: 1, gone.Slot: 1, third.Slot: 1}, events)
	info, err := c.GetSlotInfo(gone.Slot)
	require.NoError(t, err, "the application was told of the slot")
	require.False(t, info.Flags.Has(ck.CKF_TOKEN_PRESENT))

	// An application that asked for nothing yet is not told of what is new.
	silent := w.handOver(w.connect(aliceUID))[0]
	_, err = silent.WaitForSlotEvent(context.Background(), true)
	require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
}

// A search returns what it has not returned yet.
func TestSearchGoesOn(t *testing.T) {
	w := newWorld(t)
	old, h := w.open(rw)
	var all []ck.ObjectHandle
	for range 5 {
		o, err := old.CreateObject(h, data("x", "v", public))
		require.NoError(t, err)
		all = append(all, o)
	}
	require.NoError(t, old.FindObjectsInit(h, ck.Template{ck.String(ck.CKA_LABEL, "x")}))
	found, err := old.FindObjects(h, 2)
	require.NoError(t, err)
	c := w.handOver(old)[0]
	more, err := c.FindObjects(h, 10)
	require.NoError(t, err)
	require.Equal(t, all, append(found, more...))
	require.NoError(t, c.FindObjectsFinal(h))
	next, err := c.CreateObject(h, data("x", "v", public))
	require.NoError(t, err)
	require.NotContains(t, all, next)
}

// What an operation or a session object is charged, it is charged after, and all of it goes.
func TestChargesGoOn(t *testing.T) {
	w, a := metered(t, 64*mib)
	old, h := w.loggedIn(rw)
	about := make([]byte, mib)
	gcm := ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: about[:12], IVBits: 96, AAD: about, TagBits: 128}}
	key := w.aes(old, h)
	h2 := w.session(old, ro)
	_, err := old.CreateObject(h2, data("large", string(bytes.Repeat([]byte("x"), mib/2)), public))
	require.NoError(t, err)
	require.NoError(t, old.FindObjectsInit(h2, nil))
	require.NoError(t, old.DecryptInit(h, gcm, key))
	require.NoError(t, errorOf(old.DecryptUpdate(h, make([]byte, mib), big1K)))
	before, _ := a.state()
	restore := w.save(old)
	old.Close()
	used, _ := a.state()
	require.Zero(t, used)
	c := restore(w.engineWith(a))[0]
	after, _ := a.state()
	require.Equal(t, before, after)
	c.Close()
	used, _ = a.state()
	require.Zero(t, used)
}

// Without the memory for it nothing is connected, and nothing stays charged.
func TestNoMemoryToRestore(t *testing.T) {
	w, a := metered(t, 64*mib)
	old, h := w.loggedIn(rw)
	for range 4 {
		_, err := old.CreateObject(h, data("large", string(bytes.Repeat([]byte("x"), mib/2)), public))
		require.NoError(t, err)
	}
	state, err := old.Save()
	require.NoError(t, err)
	old.Close()
	for _, limit := range []int{0, 6000, mib, 2 * mib} {
		a.limit = limit
		e := w.engineWith(a)
		_, err = e.Restore(peerOf(aliceUID), state)
		require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err), "%v", err)
		used, _ := a.state()
		require.Zero(t, used)
		clients, tokens := e.InUse()
		require.Zero(t, clients+tokens)
	}
	a.limit = 64 * mib
	c, err := w.engineWith(a).Restore(peerOf(aliceUID), state)
	require.NoError(t, err)
	c.Close()
}

// engineWith is a new engine on the world's store that charges the account.
func (w *world) engineWith(a *account) *vtoken.Engine {
	w.t.Helper()
	e, err := vtoken.New(w.store, vtoken.Options{Account: func(record.Peer) meter.Account { return a }})
	require.NoError(w.t, err)
	return e
}

// Save waits for calls that run, with changes of the store under way, and a state that was
// saved at any moment is a good one.
func TestSaveWhileCallsRun(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 3 {
		s := w.session(c, rw)
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = c.SignInit(s, ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, priv)
				_ = c.SignUpdate(s, []byte("data"))
				_, _ = c.SignFinal(s, big1K)
				if o, err := c.CreateObject(s, data("x", "v")); err == nil {
					_ = c.DestroyObject(s, o)
				}
			}
		})
	}
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Label = string(rune('a' + i%26)) })
		}
	})
	for range 30 {
		state, err := c.Save()
		require.NoError(t, err)
		e, err := vtoken.New(storeOf(w.store), vtoken.Options{})
		require.NoError(t, err)
		restored, err := e.Restore(peerOf(aliceUID), state)
		require.NoError(t, err)
		require.Empty(t, restored.NotRestored())
		require.Equal(t, ck.CKR_USER_ALREADY_LOGGED_IN, ck.CodeOf(restored.Login(h, ck.CKU_USER, pinOf(userPIN))))
		restored.Close()
	}
	close(stop)
	all.Wait()
}

// A short-lived process after a restart finds the PIN of an idle token remembered, and that of
// a PIN-bound token only while somebody is logged in.
func TestRightPINsGoOn(t *testing.T) {
	for i, newWorld := range worlds {
		w := newWorld(t)
		c, _ := w.loggedIn(ro)
		c.Close()
		hashes := w.store.Hashes()
		w.handOver()
		w.handOver() // in which nobody used the token
		w.loggedIn(ro)
		require.Equal(t, hashes+i, w.store.Hashes(), worldNames[i])
		require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Verifier = r.SOPIN.Verifier }))
		w.handOver()
		c, h := w.open(ro)
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	}
}

// A login that went over can be resumed after a crash, like one that did not; one that was left
// out cannot.
func TestLoginsAreToldAfterARestart(t *testing.T) {
	w := newWorld(t)
	old := w.connect(aliceUID)
	var first, second []vtoken.Login
	old.OnLogins(func(l []vtoken.Login) { first = l })
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.Len(t, first, 1)
	require.NoError(t, old.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	c := w.handOver(old)[0]
	c.OnLogins(func(l []vtoken.Login) { second = l })
	require.Equal(t, first, second)

	restore := w.save(c)
	require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Failed = r.UserPIN.Policy.MaxTries }))
	w.restart()
	told := false
	restore(w.engine)[0].OnLogins(func(l []vtoken.Login) {
		told = true
		require.Empty(t, l)
	})
	require.True(t, told)
}
