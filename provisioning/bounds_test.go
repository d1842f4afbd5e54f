package provisioning_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Each bound lets its last value through, and refuses the next one.
func TestBounds(t *testing.T) {
	w := newWorld(t)
	ctx, k := t.Context(), w.core
	var groups []record.GroupID
	for i := range 33 {
		g, err := k.CreateGroup(ctx, w.admin, w.tenant, fmt.Sprint("group ", i))
		require.NoError(t, err)
		groups = append(groups, g.ID)
	}
	free, err := k.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: w.tenant, Unassigned: true})
	require.NoError(t, err)
	loose := provisioning.TokenRef{Tenant: w.tenant, ID: free.ID}
	locked := w.boundToken(goodPIN, soPIN)
	search := func(q provisioning.TokenSearch) error {
		q.Tenant = w.tenant
		_, err := k.SearchTokens(ctx, w.admin, q)
		return err
	}
	list := func(n int) error {
		_, err := k.ListTokens(ctx, w.admin, provisioning.TokenFilter{Tenant: w.tenant, Limit: n})
		return err
	}
	inactive := func(n int) error {
		_, _, _, err := k.InactiveUsers(ctx, w.admin, provisioning.InactiveQuery{Tenant: w.tenant, Limit: n, Within: time.Hour})
		return err
	}
	made := func(change func(*provisioning.NewToken)) error {
		n := provisioning.NewToken{Tenant: w.tenant, User: "alice"}
		change(&n)
		_, err := k.CreateToken(ctx, w.admin, n)
		return err
	}
	holder := func(change provisioning.HolderChange) error {
		_, err := k.SetHolder(ctx, w.admin, w.ref, "alice", change)
		return err
	}
	activation := func(d time.Duration) error {
		_, _, err := k.StartActivation(ctx, w.admin, w.ref, d)
		return err
	}
	criteria := func(n int) []directory.Criterion {
		all := make([]directory.Criterion, n)
		for i := range all {
			all[i] = directory.Criterion{Field: directory.Held, Value: "true"}
		}
		return all
	}
	aliases := func(n int) *[]string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprint("alias ", i)
		}
		return &all
	}
	for name, b := range map[string]struct{ last, next func() error }{
		"page of a search": {
			func() error { return search(provisioning.TokenSearch{Limit: provisioning.MaxPage}) },
			func() error { return search(provisioning.TokenSearch{Limit: provisioning.MaxPage + 1}) },
		},
		"least page of a search": {
			func() error { return search(provisioning.TokenSearch{Limit: 1}) },
			func() error { return search(provisioning.TokenSearch{Limit: -1}) },
		},
		"start of a search": {
			func() error { return search(provisioning.TokenSearch{Skip: 0}) },
			func() error { return search(provisioning.TokenSearch{Skip: -1}) },
		},
		"criteria": {
			func() error { return search(provisioning.TokenSearch{Where: criteria(16)}) },
			func() error { return search(provisioning.TokenSearch{Where: criteria(17)}) },
		},
		"page of a list":       {func() error { return list(provisioning.MaxPage) }, func() error { return list(provisioning.MaxPage + 1) }},
		"least page of a list": {func() error { return list(1) }, func() error { return list(-1) }},
		"page of users":        {func() error { return inactive(provisioning.MaxPage) }, func() error { return inactive(provisioning.MaxPage + 1) }},
		"least page of users":  {func() error { return inactive(1) }, func() error { return inactive(0) }},
		"groups of a token": {
			func() error { _, err := k.SetGroups(ctx, w.admin, loose, groups[:32]); return err },
			func() error { _, err := k.SetGroups(ctx, w.admin, loose, groups); return err },
		},
		"a group of the tenant": {
			func() error { _, err := k.SetGroups(ctx, w.admin, loose, nil); return err },
			func() error { _, err := k.CreateGroup(ctx, w.admin, w.tenant, " x"); return err },
		},
		"aliases": {
			func() error {
				_, err := k.ChangeUser(ctx, w.admin, w.tenant, "alice", provisioning.UserChange{Aliases: aliases(16)})
				return err
			},
			func() error {
				_, err := k.ChangeUser(ctx, w.admin, w.tenant, "alice", provisioning.UserChange{Aliases: aliases(17)})
				return err
			},
		},
		"usage limit": {
			func() error { zero := 0; return holder(provisioning.HolderChange{UsageLimit: &zero}) },
			func() error { less := -1; return holder(provisioning.HolderChange{UsageLimit: &less}) },
		},
		"priority": {
			func() error { zero := 0; return holder(provisioning.HolderChange{Priority: &zero}) },
			func() error { less := -1; return holder(provisioning.HolderChange{Priority: &less}) },
		},
		"shortest activation": {
			func() error { return activation(provisioning.MinActivation) },
			func() error { return activation(provisioning.MinActivation - 1) },
		},
		"longest activation": {
			func() error { return activation(provisioning.MaxActivation) },
			func() error { return activation(provisioning.MaxActivation + 1) },
		},
		"challenge": {
			func() error {
				w.store.Tries(locked.ID, pin.User, 10)
				_, _, err := k.UnlockByChallenge(ctx, w.admin, locked, strings.Repeat("1", 64))
				return err
			},
			func() error {
				_, _, err := k.UnlockByChallenge(ctx, w.admin, locked, strings.Repeat("1", 65))
				return err
			},
		},
		"serial number": {
			func() error { return made(func(n *provisioning.NewToken) { n.Serial = strings.Repeat("s", 36) }) },
			func() error { return made(func(n *provisioning.NewToken) { n.Serial = strings.Repeat("s", 37) }) },
		},
		"manufacturer": {
			func() error {
				return made(func(n *provisioning.NewToken) { n.Product.Manufacturer = strings.Repeat("~", 64) })
			},
			func() error {
				return made(func(n *provisioning.NewToken) { n.Product.Manufacturer = strings.Repeat("~", 65) })
			},
		},
		"model": {
			func() error { return made(func(n *provisioning.NewToken) { n.Product.Model = "a b" }) },
			func() error { return made(func(n *provisioning.NewToken) { n.Product.Model = "a " }) },
		},
		"repository": {
			func() error { return made(func(n *provisioning.NewToken) { n.Product.Repository = "a~" }) },
			func() error { return made(func(n *provisioning.NewToken) { n.Product.Repository = "a\x7f" }) },
		},
		"control character": {
			func() error { return made(func(n *provisioning.NewToken) { n.Product.Repository = "a !" }) },
			func() error { return made(func(n *provisioning.NewToken) { n.Product.Repository = "a\x1f" }) },
		},
		"size of RSA keys": {
			func() error { return made(func(n *provisioning.NewToken) { n.MaxRSABits = 2048 }) },
			func() error { return made(func(n *provisioning.NewToken) { n.MaxRSABits = 2049 }) },
		},
		"end": {
			func() error { return made(func(n *provisioning.NewToken) { n.ExpiresAt = w.now.Add(time.Second) }) },
			func() error { return made(func(n *provisioning.NewToken) { n.ExpiresAt = w.now }) },
		},
		"label": {
			func() error { return made(func(n *provisioning.NewToken) { n.Label = strings.Repeat("l", 255) }) },
			func() error { return made(func(n *provisioning.NewToken) { n.Label = strings.Repeat("l", 256) }) },
		},
		"complete with a PIN": {
			func() error {
				return made(func(n *provisioning.NewToken) { n.Complete, n.UserPIN = true, secret.Bytes(goodPIN) })
			},
			func() error { return made(func(n *provisioning.NewToken) { n.Complete = true }) },
		},
		"complete with a holder": {
			func() error { return made(func(n *provisioning.NewToken) { n.User, n.Unassigned = "", true }) },
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.User, n.Unassigned, n.Complete, n.UserPIN = "", true, true, secret.Bytes(goodPIN)
				})
			},
		},
		"a holder or none": {
			func() error { return made(func(n *provisioning.NewToken) {}) },
			func() error { return made(func(n *provisioning.NewToken) { n.Unassigned = true }) },
		},
		"groups without a holder": {
			func() error {
				return made(func(n *provisioning.NewToken) { n.User, n.Unassigned, n.Groups = "", true, groups[:1] })
			},
			func() error { return made(func(n *provisioning.NewToken) { n.Groups = groups[:1] }) },
		},
		"passwords of an OTP token": {
			func() error {
				return made(func(n *provisioning.NewToken) { n.Kind, n.OTP = record.KindOTP, &provisioning.NewOTP{Seed: rfcSeed} })
			},
			func() error { return made(func(n *provisioning.NewToken) { n.Kind = record.KindOTP }) },
		},
		"passwords of a card": {
			func() error { return made(func(n *provisioning.NewToken) { n.Serial = "a card" }) },
			func() error {
				return made(func(n *provisioning.NewToken) { n.OTP = &provisioning.NewOTP{Seed: rfcSeed} })
			},
		},
		"clock of an OTP token": {
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.Kind = record.KindOTP
					n.OTP = &provisioning.NewOTP{Seed: rfcSeed, Period: 30, Drift: provisioning.SyncSteps}
				})
			},
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.Kind = record.KindOTP
					n.OTP = &provisioning.NewOTP{Seed: rfcSeed, Period: 30, Drift: provisioning.SyncSteps + 1}
				})
			},
		},
		"slow clock": {
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.Kind = record.KindOTP
					n.OTP = &provisioning.NewOTP{Seed: rfcSeed, Period: 30, Drift: -provisioning.SyncSteps}
				})
			},
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.Kind = record.KindOTP
					n.OTP = &provisioning.NewOTP{Seed: rfcSeed, Period: 30, Drift: -provisioning.SyncSteps - 1}
				})
			},
		},
		"clock of a counter": {
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.Kind, n.OTP = record.KindOTP, &provisioning.NewOTP{Seed: rfcSeed, Drift: 0}
				})
			},
			func() error {
				return made(func(n *provisioning.NewToken) {
					n.Kind, n.OTP = record.KindOTP, &provisioning.NewOTP{Seed: rfcSeed, Drift: 1}
				})
			},
		},
		"policy": {
			func() error { _, err := k.SetPolicy(ctx, w.admin, w.ref, "modern"); return err },
			func() error { _, err := k.SetPolicy(ctx, w.admin, w.ref, "postmodern"); return err },
		},
		"policy of a tenant": {
			func() error { _, err := k.SetTenantPolicy(ctx, w.admin, w.tenant, "modern"); return err },
			func() error { _, err := k.SetTenantPolicy(ctx, w.admin, w.tenant, "postmodern"); return err },
		},
	} {
		require.NoError(t, b.last(), name)
		before := w.store.Commits()
		err := b.next()
		require.Error(t, err, name)
		require.Equal(t, provisioning.BadInput, provisioning.KindOf(err), "%s: %v", name, err)
		require.Equal(t, before, w.store.Commits(), name)
	}
}

