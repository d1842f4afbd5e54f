package vtoken_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

func (w *world) flags() ck.Flags {
	w.t.Helper()
	info, err := w.connect(aliceUID).GetTokenInfo(w.alice.Slot)
	require.NoError(w.t, err)
	return info.Flags
}

// Wrong tries count down to the lock, with the right flag at each step; a
// right PIN in between starts over.
func TestPINTries(t *testing.T) {
	w := newWorld(t)
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Policy.MaxTries = 3 }))
	c, h := w.open(rw)
	tries := 0
	wrong := func() error {
		tries++
		return c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong-", tries)))
	}
	states := ck.CKF_USER_PIN_COUNT_LOW | ck.CKF_USER_PIN_FINAL_TRY | ck.CKF_USER_PIN_LOCKED
	expect := func(step string, f ck.Flags) {
		t.Helper()
		if got := w.flags() & states; got != f {
			t.Errorf("%s: flags %x, want %x", step, got, f)
		}
	}
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(wrong()))
	expect("one wrong try", ck.CKF_USER_PIN_COUNT_LOW)
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(wrong()))
	expect("two wrong tries", ck.CKF_USER_PIN_COUNT_LOW|ck.CKF_USER_PIN_FINAL_TRY)
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	expect("a right try", 0)
	require.NoError(w.t, c.Logout(h))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(wrong()))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, nil)))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(wrong()))
	require.Equal(t, ck.CKR_PIN_LOCKED, ck.CodeOf(wrong()))
	expect("three wrong tries", ck.CKF_USER_PIN_LOCKED)
	require.Equal(t, ck.CKR_PIN_LOCKED, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	require.Equal(t, ck.CKR_PIN_LOCKED, ck.CodeOf(c.SetPIN(h, pinOf(userPIN), pinOf("5678"))))
	require.Equal(t, ck.CKR_USER_TYPE_INVALID, ck.CodeOf(c.Login(h, 77, pinOf(userPIN))))
	require.Equal(t, ck.CKR_USER_TYPE_INVALID, ck.CodeOf(c.LoginUser(h, ck.CKU_USER, pinOf(userPIN), []byte("me"))))

	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(w.t, c.InitPIN(h, pinOf("5678")))
	expect("a reset", 0)
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.LoginUser(h, ck.CKU_USER, pinOf("5678"), nil))
}

// A right PIN is remembered for the daemon's run: no slow hash, no commit. A new
// PIN is another PIN.
func TestRememberedPIN(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	require.NoError(w.t, c.Logout(h))
	hashes := w.store.Hashes()
	w.store.BeforeCommit = func() error { return errors.New("a commit") }
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	w.store.BeforeCommit = nil
	require.Equal(t, hashes, w.store.Hashes(), "the PIN was hashed again")
	require.NoError(w.t, c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	require.NoError(w.t, c.Logout(h))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	hashes = w.store.Hashes()
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
	require.Equal(t, hashes, w.store.Hashes(), "the new PIN was hashed again")
	if got := w.flags(); got.Has(ck.CKF_USER_PIN_COUNT_LOW) {
		t.Error("the wrong try still counts")
	}
}

// A try that cannot be stored is no try, and no login.
func TestLoginNeedsCommit(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(rw)
	w.store.BeforeCommit = func() error { return ck.Errorf(ck.CKR_DEVICE_MEMORY, "the disk is full") }
	hashes := w.store.Hashes()
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	require.Equal(t, hashes, w.store.Hashes(), "the PIN was compared before the try was stored")
	first := true
	w.store.BeforeCommit = func() error {
		if first {
			first = false
			return nil
		}
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "the disk is full")
	}
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(userPIN))))
	w.store.BeforeCommit = nil
	if info, err := c.GetSessionInfo(h); err != nil || info.State != ck.CKS_RW_PUBLIC_SESSION {
		t.Errorf("%+v, %v after a login that was not stored", info, err)
	}
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
}

// A login belongs to one application.
func TestLoginIsTheApplications(t *testing.T) {
	w := newWorld(t)
	w.loggedIn(rw)
	other, h := w.open(rw)
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(other.Login(h, ck.CKU_USER, pinOf("wrong"))))
	if info, err := other.GetSessionInfo(h); err != nil || info.State != ck.CKS_RW_PUBLIC_SESSION {
		t.Errorf("%+v, %v", info, err)
	}
}

// Parallel wrong tries are limited like others, and parallel right ones never
// look wrong.
func TestParallelTries(t *testing.T) {
	w := newWorld(t)
	codes, wrong := make(chan ck.Error, 100), 0
	race := func(p func() string) map[ck.Error]int {
		var wg sync.WaitGroup
		for range 50 {
			c, h := w.open(rw)
			p := pinOf(p())
			wg.Go(func() { codes <- ck.CodeOf(c.Login(h, ck.CKU_USER, p)) })
		}
		wg.Wait()
		count := map[ck.Error]int{}
		for range 50 {
			count[<-codes]++
		}
		return count
	}
	if got := race(func() string { return userPIN }); got[ck.CKR_OK] != 50 {
		t.Errorf("right PINs: %v", got)
	}
	hashes := w.store.Hashes()
	// Tries that would wait too long in a row are refused before they are compared.
	got := race(func() string { wrong++; return fmt.Sprint("wrong-", wrong) })
	if compared := got[ck.CKR_PIN_INCORRECT] + 1; compared != pin.Default.MaxTries ||
		got[ck.CKR_PIN_LOCKED]+got[ck.CKR_FUNCTION_FAILED] != 51-compared {
		t.Errorf("wrong PINs: %v", got)
	}
	if n := w.store.Hashes() - hashes; n != pin.Default.MaxTries {
		t.Errorf("%d comparisons of a PIN with %d tries", n, pin.Default.MaxTries)
	}
}

