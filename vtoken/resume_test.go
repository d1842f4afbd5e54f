package vtoken_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// told is what an application's logins were when they last changed.
type told struct {
	logins []vtoken.Login
	times  int
}

// last returns the logins with keys of their own.
func (l *told) last() []vtoken.Login {
	list := make([]vtoken.Login, len(l.logins))
	for i, one := range l.logins {
		list[i] = one
		list[i].Bound = one.Bound.Clone()
	}
	return list
}

// tellingClient is an application of alice whose logins somebody is told of.
func (w *world) tellingClient() (*vtoken.Client, *told) {
	c, l := w.connect(aliceUID), new(told)
	l.listen(c)
	return c, l
}

func (l *told) listen(c *vtoken.Client) {
	c.OnLogins(func(logins []vtoken.Login) {
		l.times++
		l.logins = nil
		for _, one := range logins {
			kept := one
			kept.Bound = one.Bound.Clone()
			l.logins = append(l.logins, kept)
			one.Bound.Wipe()
		}
	})
}

// resumed is a session as an application has it in mind.
func (w *world) resumed(h ck.SessionHandle, flags ck.Flags) vtoken.ResumedSession {
	return vtoken.ResumedSession{Handle: h, Slot: w.alice.Slot, Flags: flags}
}

func (w *world) state(c *vtoken.Client, h ck.SessionHandle) ck.State {
	w.t.Helper()
	info, err := c.GetSessionInfo(h)
	require.NoError(w.t, err)
	return info.State
}

// After a crash an application has its sessions under their handles, and its login, in both
// kinds of token. New sessions have other handles.
func TestResume(t *testing.T) {
	for i, newWorld := range worlds {
		t.Run(worldNames[i], func(t *testing.T) {
			w := newWorld(t)
			old, kept := w.tellingClient()
			h, h2 := w.session(old, rw), w.session(old, ro)
			require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
			_, _ = w.ecPair(old, h, true)
			hashes := w.store.Hashes()

			w.restart()
			c, again := w.tellingClient()
			lost, rest := resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw), w.resumed(h2, ro)}, kept.last())
			require.Empty(t, lost)
			require.Empty(t, rest)
			require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, w.state(c, h))
			require.Equal(t, ck.CKS_RO_USER_FUNCTIONS, w.state(c, h2))
			w.signs(c, h2)
			require.Equal(t, hashes, w.store.Hashes(), "no PIN was compared")
			require.Equal(t, kept.last(), again.last(), "the next crash finds the same")
			require.NotContains(t, []ck.SessionHandle{h, h2}, w.session(c, rw))

			require.NoError(t, c.Logout(h2))
			require.Empty(t, again.logins)
			require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, h))
			require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
			w.signs(c, h)
			c.Close()
			require.NotEmpty(t, again.logins, "the end of the application is no logout")
			private, _ := w.engine.ParsedKeys()
			require.Zero(t, private)
		})
	}
}

// Who keeps the logins hears of each that begins or ends, before the call that did it returns,
// and of nothing else.
func TestLoginsAreTold(t *testing.T) {
	w := newWorld(t)
	c, l := w.tellingClient()
	h := w.session(c, rw)
	require.Error(t, c.Login(h, ck.CKU_USER, pinOf("wrong")))
	require.Zero(t, l.times)
	in := func() {
		t.Helper()
		times := l.times
		require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
		require.Equal(t, times+1, l.times)
		require.Len(t, l.logins, 1)
		require.Equal(t, w.alice.ID, l.logins[0].Token)
		require.Equal(t, pin.User, l.logins[0].Role)
		require.Nil(t, l.logins[0].Bound)
	}
	out := func(times int) {
		t.Helper()
		require.Equal(t, times, l.times)
		require.Empty(t, l.logins)
	}
	in()
	require.Equal(t, ck.CKR_USER_ALREADY_LOGGED_IN, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	_, _ = w.ecPair(c, h, true)
	require.Equal(t, 1, l.times)
	require.NoError(t, c.Logout(h))
	out(2)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(h)))
	out(2)
	in()
	require.NoError(t, c.CloseSession(h)) // the last one
	out(4)
	h = w.session(c, rw)
	in()
	require.NoError(t, c.CloseAllSessions(w.alice.Slot))
	out(6)
	h = w.session(c, rw)
	in()
	require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Enabled = false }))
	out(8)
}

