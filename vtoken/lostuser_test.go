package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// A process that is mapped to a user no more, and is again a moment later, has lost its
// sessions and its login in between, also where it made no call.
func TestLostUserEndsLogins(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	w.store.UnmapUser(aliceUID)
	w.store.MapUser(aliceUID, "alice")
	_, err := c.GetSessionInfo(h)
	require.ErrorIs(t, err, ck.CKR_SESSION_HANDLE_INVALID)
	h = w.session(c, rw)
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, w.state(c, h))
	private, _ := w.engine.ParsedKeys()
	require.Zero(t, private)
}

// A session with a token that the process also sees through another user goes on.
func TestLostUserOfAProcessWithTwo(t *testing.T) {
	w := newWorld(t)
	w.store.MapUser(aliceUID, "bob")
	c, h := w.loggedIn(rw)
	other, err := c.OpenSession(w.bob.Slot, rw)
	require.NoError(t, err)
	require.NoError(t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) {
		r.Holders = append(r.Holders, record.Assignment{User: "bob"})
	}))
	w.store.UnmapOne(aliceUID, "alice")
	require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, w.state(c, h), "bob has it, too")
	w.store.UnmapOne(aliceUID, "bob")
	w.store.MapUser(aliceUID, "bob")
	for _, lost := range []ck.SessionHandle{h, other} {
		_, err = c.GetSessionInfo(lost)
		require.ErrorIs(t, err, ck.CKR_SESSION_HANDLE_INVALID)
	}
}
