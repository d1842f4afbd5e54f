package provisioning_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// stuckStore is a store whose objects cannot be deleted.
type stuckStore struct{ provisioning.Store }

var errStuck = errors.New("the objects cannot be deleted")

func (s stuckStore) Update(fn func(provisioning.Tx) error) error {
	return s.Store.Update(func(tx provisioning.Tx) error { return fn(stuckTx{tx}) })
}

type stuckTx struct{ provisioning.Tx }

func (stuckTx) DeleteObjects(record.TokenID) error { return errStuck }

// A token whose keys cannot be deleted does not change hands: the next holder would have them.
func TestHandoverThatCannotEmpty(t *testing.T) {
	w := newWorld(t)
	_, err := w.core.CreateUser(t.Context(), w.admin, w.tenant, "bob")
	require.NoError(t, err)
	w.core = provisioning.New(stuckStore{w.store}, w.options())

	_, err = w.core.Assign(t.Context(), w.admin, w.ref, provisioning.Assign{User: "bob", Take: true})
	require.ErrorIs(t, err, errStuck)
	_, err = w.core.Token(t.Context(), w.admin, w.ref)
	require.NoError(t, err, "alice has it still")

	// A token that was left is emptied when the next user gets it.
	_, err = w.core.Unassign(t.Context(), w.admin, w.ref, "")
	require.NoError(t, err)
	free := provisioning.TokenRef{Tenant: w.tenant, ID: w.ref.ID}
	_, err = w.core.Assign(t.Context(), w.admin, free, provisioning.Assign{User: "bob"})
	require.ErrorIs(t, err, errStuck)

	w.core = provisioning.New(w.store, w.options())
	_, err = w.core.Assign(t.Context(), w.admin, free, provisioning.Assign{User: "bob"})
	require.NoError(t, err)
}
