package provisioning_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// TestUserStatistics: whoever used a token counts, and those who did not, or not
// lately, are listed page by page; what a token was used before is not its new
// holder's.
func TestUserStatistics(t *testing.T) {
	w := newWorld(t)
	active := func(within time.Duration, want int) {
		t.Helper()
		n, since, err := w.core.ActiveUsers(t.Context(), w.admin, w.tenant, within)
		if err != nil || n != want || !since.Equal(w.now.Add(-within)) {
			t.Errorf("%d active users since %v (%v), want %d", n, since, err, want)
		}
	}
	idle := func(after string, limit int, more bool, want ...string) (last time.Time) {
		t.Helper()
		list, _, got, err := w.core.InactiveUsers(t.Context(), w.admin, provisioning.InactiveQuery{Tenant: w.tenant, Within: time.Hour, Limit: limit, After: after})
		require.NoError(t, err)
		logins := []string{}
		for _, u := range list {
			logins, last = append(logins, u.Login), u.LastUsedAt
		}
		if !slices.Equal(logins, want) || got != more {
			t.Errorf("idle are %v (more %v), want %v", logins, got, want)
		}
		return last
	}
	for _, login := range []string{"bob", "carol"} {
		_, err := w.core.CreateUser(t.Context(), w.admin, w.tenant, login)
		require.NoError(t, err)
	}
	active(time.Hour, 0)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	_, err := w.core.VerifyOTP(t.Context(), w.admin, ref, provisioning.Code{Text: []byte("755224")})
	require.NoError(t, err)
	used := w.now
	active(time.Hour, 1)
	idle("", 10, false, "bob", "carol")
	idle("", 1, true, "bob")
	idle("bob", 1, false, "carol")
	_, err = w.core.SetUserEnabled(t.Context(), w.admin, w.tenant, "carol", false)
	require.NoError(t, err)
	idle("", 10, false, "bob")

	w.now = w.now.Add(2 * time.Hour)
	active(time.Hour, 0)
	active(24*time.Hour, 1)
	if last := idle("", 1, true, "alice"); !last.Equal(used) {
		t.Errorf("alice was there at %v, want %v", last, used)
	}
	_, err = w.core.Assign(t.Context(), w.admin, provisioning.TokenRef{Tenant: w.tenant, ID: ref.ID}, provisioning.Assign{User: "bob", Take: true})
	require.NoError(t, err)
	active(24*time.Hour, 0)

	_, _, err = w.core.ActiveUsers(t.Context(), w.system, "11111111-2222-4333-8444-555555555555", time.Hour)
	wantKind(t, err, provisioning.TenantNotFound)
	_, _, err = w.core.ActiveUsers(t.Context(), provisioning.Caller{Name: "x", Tenant: "other", Role: record.RoleView}, w.tenant, time.Hour)
	if err == nil {
		t.Error("another tenant's key reads the statistics")
	}
	_, _, _, err = w.core.InactiveUsers(t.Context(), w.admin, provisioning.InactiveQuery{Tenant: w.tenant, Limit: provisioning.MaxPage + 1})
	wantKind(t, err, provisioning.BadInput)
}
