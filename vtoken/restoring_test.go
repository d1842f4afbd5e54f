package vtoken_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/record"
)

// askedStore counts how often the users of a process are looked up.
type askedStore struct {
	*enginetest.Store
	asked atomic.Int64
}

func (s *askedStore) View(fn func(tx vtoken.ReadTx) error) error {
	return s.Store.View(func(tx vtoken.ReadTx) error { return fn(askedTx{tx, s}) })
}

type askedTx struct {
	vtoken.ReadTx
	s *askedStore
}

func (tx askedTx) UsersOf(p record.Peer) ([]*record.User, error) {
	tx.s.asked.Add(1)
	return tx.ReadTx.UsersOf(p)
}

// Many applications of one OS user are restored with one look at its users, unless they change
// meanwhile.
func TestUsersAreLookedUpOnceWhileRestoring(t *testing.T) {
	w := newWorld(t)
	store := &askedStore{Store: w.store}
	engine, err := vtoken.New(store, vtoken.Options{})
	require.NoError(t, err)
	saved := func() vtoken.ClientState {
		c := engine.Connect(peerOf(aliceUID))
		defer c.Close()
		_, err := c.OpenSession(w.alice.Slot, ck.CKF_SERIAL_SESSION)
		require.NoError(t, err)
		state, err := c.Save()
		require.NoError(t, err)
		return state
	}
	states := make([]vtoken.ClientState, 5)
	for i := range states {
		states[i] = saved()
	}
	restore := func(s vtoken.ClientState) (sees int) {
		c, err := engine.Restore(peerOf(aliceUID), s)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return len(slots(t, c))
	}
	end := engine.Restoring()
	store.asked.Store(0)
	before := restore(states[0])
	require.Equal(t, before, restore(states[1]))
	require.EqualValues(t, 1, store.asked.Load())

	w.store.UnmapUser(aliceUID)
	require.Zero(t, restore(states[2]), "the user is not mapped any more")
	w.store.MapUser(aliceUID, "alice")
	end()
	store.asked.Store(0)
	restore(states[3])
	restore(states[4])
	require.GreaterOrEqual(t, store.asked.Load(), int64(2), "it is over")
}