// A login that does not hold any more is not given back, and the application finds itself
// logged out, or without a session.
func TestResumeWhatEnded(t *testing.T) {
	setPIN := func(w *world, role pin.Role) error {
		v, err := w.store.HashPIN(w.alice.ID, role, pinOf("other"), nil)
		require.NoError(w.t, err)
		return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { *r.PIN(role) = r.PIN(role).Change(v, time.Now()) })
	}
	lock := func(w *world, role pin.Role) error {
		return w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.PIN(role).Failed = r.PIN(role).Policy.MaxTries })
	}
	change := func(change func(*record.Token)) func(*world, pin.Role) error {
		return func(w *world, _ pin.Role) error { return w.store.ChangeToken(w.alice.ID, change) }
	}
	for name, c := range map[string]struct {
		do   func(*world, pin.Role) error
		lost bool // the sessions, too
	}{
		"another PIN": {setPIN, false},
		"locked":      {lock, false},
		"no PIN": {func(w *world, role pin.Role) error {
			return change(func(r *record.Token) { r.PIN(role).Verifier = nil })(w, role)
		}, false},
		"disabled":     {change(func(r *record.Token) { r.Enabled = false }), true},
		"expired":      {change(func(r *record.Token) { r.ExpiresAt = time.Now().Add(-time.Hour) }), true},
		"another user": {change(func(r *record.Token) { r.Holders = record.HeldBy("bob", time.Time{}, "") }), true},
		"nobody's":     {change(func(r *record.Token) { r.Holders = nil }), true},
		"empty again":  {change(func(r *record.Token) { r.Initialized = false }), true},
		"deleted":      {func(w *world, _ pin.Role) error { return w.store.DeleteToken(w.alice.ID) }, true},
		"no user": {func(w *world, _ pin.Role) error {
			w.store.UnmapUser(aliceUID)
			return nil
		}, true},
	} {
		for i, newWorld := range worlds {
			for _, role := range []pin.Role{pin.User, pin.SO} {
				t.Run(name+"/"+worldNames[i]+"/"+role.String(), func(t *testing.T) {
					w := newWorld(t)
					old, kept := w.tellingClient()
					h := w.session(old, rw)
					user, p := ck.CKU_USER, userPIN
					if role == pin.SO {
						user, p = ck.CKU_SO, soPIN
					}
					require.NoError(t, old.Login(h, user, pinOf(p)))
					logins := kept.last() // the old engine is there, and hears of the change
					require.Len(t, logins, 1)
					w.restart()
					require.NoError(t, c.do(w, role))
					app, again := w.tellingClient()
					lost, rest := resumed(t, app, []vtoken.ResumedSession{w.resumed(h, rw)}, logins)
					require.Empty(t, again.logins)
					if c.lost {
						require.Equal(t, []ck.SessionHandle{h}, lost)
						require.Len(t, rest, 1)
						_, err := app.GetSessionInfo(h)
						require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
						return
					}
					require.Empty(t, lost)
					require.Empty(t, rest)
					require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(app, h))
				})
			}
		}
	}
}

// The SO has its login back as the user has, as far as the sessions allow it.
func TestResumeSO(t *testing.T) {
	w := newWorld(t)
	old, kept := w.tellingClient()
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_SO, pinOf(soPIN)))
	w.restart()
	c, _ := w.tellingClient()
	lost, rest := resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, kept.last())
	require.Empty(t, lost)
	require.Empty(t, rest)
	require.Equal(t, ck.CKS_RW_SO_FUNCTIONS, w.state(c, h))
	require.NoError(t, c.InitPIN(h, pinOf("5678")))

	// An application that asks for a read-only session as well has no SO.
	c, again := w.tellingClient()
	lost, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw), w.resumed(h+1, ro)}, kept.last())
	require.Empty(t, lost)
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, h))
	require.Empty(t, again.logins)
}

// Without the key of a PIN-bound token, or with another one, there is no login, or none that
// opens a key.
func TestResumeWithoutTheKey(t *testing.T) {
	w := newBoundWorld(t)
	old, kept := w.tellingClient()
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	_, _ = w.ecPair(old, h, true)
	w.restart()
	logins := kept.last()
	logins[0].Bound = nil
	c, again := w.tellingClient()
	lost, rest := resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, logins)
	require.Empty(t, lost)
	require.Empty(t, rest)
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, h))
	require.Empty(t, again.logins)
	c.Close()

	logins[0].Bound = make([]byte, 32)
	c, _ = w.tellingClient()
	_, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, logins)
	keys := w.find(c, h, ck.Ulong(ck.CKA_CLASS, uint64(ck.CKO_PRIVATE_KEY)))
	if len(keys) == 1 {
		if err := c.SignInit(h, ecdsaMech, keys[0]); err == nil {
			_, err = c.Sign(h, make([]byte, 32), big1K)
			require.Error(t, err)
		}
	}
	c.Close()

	// The right one is wiped with the last login.
	c, _ = w.tellingClient()
	_, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, kept.last())
	w.signs(c, h)
	require.NotZero(t, w.engine.HeldKeys())
	c.Close()
	require.Zero(t, w.engine.HeldKeys())
}

