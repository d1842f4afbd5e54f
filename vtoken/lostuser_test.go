package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
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
