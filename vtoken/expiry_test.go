package vtoken_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// clocked is a world whose clock is set by the test.
func clocked(t *testing.T) (w *world, set func(time.Time)) {
	t.Helper()
	w = newWorld(t)
	var now atomic.Pointer[time.Time]
	set = func(at time.Time) { now.Store(&at) }
	set(time.Now())
	e, err := vtoken.New(w.store, vtoken.Options{Now: func() time.Time { return *now.Load() }})
	require.NoError(w.t, err)
	w.engine = e
	return w, set
}

// A token that expires is gone at once, with sessions and an event.
func TestTokenExpires(t *testing.T) {
	w, set := clocked(t)
	c := w.connect(bobUID)
	slots(t, c)
	h, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	end := time.Now().Add(24 * time.Hour)
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.ExpiresAt = end }))
	w.oneEvent("an end", c, w.bob.Slot)
	set(end.Add(-time.Second))
	w.engine.Tick()
	_, err = c.GetSessionInfo(h)
	require.NoError(w.t, err)
	_, err = c.WaitForSlotEvent(context.Background(), true)
	require.Equal(t, ck.CKR_NO_EVENT, ck.CodeOf(err))

	set(end)
	w.engine.Tick()
	w.oneEvent("expiry", c, w.bob.Slot)
	_, err = c.GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
	if got := slots(t, c); len(got) != 0 {
		t.Errorf("slots %v after the end", got)
	}
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.ExpiresAt = time.Time{} }))
	w.oneEvent("a longer life", c, w.bob.Slot)
	if got := slots(t, c); len(got) != 1 {
		t.Errorf("slots %v after it was prolonged", got)
	}
}

// The clock of the engine rings by itself.
func TestClockRings(t *testing.T) {
	w := newWorld(t)
	c := w.connect(bobUID)
	slots(t, c)
	_, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.ExpiresAt = time.Now().Add(50 * time.Millisecond) }))
	w.oneEvent("an end", c, w.bob.Slot)
	slot, err := c.WaitForSlotEvent(t.Context(), false)
	require.NoError(w.t, err)
	require.Equal(t, w.bob.Slot, slot, "event on slot %d", slot)
}

// Two users hold one token: each sees it unless the own part is suspended or
// out of its time, and neither ends the other's use.
func TestSharedToken(t *testing.T) {
	w, set := clocked(t)
	alice, bob := w.connect(aliceUID), w.connect(bobUID)
	slots(t, alice)
	slots(t, bob)
	begin := time.Now().Add(time.Hour)
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) {
		r.Holders = append(r.Holders, record.Assignment{User: "alice", Starts: begin})
	}))
	if got := slots(t, alice); len(got) != 1 {
		t.Fatalf("alice has slots %v before her time", got)
	}
	set(begin)
	w.engine.Tick()
	w.oneEvent("alice's time", alice, w.bob.Slot)
	if got := slots(t, alice); len(got) != 2 {
		t.Fatalf("alice has slots %v in her time", got)
	}
	h, err := alice.OpenSession(w.bob.Slot, rw)
	require.NoError(w.t, err)
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Holders[0].Suspended = true }))
	if got := slots(t, bob); len(got) != 0 {
		t.Errorf("bob has slots %v while he is suspended", got)
	}
	_, err = alice.GetSessionInfo(h)
	require.NoError(w.t, err)
	require.NoError(w.t, w.store.ChangeToken(w.bob.ID, func(r *record.Token) { r.Holders = r.Holders[:1] }))
	_, err = alice.GetSessionInfo(h)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
}

// A token that nobody holds, or that is dead, is nobody's.
func TestUnheldTokens(t *testing.T) {
	for name, change := range map[string]func(*record.Token){
		"unassigned": func(r *record.Token) { r.Holders = nil },
		"deceased":   func(r *record.Token) { r.Deceased = true },
		"pending":    func(r *record.Token) { r.Activation = record.ActivationPending },
		"suspended":  func(r *record.Token) { r.Holders[0].Suspended = true },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.connect(bobUID)
			slots(t, c)
			h, err := c.OpenSession(w.bob.Slot, rw)
			require.NoError(w.t, err)
			require.NoError(w.t, w.store.ChangeToken(w.bob.ID, change))
			w.oneEvent(name, c, w.bob.Slot)
			_, err = c.GetSessionInfo(h)
			require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
			if got := slots(t, c); len(got) != 0 {
				t.Errorf("slots %v", got)
			}
		})
	}
}