// A key that asks for the PIN at each use does so after a crash as well, although a fresh
// login would have been enough once.
func TestResumedLoginIsNotFresh(t *testing.T) {
	w := newWorld(t)
	old, kept := w.tellingClient()
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	_, _ = w.ecPair(old, h, true, ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true))
	w.restart()
	c, _ := w.tellingClient()
	_, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, kept.last())
	keys := w.find(c, h, ck.Ulong(ck.CKA_CLASS, uint64(ck.CKO_PRIVATE_KEY)))
	require.Len(t, keys, 1)
	require.NoError(t, c.SignInit(h, ecdsaMech, keys[0]))
	_, err := c.Sign(h, make([]byte, 32), big1K)
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
	require.NoError(t, c.SignInit(h, ecdsaMech, keys[0]))
	require.NoError(t, c.Login(h, ck.CKU_CONTEXT_SPECIFIC, pinOf(userPIN)))
	_, err = c.Sign(h, make([]byte, 32), big1K)
	require.NoError(t, err)
}

// A login waits for a session with its token: sessions may come in several parts.
func TestResumeInParts(t *testing.T) {
	w := newWorld(t)
	w.store.MapUser(aliceUID, "bob")
	old, kept := w.tellingClient()
	h := w.session(old, rw)
	h2, err := old.OpenSession(w.bob.Slot, rw)
	require.NoError(t, err)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.NoError(t, old.Login(h2, ck.CKU_USER, pinOf(userPIN)))
	require.Len(t, kept.logins, 2)
	w.restart()
	c, again := w.tellingClient()
	lost, rest := resumed(t, c, nil, kept.last())
	require.Empty(t, lost)
	require.Len(t, rest, 2)
	lost, rest = resumed(t, c, []vtoken.ResumedSession{{Handle: h2, Slot: w.bob.Slot, Flags: rw}}, rest)
	require.Empty(t, lost)
	require.Len(t, rest, 1)
	require.Len(t, again.logins, 1)
	lost, rest = resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, rest)
	require.Empty(t, lost)
	require.Empty(t, rest)
	require.Len(t, again.logins, 2)
	for _, h := range []ck.SessionHandle{h, h2} {
		require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, w.state(c, h))
	}
	// A login that an application has already is not given twice.
	lost, rest = resumed(t, c, nil, kept.last())
	require.Empty(t, lost)
	require.Empty(t, rest)
	require.NoError(t, c.Logout(h))
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, h))
}

// Handles and slots are what an application says. What it cannot have is lost, and it pays for
// what it has.
func TestResumeHostileSessions(t *testing.T) {
	w, a := metered(t, 64*mib)
	c := w.connect(aliceUID)
	const odd = ck.SessionHandle(1<<64 - 1)
	lost, _ := resumed(t, c, []vtoken.ResumedSession{
		w.resumed(0, rw),
		w.resumed(7, rw), w.resumed(7, ro),
		w.resumed(odd, ck.Flags(1<<64-1)),
		{Handle: 8, Slot: w.bob.Slot, Flags: rw},
		{Handle: 9, Slot: 1 << 40, Flags: rw},
	}, nil)
	require.Equal(t, []ck.SessionHandle{0, 7, 8, 9}, lost)
	lost, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(7, ro), {Handle: 7, Slot: w.bob.Slot, Flags: rw}, w.resumed(7, rw)}, nil)
	require.Equal(t, []ck.SessionHandle{7, 7}, lost, "not what the application has under that handle")
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, 7), "the first of the two")
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, odd))
	other := w.connect(aliceUID)
	_, err := other.GetSessionInfo(7)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err), "of another application")

	many := make([]vtoken.ResumedSession, 200)
	for i := range many {
		many[i] = w.resumed(ck.SessionHandle(100+i), ro)
	}
	lost, _ = resumed(t, c, many, nil)
	require.Len(t, lost, 200-98, "100 is the limit, and there were two")
	used, _ := a.state()
	require.Positive(t, used)
	_, err = c.OpenSession(w.alice.Slot, rw)
	require.Equal(t, ck.CKR_SESSION_COUNT, ck.CodeOf(err))
	require.NoError(t, c.CloseSession(odd))
	next, err := c.OpenSession(w.alice.Slot, rw)
	require.NoError(t, err)
	require.NotEqual(t, ck.SessionHandle(0), next)
	c.Close()
	other.Close()
	used, _ = a.state()
	require.Zero(t, used)

	// Without memory there is no session, and nothing is charged.
	w, a = metered(t, 100)
	c = w.connect(aliceUID)
	lost, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(7, rw)}, nil)
	require.Equal(t, []ck.SessionHandle{7}, lost)
	c.Close()
	used, _ = a.state()
	require.Zero(t, used)
}

