package vtoken_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// TestLastUse: a login is noted once an hour, for the user only; one with a PIN that
// is remembered waits for no commit, and a store that fails is tried again later.
func TestLastUse(t *testing.T) {
	w, set := clocked(t)
	notes := make(chan time.Time, 16)
	var last time.Time
	w.store.Watch(func(changes []record.Change) {
		for _, c := range changes {
			if c.Token != nil && c.Token.ID == w.alice.ID && !c.Token.LastUsedAt.Equal(last) {
				last = c.Token.LastUsedAt
				notes <- last
			}
		}
	})
	held, goes := make(chan struct{}), make(chan error)
	var hold atomic.Bool
	w.store.BeforeCommit = func() error {
		if !hold.Load() {
			return nil
		}
		held <- struct{}{}
		return <-goes
	}
	login := func(user ck.UserType, p string) {
		t.Helper()
		c, h := w.open(rw)
		require.NoError(w.t, c.Login(h, user, pinOf(p)))
		c.Close()
	}
	none := func(why string) {
		t.Helper()
		require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(*record.Token) {})) // what was on its way is through
		select {
		case at := <-notes:
			t.Errorf("%s: noted for %v", why, at)
		default:
		}
	}
	noted := func(at time.Time) {
		t.Helper()
		if got := <-notes; !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("noted for %v, want %v", got, at)
		}
	}

	start := time.Now()
	set(start)
	login(ck.CKU_SO, soPIN)
	none("the SO")
	login(ck.CKU_USER, userPIN)
	noted(start)
	set(start.Add(59 * time.Minute))
	login(ck.CKU_USER, userPIN)
	none("within the hour")

	// The commit waits, the login does not; further ones add nothing.
	hold.Store(true)
	later := start.Add(time.Hour)
	set(later)
	login(ck.CKU_USER, userPIN)
	<-held
	login(ck.CKU_USER, userPIN)
	goes <- errors.New("the disk is full")
	login(ck.CKU_USER, userPIN) // at once after the fault: not tried
	hold.Store(false)
	none("the store failed")
	later = later.Add(2 * time.Minute)
	set(later)
	login(ck.CKU_USER, userPIN)
	noted(later)

	set(start.Add(-time.Minute)) // the clock is set back
	login(ck.CKU_USER, userPIN)
	noted(start.Add(-time.Minute))
}

// TestLastUseMakesNoEvent: applications are not told that one of them logged in.
func TestLastUseMakesNoEvent(t *testing.T) {
	w, set := clocked(t)
	other := w.connect(aliceUID)
	slots(t, other)
	w.loggedIn(rw)
	set(time.Now().Add(2 * time.Hour))
	notes := make(chan struct{}, 1)
	w.store.Watch(func([]record.Change) { notes <- struct{}{} })
	c, h := w.loggedIn(rw)
	<-notes
	_, err := other.WaitForSlotEvent(t.Context(), true)
	require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))
	info, err := c.GetSessionInfo(h)
	require.NoError(w.t, err)
	require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, info.State, "the login is in state %v", info.State)
}
