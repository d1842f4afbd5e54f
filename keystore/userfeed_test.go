package keystore

import (
	"testing"

	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// A user who comes, changes or goes is told to the watchers, so that they ask
// again who sees what.
func TestWatchersHearOfUsers(t *testing.T) {
	s := temp(t)
	var heard []record.UserID
	s.Watch(func(changes []record.Change) {
		for _, c := range changes {
			heard = append(heard, c.UserID)
		}
	})
	u := &record.User{Login: "alice", Enabled: true}
	update := func(fn func(tx *Tx) error) {
		t.Helper()
		before := len(heard)
		require.NoError(t, s.Update(fn))
		if len(heard) != before+1 || heard[before] != u.ID || u.ID == "" {
			t.Fatalf("heard of %q, want %q", heard[before:], u.ID)
		}
	}
	update(func(tx *Tx) error {
		tenant, err := tx.TenantByName(record.DefaultTenant)
		if err != nil {
			return err
		}
		u.Tenant = tenant.ID
		return tx.PutUser(u)
	})
	u.Enabled = false
	update(func(tx *Tx) error { return tx.PutUser(u) })
	update(func(tx *Tx) error { return tx.DeleteUser(u.ID) })
}
