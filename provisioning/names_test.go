package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// deceptiveNames are texts that read as something else.
var deceptiveNames = []string{
	"root\u202etxt", "ro\u200bot", "\u2066root\u2069", "ro\u00adot", "card\ufe0f", "ca\u034frd", "root\u3164", "root\U000e0041",
	"card-\u0661", "card-\uff11", "card-\U0001d7ce", "two\u00a0words", "two\u3000words", "a\u2028b", "a\x1b[31mb", "a\u0085b", "a\ue000b",
}

// plainNames are texts that people give to things.
var plainNames = []string{"Card 01", "Zoë's Karte", "漢字カード", "كارت", "карта", "m²", "bob@example.com", `DOMAIN\bob`}

// TestDeceptiveNamesAreRefused, for everything that is named through an API.
func TestDeceptiveNamesAreRefused(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	tenant := w.tenant
	for what, create := range map[string]func(name string) error{
		"login": func(name string) error {
			_, err := w.core.CreateUser(ctx, w.admin, tenant, name)
			return err
		},
		"alias": func(name string) error {
			_, err := w.core.ChangeUser(ctx, w.admin, tenant, "alice", provisioning.UserChange{Aliases: &[]string{"alias " + name}})
			return err
		},
		"domain": func(name string) error {
			_, err := w.core.ChangeUser(ctx, w.admin, tenant, "alice", provisioning.UserChange{Domain: &name})
			return err
		},
		"label": func(name string) error {
			_, err := w.core.SetLabel(ctx, w.admin, w.ref, name, provisioning.LabelRule{})
			return err
		},
		"token": func(name string) error {
			_, err := w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: tenant, User: "alice", Label: name})
			return err
		},
		"holder of a token": func(name string) error {
			_, err := w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: tenant, User: "of a token " + name, CreateUser: true, Label: "x"})
			return err
		},
		"tenant": func(name string) error {
			_, err := w.core.CreateTenant(ctx, provisioning.System("root"), name)
			return err
		},
	} {
		for _, name := range deceptiveNames {
			err := create(name)
			require.Equal(t, provisioning.BadInput, provisioning.KindOf(err), "%s %+q: %v", what, name, err)
			require.NotContains(t, err.Error(), name)
		}
		for _, name := range plainNames {
			require.NoError(t, create(name), "%s %q", what, name)
		}
	}
}

// TestOldNamesStillWork: what is stored already is found, used and changed as before.
func TestOldNamesStillWork(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const login = "al\u202eice\u0661"
	require.NoError(t, w.store.Update(func(tx provisioning.Tx) error {
		return tx.PutUser(&record.User{Tenant: w.tenant, Login: login, Enabled: true})
	}))
	made, err := w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: w.tenant, User: login, Label: "Card"})
	require.NoError(t, err)
	ref := provisioning.TokenRef{Tenant: w.tenant, User: login, ID: made.ID}
	require.NoError(t, w.store.Update(func(tx provisioning.Tx) error {
		stored, err := tx.Token(made.ID)
		if err != nil {
			return err
		}
		stored.Label = "card\u202e"
		return tx.PutToken(stored)
	}))
	_, err = w.core.Complete(ctx, w.admin, ref, true)
	require.NoError(t, err)
	_, err = w.core.SetUserEnabled(ctx, w.admin, w.tenant, login, false)
	require.NoError(t, err)
}
