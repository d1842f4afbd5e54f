package native_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Everything that the daemon knows of an application is told, page by page and as the query
// asks, and its sessions are ended with one token or with all.
func TestSessions(t *testing.T) {
	s := nativetest.Start(t)
	c, ctx := s.Client(t), t.Context()
	tenant, err := s.Core.TenantNamed(ctx, provisioning.System("test"), "")
	require.NoError(t, err)
	const card, key = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	use := func(id record.TokenID, label string) provisioning.TokenUse {
		return provisioning.TokenUse{Token: &record.Token{ID: id, Label: label, Tenant: tenant.ID}, Sessions: 1}
	}
	signer := use(card, "Card")
	signer.Sessions, signer.LoggedIn, signer.Role = 2, true, pin.User
	officer := use(key, "Key")
	officer.LoggedIn, officer.Role = true, pin.SO
	s.Applications.Add(provisioning.Application{
		ID: "1m9vz2k5", OSUser: "alice", UID: 1000, PID: 78, Executable: "/usr/bin/ssh", BeganAt: nativetest.Began,
		Tokens: []provisioning.TokenUse{signer, officer},
	})

	list := func(f client.SessionFilter) []api.Application {
		all, err := client.All(c.Sessions(ctx, f))
		require.NoError(t, err)
		return all
	}
	last := nativetest.Began.Add(time.Hour)
	root := api.Application{
		ID: "1m9vz2k4", User: "root", PID: 77, BeganAt: nativetest.Began, Connections: 1, Calls: 3, LastCallAt: &last, Tokens: []api.TokenUse{},
	}
	ssh := api.Application{
		ID: "1m9vz2k5", User: "alice", UID: 1000, PID: 78, Executable: "/usr/bin/ssh", BeganAt: nativetest.Began,
		Tokens: []api.TokenUse{
			{ID: card, Tenant: string(tenant.ID), Label: "Card", Sessions: 2, Role: "user"},
			{ID: key, Tenant: string(tenant.ID), Label: "Key", Sessions: 1, Role: "so"},
		},
	}
	require.Equal(t, []api.Application{root, ssh}, list(client.SessionFilter{}))
	for _, f := range []client.SessionFilter{{Token: key}, {Tenant: "default"}, {User: "alice"}, {PID: 78}} {
		require.Equal(t, []api.Application{ssh}, list(f), "%+v", f)
	}
	status, page := raw(t, s, "GET", "/v1/sessions?limit=1", "", nil)
	require.Equal(t, 200, status)
	require.Contains(t, string(page), `"next":"1m9vz2k4"`)

	require.NoError(t, c.EndSessions(ctx, "1m9vz2k5", client.SessionFilter{Token: key}))
	require.Equal(t, ssh.Tokens[:1], list(client.SessionFilter{PID: 78})[0].Tokens)
	require.Equal(t, "keyNotFound", kindOf(c.EndSessions(ctx, "1m9vz2k5", client.SessionFilter{Token: key})))
	require.NoError(t, c.EndSessions(ctx, "1m9vz2k5", client.SessionFilter{}))
	require.Empty(t, list(client.SessionFilter{PID: 78})[0].Tokens)
}