// A token has as many holders as there may be, and no more.
func TestMostHolders(t *testing.T) {
	w := newWorld(t)
	for i := range 64 {
		name := fmt.Sprint("user ", i)
		w.user(name, true)
		_, err := w.core.Assign(t.Context(), w.admin, w.ref, provisioning.Assign{User: name, Share: true})
		if i < 63 {
			require.NoError(t, err)
		} else {
			wantKind(t, err, provisioning.WrongState)
		}
	}
	require.Len(t, w.get(w.ref).Holders, 64)
}

// A token without a policy of its own has that of the tenant.
func TestPolicyOfTheTenant(t *testing.T) {
	w := newWorld(t)
	_, err := w.core.SetTenantPolicy(t.Context(), w.admin, w.tenant, "legacy")
	require.NoError(t, err)
	one, err := w.core.SetPolicy(t.Context(), w.admin, w.ref, "CKM_SHA256")
	require.NoError(t, err)
	all, err := w.core.SetPolicy(t.Context(), w.admin, w.ref, "")
	require.NoError(t, err)
	require.NotEqual(t, one.Policy, all.Policy)
	require.Equal(t, "legacy", fmt.Sprint(all.Policy))
	require.Equal(t, all.Policy, w.get(w.ref).Policy)
}

// What has no name is told by its number.
func TestNamesOfWhatIsUnknown(t *testing.T) {
	for _, n := range []int{-1, 1 << 20} {
		require.Equal(t, fmt.Sprint("kind ", n), provisioning.Kind(n).String())
		require.Equal(t, fmt.Sprint("secret ", n), provisioning.Secret(n).String())
	}
	seen := map[string]bool{}
	for i, s := range provisioning.Secrets() {
		require.Equal(t, provisioning.Secret(i), s)
		require.NotContains(t, s.String(), "secret ")
		seen[s.String()] = true
	}
	require.Len(t, seen, len(provisioning.Secrets()))
	require.Equal(t, fmt.Sprint("secret ", len(seen)), provisioning.Secret(len(seen)).String())
}

