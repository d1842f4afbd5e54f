package provisioning_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// What a dialect keeps of a tenant is kept under its name, with the name of the tenant, and
// within bounds.
func TestTenantSettings(t *testing.T) {
	w := newWorld(t)
	ctx, k := t.Context(), w.core
	const most, largest = 16, 256 << 10
	made, err := k.CreateTenantWith(ctx, w.system, "made", "one", secret.Bytes("first"))
	require.NoError(t, err)
	require.Equal(t, "made", made.Name)
	read := func(name string) string {
		t.Helper()
		view, value, err := k.TenantSettings(ctx, w.system, made.ID, name)
		require.NoError(t, err)
		require.Equal(t, made.ID, view.ID)
		return string(value)
	}
	change := func(id record.TenantID, tenant, name string, value secret.Bytes) (provisioning.Tenant, error) {
		return k.ChangeTenant(ctx, w.system, id, tenant, name, func(old secret.Bytes) (secret.Bytes, error) {
			return append(old.Clone(), value...), nil
		})
	}
	require.Equal(t, "first", read("one"))
	require.Empty(t, read("two"))
	got, err := change(made.ID, "", "one", secret.Bytes(" second"))
	require.NoError(t, err)
	require.Equal(t, "made", got.Name)
	got, err = change(made.ID, "renamed", "two", secret.Bytes("third"))
	require.NoError(t, err)
	require.Equal(t, "renamed", got.Name)
	require.Equal(t, "first second", read("one"))
	require.Equal(t, "third", read("two"))
	got, err = change(made.ID, "renamed", "two", nil)
	require.NoError(t, err)
	require.Equal(t, "renamed", got.Name)

	before := w.store.Commits()
	boom := errors.New("boom")
	_, err = k.ChangeTenant(ctx, w.system, made.ID, "", "one", func(secret.Bytes) (secret.Bytes, error) {
		return nil, boom
	})
	require.ErrorIs(t, err, boom)
	for _, name := range []string{" ", "a\nb", "x "} {
		_, err = change(made.ID, name, "one", nil)
		wantKind(t, err, provisioning.BadInput)
		_, err = k.CreateTenantWith(ctx, w.system, name, "one", nil)
		wantKind(t, err, provisioning.BadInput)
	}
	_, err = k.CreateTenantWith(ctx, w.system, "", "one", nil)
	wantKind(t, err, provisioning.BadInput)
	_, err = change(made.ID, record.DefaultTenant, "one", nil)
	wantKind(t, err, provisioning.Conflict)
	_, err = k.CreateTenantWith(ctx, w.system, "renamed", "one", nil)
	wantKind(t, err, provisioning.Conflict)
	_, err = change(w.tenant, "other", "one", nil)
	wantKind(t, err, provisioning.WrongState)
	_, err = k.CreateTenantWith(ctx, w.system, "new", "one", make(secret.Bytes, largest+1))
	wantKind(t, err, provisioning.TooLarge)
	for name, call := range map[string]func(c provisioning.Caller) error{
		"read": func(c provisioning.Caller) error {
			_, _, err := k.TenantSettings(ctx, c, w.tenant, "one")
			return err
		},
		"create": func(c provisioning.Caller) error {
			_, err := k.CreateTenantWith(ctx, c, "n", "one", nil)
			return err
		},
		"change": func(c provisioning.Caller) error {
			_, err := k.ChangeTenant(ctx, c, w.tenant, "", "one", func(secret.Bytes) (secret.Bytes, error) {
				return nil, nil
			})
			return err
		},
	} {
		require.Equal(t, provisioning.Forbidden, provisioning.KindOf(call(w.admin)), name)
	}
	require.Equal(t, before, w.store.Commits())

	got, err = change(w.tenant, "", "one", make(secret.Bytes, largest))
	require.NoError(t, err)
	require.Equal(t, record.DefaultTenant, got.Name)
	_, err = change(w.tenant, record.DefaultTenant, "one", nil)
	require.NoError(t, err)
	for i := 1; i < most; i++ {
		_, err = change(w.tenant, "", fmt.Sprint(i), secret.Bytes("x"))
		require.NoError(t, err)
	}
	_, err = change(w.tenant, "", "one too many", secret.Bytes("x"))
	wantKind(t, err, provisioning.TooLarge)
	_, err = change(w.tenant, "", "15", secret.Bytes("y"))
	require.NoError(t, err, "one that is there already")
}
