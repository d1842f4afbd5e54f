package provisioning_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// apps are applications without processes.
type apps struct {
	mu   sync.Mutex
	list []provisioning.Application
}

// add adds an application with a session with each of the tokens, and returns its id.
func (a *apps) add(t testing.TB, tenant record.TenantID, tokens ...record.TokenID) string {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	one := provisioning.Application{ID: fmt.Sprintf("app%d", len(a.list)), OSUser: "alice", PID: int32(100 + len(a.list))}
	for _, id := range tokens {
		one.Tokens = append(one.Tokens, provisioning.TokenUse{Token: &record.Token{ID: id, Tenant: tenant}, Sessions: 1})
	}
	a.list = append(a.list, one)
	return one.ID
}

func (a *apps) List(context.Context) ([]provisioning.Application, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.list), nil
}

func (a *apps) End(_ context.Context, id, _ string, chosen func(*record.Token) bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.list, func(one provisioning.Application) bool { return one.ID == id })
	a.list[i].Tokens = slices.DeleteFunc(slices.Clone(a.list[i].Tokens), func(u provisioning.TokenUse) bool { return chosen(u.Token) })
	return nil
}

// uses are the tokens of each application that the caller sees.
func (w *world) uses(c provisioning.Caller, f provisioning.ApplicationFilter) map[string][]record.TokenID {
	w.t.Helper()
	list, err := w.core.Applications(w.t.Context(), c, f)
	require.NoError(w.t, err)
	found := map[string][]record.TokenID{}
	for _, a := range list {
		found[a.ID] = nil
		for _, u := range a.Tokens {
			found[a.ID] = append(found[a.ID], u.Token.ID)
		}
	}
	return found
}

// A tenant's administrator sees and ends what is done with the tokens of the tenant, and
// nothing else tells that there is more.
func TestApplicationsOfATenant(t *testing.T) {
	w := newWorld(t)
	mine, both := w.apps.add(t, w.tenant, "m1", "m2"), w.apps.add(t, w.tenant, "m3")
	foreign, idle := w.apps.add(t, "other", "f1"), w.apps.add(t, "other")
	w.apps.list[1].Tokens = append(w.apps.list[1].Tokens, w.apps.list[2].Tokens...)

	type ids = []record.TokenID
	none := provisioning.ApplicationFilter{}
	require.Equal(t, map[string]ids{mine: {"m1", "m2"}, both: {"m3"}}, w.uses(w.admin, none))
	require.Equal(t, map[string]ids{mine: {"m1", "m2"}, both: {"m3", "f1"}, foreign: {"f1"}, idle: nil}, w.uses(w.system, none))
	require.Equal(t, map[string]ids{both: {"f1"}, foreign: {"f1"}}, w.uses(w.system, provisioning.ApplicationFilter{Tenant: "other"}))
	require.Equal(t, map[string]ids{mine: {"m1", "m2"}}, w.uses(w.system, provisioning.ApplicationFilter{Token: "m2"}))
	require.Empty(t, w.uses(w.admin, provisioning.ApplicationFilter{Token: "f1"}))
	require.Equal(t, map[string]ids{idle: nil}, w.uses(w.system, provisioning.ApplicationFilter{PID: 103}))
	require.Empty(t, w.uses(w.system, provisioning.ApplicationFilter{OSUser: "bob"}))
	require.Len(t, w.uses(w.system, provisioning.ApplicationFilter{OSUser: "alice"}), 4)

	end := func(c provisioning.Caller, id string, token record.TokenID) error {
		return w.core.EndApplication(t.Context(), c, id, "", token)
	}
	for what, err := range map[string]error{
		"a foreign one":          end(w.admin, foreign, ""),
		"a foreign token":        end(w.admin, both, "f1"),
		"none":                   end(w.admin, "app9", ""),
		"one without sessions":   end(w.admin, idle, ""),
		"a token without use":    end(w.system, mine, "f1"),
		"a tenant without a use": w.core.EndApplication(t.Context(), w.system, mine, "other", ""),
	} {
		require.Equal(t, provisioning.KeyNotFound, provisioning.KindOf(err), what)
	}
	require.Equal(t, map[string]ids{mine: {"m1", "m2"}, both: {"m3", "f1"}, foreign: {"f1"}, idle: nil}, w.uses(w.system, none))
	require.NoError(t, end(w.admin, mine, "m1"))
	require.NoError(t, end(w.admin, both, ""))
	require.NoError(t, end(w.system, foreign, ""))
	require.NoError(t, end(w.system, idle, ""), "its record may have to go")
	require.Equal(t, map[string]ids{mine: {"m2"}, both: {"f1"}, foreign: nil, idle: nil}, w.uses(w.system, none))
}

// Without applications none are listed.
func TestNoApplications(t *testing.T) {
	w := newWorld(t)
	core := provisioning.New(w.store, provisioning.Options{})
	list, err := core.Applications(t.Context(), w.system, provisioning.ApplicationFilter{})
	require.NoError(t, err)
	require.Empty(t, list)
	wantKind(t, core.EndApplication(t.Context(), w.system, "x", "", ""), provisioning.KeyNotFound)
}
