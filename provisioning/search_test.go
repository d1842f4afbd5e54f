package provisioning_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/record"
)

// Pages forth and back again are the same, with the criteria of the first.
func TestSearchPages(t *testing.T) {
	w := newWorld(t)
	for i := range 25 {
		_, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, Unassigned: true, Serial: fmt.Sprintf("H%03d", i)})
		require.NoError(t, err)
	}
	search := provisioning.TokenSearch{
		Tenant: w.tenant, OrderBy: directory.Serial, Limit: 10, Descending: true,
		Where: []directory.Criterion{{Field: directory.Held, Value: "false"}},
	}
	serials := func(p provisioning.TokenPage) (list []string) {
		for _, tok := range p.Tokens {
			list = append(list, tok.Serial)
		}
		return list
	}
	var pages [][]string
	var page provisioning.TokenPage
	for {
		var err error
		page, err = w.core.SearchTokens(t.Context(), w.admin, search)
		require.NoError(t, err)
		pages = append(pages, serials(page))
		if page.Next == "" {
			break
		}
		search = provisioning.TokenSearch{Tenant: w.tenant, Limit: 10, Cursor: page.Next}
	}
	if len(pages) != 3 || len(pages[2]) != 5 || pages[0][0] != "H024" || pages[2][4] != "H000" {
		t.Fatalf("pages %v", pages)
	}
	for i := 1; i >= 0; i-- {
		var err error
		page, err = w.core.SearchTokens(t.Context(), w.admin, provisioning.TokenSearch{Tenant: w.tenant, Limit: 10, Cursor: page.Prev})
		require.NoError(t, err)
		if !slices.Equal(serials(page), pages[i]) {
			t.Errorf("page %d on the way back is %v, was %v", i, serials(page), pages[i])
		}
	}
	if page.Prev != "" || page.Next == "" {
		t.Errorf("the first page has cursors %q and %q", page.Prev, page.Next)
	}
}

// The directory follows what happens, and tells nobody of another tenant.
func TestSearchFollows(t *testing.T) {
	w := newWorld(t)
	find := func(c provisioning.Caller, tenant record.TenantID, state string) int {
		t.Helper()
		page, err := w.core.SearchTokens(t.Context(), c, provisioning.TokenSearch{
			Tenant: tenant, Where: []directory.Criterion{{Field: directory.State, Value: state}},
		})
		require.NoError(t, err)
		return len(page.Tokens)
	}
	if n := find(w.admin, w.tenant, directory.StateNew); n != 1 {
		t.Fatalf("%d new tokens", n)
	}
	_, err := w.core.Activate(t.Context(), w.admin, w.ref)
	require.NoError(t, err)
	if n, m := find(w.admin, w.tenant, directory.StateNew), find(w.admin, w.tenant, directory.StateActive); n != 0 || m != 1 {
		t.Errorf("%d new and %d active tokens after the activation", n, m)
	}
	require.NoError(t, w.core.DeleteToken(t.Context(), w.admin, w.ref))
	if n := find(w.admin, w.tenant, directory.StateActive); n != 0 {
		t.Errorf("%d active tokens after the end", n)
	}
	other, err := w.core.CreateTenant(t.Context(), w.system, "other")
	require.NoError(t, err)
	_, err = w.core.SearchTokens(t.Context(), w.admin, provisioning.TokenSearch{Tenant: other.ID})
	wantKind(t, err, provisioning.Forbidden)
	for _, cursor := range []string{"x", "e30", string(make([]byte, 5000))} {
		_, err = w.core.SearchTokens(t.Context(), w.admin, provisioning.TokenSearch{Tenant: w.tenant, Cursor: cursor})
		wantKind(t, err, provisioning.BadInput)
	}
}
