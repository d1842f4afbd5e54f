package keystore

import (
	"errors"
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

// The watchers hear when processes act for a user no more, and not of other changes of the user.
func TestWatchersHearOfLostUsers(t *testing.T) {
	s := temp(t)
	lost := false
	s.Watch(func(changes []record.Change) { lost = changes[0].UserLost })
	for name, row := range map[string]struct {
		was, is record.User
		want    bool
	}{
		"switched off":               {record.User{Enabled: true}, record.User{}, true},
		"switched on":                {record.User{}, record.User{Enabled: true}, false},
		"an OS user less":            {record.User{Enabled: true, OSUsers: []string{"a", "b"}}, record.User{Enabled: true, OSUsers: []string{"b"}}, true},
		"an OS user more":            {record.User{Enabled: true, OSUsers: []string{"a"}}, record.User{Enabled: true, OSUsers: []string{"a", "b"}}, false},
		"the first OS user":          {record.User{Enabled: true}, record.User{Enabled: true, OSUsers: []string{"a"}}, true},
		"not by name":                {record.User{Enabled: true}, record.User{Enabled: true, NotByName: true}, true},
		"not by name, and never was": {record.User{Enabled: true, OSUsers: []string{"a"}}, record.User{Enabled: true, OSUsers: []string{"a"}, NotByName: true}, false},
		"another login":              {record.User{Enabled: true}, record.User{Enabled: true, Login: "other"}, true},
		"another login, and mapped":  {record.User{Enabled: true, OSUsers: []string{"a"}}, record.User{Enabled: true, OSUsers: []string{"a"}, Login: "another"}, false},
		"an alias less":              {record.User{Enabled: true, Aliases: []string{"alias"}}, record.User{Enabled: true}, false},
	} {
		was, is := row.was, row.is
		require.NoError(t, s.Update(func(tx *Tx) error {
			tenant, err := tx.TenantByName(record.DefaultTenant)
			was.Tenant, was.Login = tenant.ID, "login of "+name
			return errors.Join(err, tx.PutUser(&was))
		}), name)
		require.False(t, lost, name)
		is.ID, is.Tenant, is.CreatedAt = was.ID, was.Tenant, was.CreatedAt
		if is.Login == "" {
			is.Login = was.Login
		}
		require.NoError(t, s.Update(func(tx *Tx) error { return tx.PutUser(&is) }), name)
		require.Equal(t, row.want, lost, name)
		require.NoError(t, s.Update(func(tx *Tx) error { return tx.DeleteUser(is.ID) }))
		require.True(t, lost, name)
		lost = false
	}
}
