package provisioning_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// The policies of a tenant are set by its administrators and those of the machine, whichever policy
// it is, and by nobody of another tenant.
func TestWhoSetsPolicies(t *testing.T) {
	w := newWorld(t)
	other, err := w.core.CreateTenant(t.Context(), w.system, "other")
	require.NoError(t, err)
	quota := uint64(5)
	for name, set := range map[string]func(context.Context, provisioning.Caller) (provisioning.Tenant, error){
		"algorithms": func(ctx context.Context, c provisioning.Caller) (provisioning.Tenant, error) {
			return w.core.SetTenantPolicy(ctx, c, w.tenant, "legacy")
		},
		"PIN-bound tokens": func(ctx context.Context, c provisioning.Caller) (provisioning.Tenant, error) {
			return w.core.SetTenantPINBound(ctx, c, w.tenant, true)
		},
		"logins that end with the daemon": func(ctx context.Context, c provisioning.Caller) (provisioning.Tenant, error) {
			return w.core.SetTenantResume(ctx, c, w.tenant, false)
		},
		"operating system users": func(ctx context.Context, c provisioning.Caller) (provisioning.Tenant, error) {
			return w.core.SetTenantOSUsers(ctx, c, w.tenant, []string{"#1000"})
		},
		"quota": func(ctx context.Context, c provisioning.Caller) (provisioning.Tenant, error) {
			return w.core.SetTenantQuota(ctx, c, w.tenant, &quota, nil)
		},
	} {
		before := w.store.Commits()
		for _, c := range []provisioning.Caller{
			{Name: "viewer", Tenant: w.tenant, Role: record.RoleView},
			{Name: "editor", Tenant: w.tenant, Role: record.RoleEdit},
		} {
			_, err := set(t.Context(), c)
			require.Equal(t, provisioning.Forbidden, provisioning.KindOf(err), "%s by %s", name, c.Name)
		}
		_, err := set(t.Context(), provisioning.Caller{Name: "stranger", Tenant: other.ID, Role: record.RoleAdmin})
		require.Error(t, err, name)
		require.Equal(t, before, w.store.Commits(), name)

		_, err = set(t.Context(), w.system)
		require.NoError(t, err, name)
	}
	tenant, err := w.core.Tenant(t.Context(), w.admin, w.tenant)
	require.NoError(t, err)
	require.True(t, tenant.PINBound)
	require.False(t, tenant.Resume)
	require.Equal(t, "legacy", tenant.Policy)
}
