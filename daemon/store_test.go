package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore"
	"vtoken/keystore/kek/all"
	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/record"
)

// openStore opens a new keystore.
func openStore(t testing.TB) *keystore.Store {
	t.Helper()
	s, err := keystore.Open(t.Context(), keystore.Options{
		Dir: filepath.Join(t.TempDir(), "data"), Providers: all.Providers(), Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestCoreStore: the keystore keeps the contract of the provisioning core.
func TestCoreStore(t *testing.T) {
	provtest.Run(t, func(t testing.TB) provisioning.Store { return coreStore{openStore(t)} })
}

// TestEngineStore: the keystore keeps the contract of the engine.
func TestEngineStore(t *testing.T) {
	const uid = 54321
	enginetest.Run(t, func(t testing.TB) enginetest.Subject {
		s := openStore(t)
		var user record.User
		require.NoError(t, s.Update(func(tx *keystore.Tx) error {
			tenant, err := tx.TenantByName(record.DefaultTenant)
			if err != nil {
				return err
			}
			user = record.User{Tenant: tenant.ID, Login: "user", Enabled: true, NotByName: true, OSUsers: []string{fmt.Sprintf("#%d", uid)}}
			return tx.PutUser(&user)
		}))
		return enginetest.Subject{
			Store: engineStore{s}, Tenant: user.Tenant, User: user.ID, UID: uid,
			DeleteToken: func(id record.TokenID) error {
				return s.Update(func(tx *keystore.Tx) error { return tx.DeleteToken(id) })
			},
		}
	})
}
