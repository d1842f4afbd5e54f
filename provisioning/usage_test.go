package provisioning_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// A usage limit is for one holder: as many passwords are accepted, then the token
// is gone for that one, until the limit is set anew.
func TestUsageLimit(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	must := func(tok provisioning.Token, err error) provisioning.Token {
		t.Helper()
		require.NoError(t, err)
		return tok
	}
	_, err := w.core.CreateUser(ctx, w.admin, w.tenant, "bob")
	require.NoError(t, err)
	must(w.core.Assign(ctx, w.admin, ref, provisioning.Assign{User: "bob", Share: true}))
	limit := func(n int) {
		t.Helper()
		must(w.core.SetHolder(ctx, w.admin, ref, "alice", provisioning.HolderChange{UsageLimit: &n}))
	}
	counter := uint64(0)
	verify := func(user string, kinds ...provisioning.Kind) {
		t.Helper()
		by := ref
		by.User = user
		w.verify(by, rfcCode(t, 6, counter), kinds...)
		if len(kinds) == 0 {
			counter++
		}
	}
	verify("alice") // without a limit nothing is counted
	limit(2)
	verify("alice")
	verify("alice")
	verify("alice", provisioning.WrongState)
	verify("bob") // who has no limit
	verify("")    // whoever may: bob
	if got := must(w.core.Token(ctx, w.admin, ref)); got.Holders[0].Uses != 2 || got.Holders[1].Uses != 0 || got.Holders[0].UsageLimit != 2 {
		t.Errorf("uses of %d and %d", got.Holders[0].Uses, got.Holders[1].Uses)
	}
	var stored *record.Token
	err = w.store.View(func(tx provisioning.ReadTx) (err error) { stored, err = tx.Token(ref.ID); return err })
	if err != nil || stored.VisibleTo(stored.Holders[0].User, w.now) || !stored.VisibleTo(stored.Holders[1].User, w.now) {
		t.Errorf("alice sees the token, or bob does not (%v)", err)
	}
	priority := 5
	must(w.core.SetHolder(ctx, w.admin, ref, "alice", provisioning.HolderChange{Priority: &priority}))
	verify("alice", provisioning.WrongState)
	limit(1)
	verify("alice")
	verify("alice", provisioning.WrongState)
	limit(0)
	verify("alice")
	verify("alice")
}

// Verifications that come at once do not go over the limit.
func TestUsageLimitAtOnce(t *testing.T) {
	w := newWorld(t)
	ref := w.otpToken(provisioning.NewOTP{Seed: rfcSeed})
	limit := 3
	_, err := w.core.SetHolder(t.Context(), w.admin, ref, "alice", provisioning.HolderChange{UsageLimit: &limit})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range uint64(8) {
		wg.Go(func() { _, _ = w.core.VerifyOTP(t.Context(), w.admin, ref, rfcCode(t, 6, i)) })
	}
	wg.Wait()
	got, err := w.core.Token(t.Context(), w.admin, ref)
	if err != nil || got.Holders[0].Uses > limit {
		t.Errorf("%d uses (%v), want at most %d", got.Holders[0].Uses, err, limit)
	}
}
