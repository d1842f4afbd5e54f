package vtoken_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/record"
)

// stuckStore is a store whose objects cannot be deleted.
type stuckStore struct{ vtoken.Store }

func (s stuckStore) Update(fn func(vtoken.Tx) error) error {
	return s.Store.Update(func(tx vtoken.Tx) error { return fn(stuckTx{tx}) })
}

type stuckTx struct{ vtoken.Tx }

func (stuckTx) DeleteObjects(record.TokenID) error {
	return errors.New("the objects cannot be deleted")
}

// A token whose objects cannot be deleted is not initialized: its label and its PINs stay.
func TestInitTokenThatCannotEmpty(t *testing.T) {
	w := newWorld(t)
	before := w.storedAlice()
	var err error
	w.engine, err = vtoken.New(stuckStore{w.store}, vtoken.Options{})
	require.NoError(t, err)
	require.Error(t, w.connect(aliceUID).InitToken(w.alice.Slot, pinOf(soPIN), "new"))
	after := w.storedAlice()
	require.Equal(t, before.Label, after.Label)
	require.Equal(t, before.UserPIN.Verifier, after.UserPIN.Verifier)

	w.engine, err = vtoken.New(w.store, vtoken.Options{})
	require.NoError(t, err)
	require.NoError(t, w.connect(aliceUID).InitToken(w.alice.Slot, pinOf(soPIN), "new"))
	require.Equal(t, "new", w.storedAlice().Label)
}
