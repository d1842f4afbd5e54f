package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
)

// mappers is a core that knows some operating system users, with the tenants default
// and sales.
type mappers struct {
	*testing.T
	core           *provisioning.Service
	system         provisioning.Caller
	home, sales    record.TenantID
	homeIs, saleIs provisioning.Caller // their administrators
}

func newMappers(t *testing.T) *mappers {
	known := map[string][]string{}
	for name, uid := range map[string]string{"root": "#0", "alice": "#1000", "bob": "#1001", "carol": "#1002"} {
		known[name], known[uid] = []string{name, uid}, []string{name, uid}
	}
	m := &mappers{T: t, system: provisioning.System("root")}
	m.core = provisioning.New(provtest.New(), provisioning.Options{OSUser: func(name string) []string { return known[name] }})
	home, err := m.core.TenantNamed(t.Context(), m.system, "")
	require.NoError(t, err)
	sales, err := m.core.CreateTenant(t.Context(), m.system, "sales")
	require.NoError(t, err)
	m.home, m.sales = home.ID, sales.ID
	m.homeIs = provisioning.Caller{Name: "home", Tenant: home.ID, Role: record.RoleAdmin}
	m.saleIs = provisioning.Caller{Name: "sales", Tenant: sales.ID, Role: record.RoleAdmin}
	return m
}

// allow sets the policy of a tenant.
func (m *mappers) allow(tenant record.TenantID, names ...string) {
	m.Helper()
	_, err := m.core.SetTenantOSUsers(m.Context(), m.system, tenant, names)
	require.NoError(m, err)
}

// forbidden checks that an error is one and says nothing of who has the OS user.
func (m *mappers) forbidden(err error) {
	m.Helper()
	require.Error(m, err)
	require.Equal(m, provisioning.Forbidden, provisioning.KindOf(err), "%v", err)
}

// TestMappingIsOfTheMachine: the administrator of a tenant maps nobody, in any way.
func TestMappingIsOfTheMachine(t *testing.T) {
	m := newMappers(t)
	ctx := t.Context()
	for _, name := range []string{"alice", "root", "#0", "#00", "#1000", "#4000000000", "nobody at all"} {
		for tenant, c := range map[record.TenantID]provisioning.Caller{m.home: m.homeIs, m.sales: m.saleIs} {
			_, err := m.core.CreateUser(ctx, c, tenant, "mallory", name)
			m.forbidden(err)
			_, err = m.core.User(ctx, c, tenant, "mallory")
			require.Equal(t, provisioning.UserNotFound, provisioning.KindOf(err))
		}
	}
	for tenant, c := range map[record.TenantID]provisioning.Caller{m.home: m.homeIs, m.sales: m.saleIs} {
		u, err := m.core.CreateUser(ctx, c, tenant, "alice")
		require.NoError(t, err)
		require.Equal(t, tenant == m.home, u.NotByName)
		_, err = m.core.MapUser(ctx, c, tenant, "alice", []string{"alice"})
		m.forbidden(err)
		u, err = m.core.MapUser(ctx, c, tenant, "alice", nil) // back to the default, which is nobody
		require.NoError(t, err)
		require.Equal(t, tenant == m.home, u.NotByName)
	}
	_, err := m.core.SetTenantOSUsers(ctx, m.saleIs, m.sales, []string{"*"})
	m.forbidden(err)
	u, err := m.core.MapUser(ctx, m.system, m.home, "alice", nil)
	require.NoError(t, err)
	require.False(t, u.NotByName)
}