// A locked PIN ends the logins of all applications.
func TestLockEndsLogins(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	other, oh := w.open(rw)
	for i := range pin.Default.MaxTries {
		_ = other.Login(oh, ck.CKU_USER, pinOf(fmt.Sprint("wrong-", i)))
	}
	if info, err := c.GetSessionInfo(h); err != nil || info.State != ck.CKS_RW_PUBLIC_SESSION {
		t.Errorf("%+v, %v", info, err)
	}
}

// The holder's change of the PIN leaves logins alone; anyone else's ends them.
func TestPINChangesAndLogins(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	other, oh := w.loggedIn(ro)
	state := func() ck.State {
		t.Helper()
		info, err := other.GetSessionInfo(oh)
		require.NoError(w.t, err)
		return info.State
	}
	require.Equal(t, ck.CKR_SESSION_READ_ONLY, ck.CodeOf(other.SetPIN(oh, pinOf(userPIN), pinOf("5678"))))
	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(c.SetPIN(h, pinOf(userPIN), pinOf("1"))))
	require.Equal(t, ck.CKR_PIN_INVALID, ck.CodeOf(c.SetPIN(h, pinOf(userPIN), pinOf("\xff\xff\xff\xff"))))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.SetPIN(h, pinOf("wrong"), pinOf("5678"))))
	require.NoError(w.t, c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	require.Equal(t, ck.CKS_RO_USER_FUNCTIONS, state(), "C_SetPIN ended a login")
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) {
		r.UserPIN.Verifier = append([]byte("another"), r.UserPIN.Verifier...)
	}))
	require.Equal(t, ck.CKS_RO_PUBLIC_SESSION, state(), "a reset PIN left a login")
}

// In a public session C_SetPIN is for the user PIN, in the SO's for the SO's.
func TestWhosePINIsSet(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(rw)
	require.NoError(w.t, c.SetPIN(h, pinOf(userPIN), pinOf("5678")))
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(w.t, c.SetPIN(h, pinOf(soPIN), pinOf("so-secret-2")))
	require.NoError(w.t, c.Logout(h))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_SO, pinOf(soPIN))))
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf("so-secret-2")))
	require.NoError(w.t, c.Logout(h))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf("5678")))
}

// A token without an SO PIN has no PIN that the SO could give.
func TestNoSOPIN(t *testing.T) {
	w := newWorld(t)
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.SOPIN = pin.State{Policy: pin.Default} }))
	c, h := w.open(rw)
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_SO, pinOf(soPIN))))
}

// The same wrong PIN again is wrong and counts once, for the OS user who gave it,
// for a while, and until the PIN is another one.
func TestSameWrongPIN(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	e, err := vtoken.New(w.store, vtoken.Options{Now: func() time.Time { return now }, Wait: func(context.Context, time.Duration) {}})
	require.NoError(w.t, err)
	w.engine = e
	w.store.MapUser(strangerUID, "alice")
	c, h := w.open(rw)
	stranger := w.connect(strangerUID)
	sh := w.session(stranger, rw)
	try := func(c *vtoken.Client, h ck.SessionHandle, p string, code ck.Error, counted int) {
		t.Helper()
		require.Equal(t, code, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(p))))
		var n int
		require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { n = r.UserPIN.Failed }))
		require.Equal(t, counted, n, "%d tries counted, want %d", n, counted)
	}
	try(c, h, "stale", ck.CKR_PIN_INCORRECT, 1)
	hashes := w.store.Hashes()
	for range 20 {
		try(c, h, "stale", ck.CKR_PIN_INCORRECT, 1)
	}
	require.Equal(t, hashes, w.store.Hashes(), "the same PIN was compared again")
	try(stranger, sh, "stale", ck.CKR_PIN_INCORRECT, 2)
	try(c, h, "stalf", ck.CKR_PIN_INCORRECT, 3)
	try(c, h, "stale", ck.CKR_PIN_INCORRECT, 4)
	now = now.Add(6 * time.Minute)
	try(c, h, "stale", ck.CKR_PIN_INCORRECT, 5)
	try(c, h, userPIN, ck.CKR_OK, 0)
	require.NoError(w.t, c.Logout(h))
	try(c, h, "stale", ck.CKR_PIN_INCORRECT, 1)

	// It is right once it is the PIN.
	require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
	require.NoError(w.t, c.InitPIN(h, pinOf("stale")))
	require.NoError(w.t, c.Logout(h))
	try(c, h, "stale", ck.CKR_OK, 0)
}
