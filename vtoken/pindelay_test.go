package vtoken_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// delayed is a world in which time goes by while calls wait, and what they waited.
func delayed(t *testing.T) (w *world, now *time.Time, waits *[]time.Duration) {
	w, now, waits = newWorld(t), new(time.Time), new([]time.Duration)
	*now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := vtoken.New(w.store, vtoken.Options{
		Now:  func() time.Time { return *now },
		Wait: func(_ context.Context, d time.Duration) { *waits, *now = append(*waits, d), now.Add(d) },
	})
	require.NoError(w.t, err)
	w.engine = e
	return w, now, waits
}

// Waits grow with the wrong PINs of one OS user, are nobody else's, do not keep
// the lock, and end with the right PIN.
func TestWrongPINsDelay(t *testing.T) {
	w, now, waits := delayed(t)
	w.store.MapUser(strangerUID, "alice")
	c, h := w.open(rw)
	stranger := w.connect(strangerUID)
	sh := w.session(stranger, rw)
	const ms = time.Millisecond
	for i := range 7 {
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong", i)))))
	}
	if grown := []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 2000 * ms}; !slices.Equal(*waits, grown) {
		t.Errorf("7 wrong PINs waited %v, want %v", *waits, grown)
	}
	*waits = nil
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(stranger.Login(sh, ck.CKU_USER, pinOf("other"))))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("wrong6")))) // the same again
	require.Empty(t, *waits, "another user, or the same PIN, waited %v", *waits)
	// Who takes his time does not wait.
	*now = now.Add(3 * time.Second)
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	require.NoError(w.t, c.Logout(h))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("wrong7"))))
	require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("wrong8"))))
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN))) // remembered
	require.Empty(t, *waits, "after the right PIN: waited %v", *waits)
	require.NoError(w.t, c.Logout(h))

	// A PIN that is locked says so at once.
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Failed = r.UserPIN.Policy.MaxTries - 3 }))
	for i := range 3 {
		_ = c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("last", i)))
	}
	*waits = nil
	require.Equal(t, ck.CKR_PIN_LOCKED, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf("anything"))))
	require.Empty(t, *waits, "a locked PIN: waited %v", *waits)
}

// Tries that come at the same time wait in a row, and not for ever.
func TestWrongPINsQueue(t *testing.T) {
	w, _, _ := delayed(t)
	var inside []time.Duration
	var again func()
	e, err := vtoken.New(w.store, vtoken.Options{
		Now:  func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) },
		Wait: func(_ context.Context, d time.Duration) { inside = append(inside, d); again() },
	})
	require.NoError(w.t, err)
	w.engine = e
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.UserPIN.Policy.MaxTries = 0 }))
	c, h := w.open(rw)
	other := w.session(c, rw)
	for i := range 2 {
		require.Equal(t, ck.CKR_PIN_INCORRECT, ck.CodeOf(c.Login(h, ck.CKU_USER, pinOf(fmt.Sprint("wrong", i)))))
	}
	var codes []ck.Error
	again = func() {
		if len(inside) < 30 {
			other = w.session(c, rw) // the one before is in a call
			codes = append(codes, ck.CodeOf(c.Login(other, ck.CKU_USER, pinOf(fmt.Sprint("more", len(inside))))))
		}
	}
	_ = c.Login(h, ck.CKU_USER, pinOf("more"))
	if codes[0] != ck.CKR_FUNCTION_FAILED || codes[len(codes)-1] != ck.CKR_PIN_INCORRECT {
		t.Errorf("the last answer first: %v", codes)
	}
	if n := len(inside); n < 3 || !slices.IsSorted(inside) || inside[n-1] > 5*time.Second {
		t.Errorf("%d tries at the same time waited %v", n, inside)
	}
}