// A caller that only changes things reads too, where it is asked to, and nothing else.
func TestWithView(t *testing.T) {
	w := newWorld(t)
	c := provisioning.Caller{Name: "x", Tenant: w.tenant, Role: "edit+add"}
	c.Role = record.MayEdit.Role()
	require.NoError(t, w.core.Allowed(c, provisioning.OpTokenLabel, w.tenant))
	wantKind(t, w.core.Allowed(c, provisioning.OpTokenGet, w.tenant), provisioning.Forbidden)
	require.NoError(t, w.core.Allowed(c.WithView(), provisioning.OpTokenGet, w.tenant))
	require.NoError(t, w.core.Allowed(c.WithView(), provisioning.OpTokenLabel, w.tenant))
	wantKind(t, w.core.Allowed(c.WithView(), provisioning.OpTokenDelete, w.tenant), provisioning.Forbidden)
	wantKind(t, w.core.Allowed(w.system, provisioning.OpTokenDelete+1, w.tenant), provisioning.Forbidden)
	wantKind(t, w.core.Allowed(w.system, -1, w.tenant), provisioning.Forbidden)
}

// Ids are read all or not at all.
func TestParseIDs(t *testing.T) {
	const one, two = "11111111-2222-4333-8444-555555555555", "11111111-2222-4333-8444-555555555556"
	got, err := provisioning.ParseIDs[record.TokenID]("token", []string{one, two})
	require.NoError(t, err)
	require.Equal(t, []record.TokenID{one, two}, got)
	_, err = provisioning.ParseIDs[record.TokenID]("token", []string{one, "two"})
	wantKind(t, err, provisioning.BadInput)
}