// TestByName: whom the users are mapped to that callers make along the way.
func TestByName(t *testing.T) {
	for _, c := range []struct {
		name     string
		policy   []string
		login    string
		system   bool
		unmapped bool
	}{
		{"the machine's administrator", nil, "root", true, false},
		{"no policy", nil, "alice", false, true},
		{"named", []string{"alice"}, "alice", false, false},
		{"named by uid", []string{"#1000"}, "alice", false, false},
		{"another is named", []string{"bob"}, "alice", false, true},
		{"all", []string{"*"}, "alice", false, false},
		{"all but root", []string{"*"}, "root", false, true},
		{"root", []string{"*", "root"}, "root", false, false},
		{"another tenant's", []string{"*"}, "carol", false, true},
		{"another tenant's, by uid", []string{"*"}, "bob", false, true},
		{"nobody whom the system knows", []string{"*"}, "somebody", false, false},
	} {
		for way, make := range map[string]func(m *mappers, who provisioning.Caller, login string) error{
			"user": func(m *mappers, who provisioning.Caller, login string) error {
				_, err := m.core.CreateUser(m.Context(), who, m.home, login)
				return err
			},
			"token": func(m *mappers, who provisioning.Caller, login string) error {
				_, err := m.core.CreateToken(m.Context(), who, provisioning.NewToken{Tenant: m.home, User: login, CreateUser: true})
				return err
			},
			"import": func(m *mappers, who provisioning.Caller, login string) error {
				rows := []provisioning.ImportRow{{Line: 1, Serial: "1", User: login, Domain: "example.com", OTP: provisioning.NewOTP{Seed: rfcSeed}}}
				_, err := m.core.ImportTokens(m.Context(), who, m.home, rows, provisioning.BatchOptions{CreateUsers: true})
				return err
			},
			"assignment": func(m *mappers, who provisioning.Caller, login string) error {
				_, err := m.core.CreateToken(m.Context(), who, provisioning.NewToken{Tenant: m.home, Unassigned: true, Serial: "2"})
				require.NoError(m, err)
				_, err = m.core.AssignTokens(m.Context(), who, m.home, []provisioning.AssignRow{{Line: 1, Serial: "2", User: login}}, provisioning.BatchOptions{CreateUsers: true})
				return err
			},
		} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				m := newMappers(t)
				_, err := m.core.CreateUser(t.Context(), m.system, m.sales, "x", "carol", "#1001")
				require.NoError(t, err)
				m.allow(m.home, c.policy...)
				who := provisioning.Caller{Name: "agent", Tenant: m.home, Role: record.RoleEdit}
				if c.system {
					who = m.system
				}
				require.NoError(t, make(m, who, c.login))
				u, err := m.core.User(t.Context(), m.system, m.home, c.login)
				require.NoError(t, err)
				require.Equal(t, c.unmapped, u.NotByName)
				require.Empty(t, u.OSUsers)
			})
		}
	}
}

// TestMappingPolicy: the administrator of a tenant maps those of the policy that no
// other tenant has, however they are spelled, and keeps what is mapped.
func TestMappingPolicy(t *testing.T) {
	m := newMappers(t)
	ctx := t.Context()
	_, err := m.core.CreateUser(ctx, m.system, m.home, "alice") // by name
	require.NoError(t, err)
	_, err = m.core.CreateUser(ctx, m.system, m.home, "x", "#1001")
	require.NoError(t, err)
	m.allow(m.sales, "*", "alice", "#01000", "root")
	sales, err := m.core.Tenant(ctx, m.system, m.sales)
	require.NoError(t, err)
	require.Equal(t, []string{"*", "alice", "#1000", "root"}, sales.OSUsers)
	for _, name := range []string{"alice", "#1000", "bob", "#1001"} {
		_, err := m.core.CreateUser(ctx, m.saleIs, m.sales, "y", name)
		m.forbidden(err)
	}
	u, err := m.core.CreateUser(ctx, m.saleIs, m.sales, "y", "carol", "root", "#0007", "#7")
	require.NoError(t, err)
	require.Equal(t, []string{"carol", "root", "#7"}, u.OSUsers)
	// What the machine's administrator mapped stays, and can be taken away.
	_, err = m.core.MapUser(ctx, m.system, m.sales, "y", []string{"carol", "alice"})
	require.NoError(t, err)
	m.allow(m.sales)
	_, err = m.core.MapUser(ctx, m.saleIs, m.sales, "y", []string{"carol", "alice", "dave"})
	m.forbidden(err)
	u, err = m.core.MapUser(ctx, m.saleIs, m.sales, "y", []string{"alice"})
	require.NoError(t, err)
	require.Equal(t, []string{"alice"}, u.OSUsers)
	_, err = m.core.MapUser(ctx, m.saleIs, m.sales, "y", []string{"carol"})
	m.forbidden(err)
	// The other way round: whom a tenant has, is not mapped by name in the default one.
	m.allow(m.home, "*")
	_, err = m.core.MapUser(ctx, m.system, m.sales, "y", []string{"#1002"})
	require.NoError(t, err)
	u, err = m.core.CreateUser(ctx, m.homeIs, m.home, "carol")
	require.NoError(t, err)
	require.True(t, u.NotByName)
	// A user who is mapped by name stays so, and comes back to it only as far as the policy goes.
	m.allow(m.home, "dave")
	u, err = m.core.MapUser(ctx, m.homeIs, m.home, "alice", nil)
	require.NoError(t, err)
	require.False(t, u.NotByName)
	_, err = m.core.MapUser(ctx, m.homeIs, m.home, "alice", []string{"dave"})
	require.NoError(t, err)
	u, err = m.core.MapUser(ctx, m.homeIs, m.home, "alice", nil)
	require.NoError(t, err)
	require.True(t, u.NotByName)
	for _, bad := range [][]string{{"*"}, {""}, {"#x"}, {"#-1"}, {"#4294967296"}, make([]string, 65)} {
		_, err := m.core.MapUser(ctx, m.system, m.home, "alice", bad)
		require.Equal(t, provisioning.BadInput, provisioning.KindOf(err))
	}
}
