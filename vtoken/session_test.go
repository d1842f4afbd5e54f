package vtoken_test

import (
	"testing"

	"vtoken/vtoken/ck"
)

func TestOpenSession(t *testing.T) {
	w := newWorld(t)
	c := w.connect(aliceUID)
	_, err := c.OpenSession(w.alice.Slot, ck.CKF_RW_SESSION)
	want(t, err, ck.CKR_SESSION_PARALLEL_NOT_SUPPORTED)
	_, err = c.OpenSession(w.alice.Slot, rw|ck.CKF_ASYNC_SESSION)
	want(t, err, ck.CKR_SESSION_ASYNC_NOT_SUPPORTED)
	_, err = c.OpenSession(9999, rw)
	want(t, err, ck.CKR_SLOT_ID_INVALID)

	h := w.session(c, rw)
	info, err := c.GetSessionInfo(h)
	w.ok(err)
	if info != (ck.SessionInfo{SlotID: w.alice.Slot, State: ck.CKS_RW_PUBLIC_SESSION, Flags: rw}) {
		t.Errorf("%+v", info)
	}
	_, err = w.connect(aliceUID).GetSessionInfo(h)
	want(t, err, ck.CKR_SESSION_HANDLE_INVALID)
	w.ok(c.CloseSession(h))
	want(t, c.CloseSession(h), ck.CKR_SESSION_HANDLE_INVALID)
	want(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)), ck.CKR_SESSION_HANDLE_INVALID)
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
			w.ok(err)
			if info.State != state {
				t.Errorf("%s: state %d, want %d", step, info.State, state)
			}
		}
	}
	states("public", ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION)
	want(t, c.Login(second, ck.CKU_SO, pinOf(soPIN)), ck.CKR_SESSION_READ_ONLY_EXISTS)
	w.ok(c.Login(first, ck.CKU_USER, pinOf(userPIN)))
	states("user", ck.CKS_RO_USER_FUNCTIONS, ck.CKS_RW_USER_FUNCTIONS)
	want(t, c.Login(second, ck.CKU_USER, pinOf(userPIN)), ck.CKR_USER_ALREADY_LOGGED_IN)
	want(t, c.Login(second, ck.CKU_SO, pinOf(soPIN)), ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
	w.ok(c.Logout(second))
	want(t, c.Logout(second), ck.CKR_USER_NOT_LOGGED_IN)
	states("logged out", ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION)

	w.ok(c.CloseSession(first))
	w.ok(c.Login(second, ck.CKU_SO, pinOf(soPIN)))
	first = second
	states("SO", ck.CKS_RW_SO_FUNCTIONS, ck.CKS_RW_SO_FUNCTIONS)
	_, err := c.OpenSession(w.alice.Slot, ro)
	want(t, err, ck.CKR_SESSION_READ_WRITE_SO_EXISTS)
	w.session(c, rw)
	want(t, c.Login(second, ck.CKU_USER, pinOf(userPIN)), ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
}

// With the last session goes the login.
func TestLastSessionEndsLogin(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"one by one", "all at once"} {
		c, a := w.loggedIn(rw)
		b := w.session(c, ro)
		w.ok(c.CloseSession(a))
		if info, err := c.GetSessionInfo(b); err != nil || info.State != ck.CKS_RO_USER_FUNCTIONS {
			t.Fatalf("%s: %+v, %v after one of two sessions", name, info, err)
		}
		if name == "one by one" {
			w.ok(c.CloseSession(b))
		} else {
			w.ok(c.CloseAllSessions(w.alice.Slot))
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
	if _, err := c.CreateObject(h, data("session object", "v")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	c.Close()
	_, err := c.GetSessionInfo(h)
	want(t, err, ck.CKR_SESSION_HANDLE_INVALID)
	_, err = c.OpenSession(w.alice.Slot, rw)
	want(t, err, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
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
		w.ok(err)
		w.ok(c.Login(h, ck.CKU_USER, pinOf(userPIN)))
		_, err = c.CreateObject(h, data("session object", "v"))
		w.ok(err)
		c.Close()
	}
	if clients, tokens := w.engine.InUse(); clients != 0 || tokens != 0 {
		t.Errorf("%d clients and %d tokens in use", clients, tokens)
	}
}
