package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/record"
)

// A group that is deleted is told of no more, and nothing is found by it.
func TestDeletedGroup(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var groups []record.GroupID
	for _, name := range []string{"one", "two"} {
		g, err := w.core.CreateGroup(ctx, w.admin, w.tenant, name)
		require.NoError(t, err)
		groups = append(groups, g.ID)
	}
	made, err := w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: w.tenant, Unassigned: true, Groups: groups})
	if err != nil || len(made.Groups) != 2 {
		t.Fatal(made.Groups, err)
	}
	find := func(g record.GroupID) int {
		t.Helper()
		page, err := w.core.SearchTokens(ctx, w.admin, provisioning.TokenSearch{
			Tenant: w.tenant, Total: true, Where: []directory.Criterion{{Field: directory.Group, Value: string(g)}},
		})
		if err != nil || page.Total != len(page.Tokens) {
			t.Fatal(page, err)
		}
		return page.Total
	}
	if find(groups[0]) != 1 || find(groups[1]) != 1 {
		t.Error("the token is not found by its groups")
	}
	require.NoError(t, w.core.DeleteGroup(ctx, w.admin, w.tenant, groups[0]))
	got, err := w.core.Token(ctx, w.admin, provisioning.TokenRef{Tenant: w.tenant, ID: made.ID})
	if err != nil || len(got.Groups) != 1 || got.Groups[0] != groups[1] {
		t.Errorf("groups %v (%v), want %v", got.Groups, err, groups[1:])
	}
	if find(groups[0]) != 0 || find(groups[1]) != 1 {
		t.Error("the token is found by the group that is gone, or not by the other")
	}
}
