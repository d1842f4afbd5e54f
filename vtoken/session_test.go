package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

func TestOpenSession(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	_, err := c.OpenSession(w.alice.Slot, ck.CKF_RW_SESSION)
	require.Equal(t, ck.CKR_SESSION_PARALLEL_NOT_SUPPORTED, ck.CodeOf(err))
	_, err = c.OpenSession(w.alice.Slot, rw|ck.CKF_ASYNC_SESSION)
	require.Equal(t, ck.CKR_SESSION_ASYNC_NOT_SUPPORTED, ck.CodeOf(err))
	_, err = c.OpenSession(9999, rw)
	require.Equal(t, ck.CKR_SLOT_ID_INVALID, ck.CodeOf(err))

	h := w.session(c, rw)
	info, err := c.GetSessionInfo(h)
	require.NoError(w.t, err)
	if info != (ck.SessionInfo{SlotID: w.alice.Slot, State: ck.CKS_RW_PUBLIC_SESSION, Flags: rw}) {
		t.Errorf("%+v", info)
	}
	_, err = w.connect(aliceUID).GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
	require.NoError(w.t, c.CloseSession(h))
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(c.CloseSession(h)))
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
}

// The states of sessions under each login (section 5.6).
func TestSessionStates(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	first, second := w.session(c, ro), w.session(c, rw)
	states := func(step string, a, b ck.State) {
		t.Helper()
		for h, state := range map[ck.SessionHandle]ck.State{first: a, second: b} {
			info, err := c.GetSessionInfo(h)
			require.NoError(w.t, err)
			require.Equal(t, state, info.State, "%s: state %d, want %d", step, info.State, state)
		}
	}
	states("public", ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION)
	require.Equal(t, ck.CKR_SESSION_READ_ONLY_EXISTS, ck.CodeOf(c.Login(second, ck.CKU_SO, pinOf(soPIN))))
	require.NoError(w.t, c.Login(first, ck.CKU_USER, pinOf(userPIN)))
	states("user", ck.CKS_RO_USER_FUNCTIONS, ck.CKS_RW_USER_FUNCTIONS)
	require.Equal(t, ck.CKR_USER_ALREADY_LOGGED_IN, ck.CodeOf(c.Login(second, ck.CKU_USER, pinOf(userPIN))))
	require.Equal(t, ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN, ck.CodeOf(c.Login(second, ck.CKU_SO, pinOf(soPIN))))
	require.NoError(w.t, c.Logout(second))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(second)))
	states("logged out", ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION)

	require.NoError(w.t, c.CloseSession(first))
	require.NoError(w.t, c.Login(second, ck.CKU_SO, pinOf(soPIN)))
	first = second
	states("SO", ck.CKS_RW_SO_FUNCTIONS, ck.CKS_RW_SO_FUNCTIONS)
	_, err := c.OpenSession(w.alice.Slot, ro)
	require.Equal(t, ck.CKR_SESSION_READ_WRITE_SO_EXISTS, ck.CodeOf(err))
	w.session(c, rw)
	require.Equal(t, ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN, ck.CodeOf(c.Login(second, ck.CKU_USER, pinOf(userPIN))))
}

// With the last session goes the login.
func TestLastSessionEndsLogin(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one by one", "all at once"} {
		c, a := w.loggedIn(rw)
		b := w.session(c, ro)
		require.NoError(w.t, c.CloseSession(a))
		if info, err := c.GetSessionInfo(b); err != nil || info.State != ck.CKS_RO_USER_FUNCTIONS {
			t.Fatalf("%s: %+v, %v after one of two sessions", name, info, err)
		}
		if name == "one by one" {
			require.NoError(w.t, c.CloseSession(b))
		} else {
			require.NoError(w.t, c.CloseAllSessions(w.alice.Slot))
		}
		h := w.session(c, ro)
		if info, err := c.GetSessionInfo(h); err != nil || info.State != ck.CKS_RO_PUBLIC_SESSION {
			t.Errorf("%s: %+v, %v after the last session", name, info, err)
		}
	}
}

// Close ends everything of the application and nothing of others.
func TestCloseEndsTheApplication(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	other, oh := w.loggedIn(rw)
	_, err := c.CreateObject(h, data("session object", "v"))
	require.NoError(t, err)
	c.Close()
	c.Close()
	_, err = c.GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
	_, err = c.OpenSession(w.alice.Slot, rw)
	require.Equal(t, ck.CKR_CRYPTOKI_NOT_INITIALIZED, ck.CodeOf(err))
	if info, err := other.GetSessionInfo(oh); err != nil || info.State != ck.CKS_RW_USER_FUNCTIONS {
		t.Errorf("the other application: %+v, %v", info, err)
	}
	clients, tokens := w.engine.InUse()
	if clients != 1 || tokens != 1 {
		t.Errorf("%d clients and %d tokens in use", clients, tokens)
	}
}

// Many short clients leave nothing behind.
func TestShortClientsLeaveNothing(t *testing.T) {
	w := newWorld(t)
	for range 2000 {
		c := w.engine.Connect(peerOf(aliceUID))
		h, err := c.OpenSession(w.alice.Slot, rw)
		require.NoError(w.t, err)
		require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
		_, err = c.CreateObject(h, data("session object", "v"))
		require.NoError(w.t, err)
		c.Close()
	}
	if clients, tokens := w.engine.InUse(); clients != 0 || tokens != 0 {
		t.Errorf("%d clients and %d tokens in use", clients, tokens)
	}
}
