package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/turns"
	"vtoken/vtoken/record"
)

// One user alone may have all processors for slow work, and a credential of the API counts
// as a user while it has work.
func TestUsersShare(t *testing.T) {
	u := newUsers(turns.New(2))
	isShared := func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		return u.shared()
	}
	first, second := u.application(record.Peer{UID: 1}), u.application(record.Peer{UID: 1})
	require.False(t, isShared())
	other := u.application(record.Peer{UID: 2})
	require.True(t, isShared())
	other()
	other()
	require.NoError(t, apiTurns{u}.Do(t.Context(), "api", func(func() error) { require.True(t, isShared()) }))
	require.False(t, isShared())
	first()
	second()
	require.Empty(t, u.about)
}