// A closed application resumes nothing.
func TestResumeOfAClosedApplication(t *testing.T) {
	w := newWorld(t)
	old, kept := w.tellingClient()
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	w.restart()
	c, again := w.tellingClient()
	c.Close()
	_, rest, err := c.Resume([]vtoken.ResumedSession{w.resumed(h, rw)}, kept.last())
	require.ErrorIs(t, err, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	require.Len(t, rest, 1)
	require.Zero(t, again.times)
	clients, tokens := w.engine.InUse()
	require.Zero(t, clients+tokens)
}

// A policy of the tenant says that logins end with the daemon: nobody is told of them, and
// earlier ones are not given back. A planned restart keeps them.
func TestForgottenLogins(t *testing.T) {
	w := newWorld(t)
	old, kept := w.tellingClient()
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	_, _ = w.ecPair(old, h, true)
	logins := kept.last()
	require.Len(t, logins, 1)
	w.store.ForgetLogins = true
	w.signs(old, h)

	w.restart()
	c, again := w.tellingClient()
	lost, rest := resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, logins)
	require.Empty(t, lost)
	require.Empty(t, rest)
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, h))
	require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.Empty(t, again.logins)
	w.signs(c, h)

	restored := w.handOver(c)[0]
	require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, w.state(restored, h))
	w.signs(restored, h)
}

// What a planned restart restored outlives a crash as well.
func TestRestoredLoginIsTold(t *testing.T) {
	w := newWorld(t)
	w.store.MapUser(aliceUID, "bob")
	old, before := w.tellingClient()
	h := w.session(old, rw)
	require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.Len(t, before.logins, 1)

	restored := w.handOver(old)[0]
	after := new(told)
	after.listen(restored)
	h2, err := restored.OpenSession(w.bob.Slot, rw)
	require.NoError(t, err)
	require.NoError(t, restored.Login(h2, ck.CKU_USER, pinOf(userPIN)))
	require.Len(t, after.logins, 2)
	require.Subset(t, after.logins, before.logins)
}

// resumed is Resume, which is answered.
func resumed(t *testing.T, c *vtoken.Client, sessions []vtoken.ResumedSession, logins []vtoken.Login) ([]ck.SessionHandle, []vtoken.Login) {
	t.Helper()
	lost, rest, err := c.Resume(sessions, logins)
	require.NoError(t, err)
	return lost, rest
}

// deafStore is a store that cannot be read for a while.
type deafStore struct {
	*enginetest.Store
	deaf atomic.Bool
}

func (s *deafStore) View(fn func(tx vtoken.ReadTx) error) error {
	if s.deaf.Load() {
		return ck.Errorf(ck.CKR_DEVICE_ERROR, "the disk does not answer")
	}
	return s.Store.View(fn)
}

// Where the store cannot be read, or the client is closed, nobody knows whether the sessions
// can be had: none is called lost, and no login.
func TestResumeThatFails(t *testing.T) {
	w := newWorld(t)
	store := &deafStore{Store: w.store}
	engine, err := vtoken.New(store, vtoken.Options{})
	require.NoError(t, err)
	logins := []vtoken.Login{{Token: w.alice.ID}}
	c := engine.Connect(peerOf(aliceUID))
	requireAll := func(code ck.Error) {
		t.Helper()
		lost, rest, err := c.Resume([]vtoken.ResumedSession{w.resumed(7, rw)}, logins)
		require.ErrorIs(t, err, code)
		require.Empty(t, lost)
		require.Equal(t, logins, rest)
	}
	store.deaf.Store(true)
	requireAll(ck.CKR_DEVICE_ERROR)
	store.deaf.Store(false)
	lost, _ := resumed(t, c, []vtoken.ResumedSession{w.resumed(7, rw)}, nil)
	require.Empty(t, lost)
	c.Close()
	requireAll(ck.CKR_CRYPTOKI_NOT_INITIALIZED)
}
