package provisioning_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// TestBlankToken puts the blank token of a user beside the real ones, as the
// engine does: administrators neither list nor reach it, and it keeps no tenant
// from being deleted.
func TestBlankToken(t *testing.T) {
	w := newWorld(t)
	sales, err := w.core.CreateTenant(t.Context(), w.system, "sales")
	require.NoError(t, err)
	user, err := w.core.CreateUser(t.Context(), w.system, sales.ID, "bob")
	require.NoError(t, err)
	blank := record.Token{Tenant: sales.ID, Holders: record.HeldBy(user.ID, time.Time{}, ""), Activation: record.Activated, Complete: true, Enabled: true}
	require.NoError(t, w.store.Update(func(tx provisioning.Tx) error {
		fresh := blank
		err := tx.NewToken(&fresh)
		blank.ID = fresh.ID
		return err
	}))

	page, err := w.core.ListTokens(t.Context(), w.system, provisioning.TokenFilter{Tenant: sales.ID})
	if err != nil || len(page.Tokens) != 0 || page.Next != "" {
		t.Errorf("listed: %+v, %v", page, err)
	}
	held, err := w.core.TokensOf(t.Context(), w.system, sales.ID, "bob")
	if err != nil || len(held) != 0 {
		t.Errorf("held by bob: %+v, %v", held, err)
	}
	wantKind(t, w.core.DeleteToken(t.Context(), w.system, provisioning.TokenRef{ID: blank.ID}), provisioning.TokenNotFound)
	if err := w.core.DeleteTenant(t.Context(), w.system, sales.ID, false); err != nil {
		t.Errorf("delete a tenant that has a blank token only: %v", err)
	}
}
