package keystore

import (
	"testing"

	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// A token keeps its algorithm policy; one that has none takes its tenant's, and
// keeps that when the tenant's changes.
func TestPolicy(t *testing.T) {
	s := temp(t)
	list, err := policy.Parse("CKM_ECDSA,CKM_AES_GCM")
	require.NoError(t, err)
	tenant := record.Tenant{Name: "strict", Policy: list}
	update(t, s, func(tx *Tx) error { return tx.PutTenant(&tenant) })
	make := func(p policy.Policy) record.TokenID {
		token := record.Token{Tenant: tenant.ID, Policy: p}
		update(t, s, func(tx *Tx) error { return tx.NewToken(&token) })
		return token.ID
	}
	plain, legacy := make(policy.Policy{}), make(policy.Policy{Name: policy.Legacy})
	tenant.Policy = policy.Policy{Name: policy.Modern}
	update(t, s, func(tx *Tx) error { return tx.PutTenant(&tenant) })
	later := make(policy.Policy{})
	view(t, s, func(tx *Tx) error {
		for id, want := range map[record.TokenID]string{plain: "CKM_ECDSA,CKM_AES_GCM", legacy: "legacy", later: "modern"} {
			token, err := tx.Token(id)
			if err != nil || token.Policy.String() != want {
				t.Errorf("the policy is %v, %v, want %s", token.Policy, err, want)
			}
		}
		return nil
	})
}

// Whether logins with a tenant's tokens outlive the daemon is the tenant's to say, and changes
// at once.
func TestForgetsLogins(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	tenant := record.Tenant{Name: "strict"}
	update(t, s, func(tx *Tx) error { return tx.PutTenant(&tenant) })
	want := func(want bool) {
		t.Helper()
		view(t, s, func(tx *Tx) error {
			forgets, err := tx.ForgetsLogins(tenant.ID)
			require.NoError(t, err)
			require.Equal(t, want, forgets)
			return nil
		})
	}
	want(false)
	tenant.NoResume = true
	update(t, s, func(tx *Tx) error { return tx.PutTenant(&tenant) })
	want(true)
	closeStore(t, s)
	s = open(t, dir)
	want(true)
	tenant.NoResume = false
	update(t, s, func(tx *Tx) error { return tx.PutTenant(&tenant) })
	want(false)
	view(t, s, func(tx *Tx) error {
		for _, id := range []record.TenantID{"", "no id", "00000000-0000-0000-0000-000000000000"} {
			_, err := tx.ForgetsLogins(id)
			require.Error(t, err)
		}
		return nil
	})
}
