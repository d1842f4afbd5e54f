package provisioning_test

import (
	"testing"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
)

// world is a core on a store in memory, with a token to play with.
type world struct {
	t      testing.TB
	store  *provtest.Store
	core   *provisioning.Service
	now    time.Time
	tenant record.TenantID
	// admin is an administrator of the tenant, system one of the machine.
	admin, system provisioning.Caller
	ref           provisioning.TokenRef // a token of alice's
	// What prepared made: a group, and tokens without and with a holder.
	group       record.GroupID
	free, taken record.TokenID
	// And tokens for one-time passwords: one that is activated, one that is not.
	otp, unseen record.TokenID
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: provtest.New(), now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), system: provisioning.System("root")}
	w.core = provisioning.New(w.store, provisioning.Options{Now: func() time.Time { return w.now }})
	tenant, err := w.core.TenantNamed(t.Context(), w.system, "")
	if err != nil {
		t.Fatal(err)
	}
	w.tenant = tenant.ID
	w.admin = provisioning.Caller{Name: "admin", Tenant: w.tenant, Role: record.RoleAdmin}
	w.ref = w.token(4096)
	return w
}

// token makes a token of alice's.
func (w *world) token(maxRSABits int) provisioning.TokenRef {
	w.t.Helper()
	t, err := w.core.CreateToken(w.t.Context(), w.admin, provisioning.NewToken{
		Tenant: w.tenant, User: "alice", CreateUser: true, MaxRSABits: maxRSABits,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return provisioning.TokenRef{Tenant: w.tenant, User: "alice", ID: t.ID}
}

func wantKind(t testing.TB, err error, want provisioning.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", want)
	}
	if got := provisioning.KindOf(err); got != want {
		t.Fatalf("%v: %v; want %v", got, err, want)
	}
}
