package provisioning_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/record"
)

// world is a core on a store in memory, with a token to play with.
type world struct {
	t      testing.TB
	store  *provtest.Store
	core   *provisioning.Service
	now    time.Time // goes on while a call waits
	tenant record.TenantID
	// admin is an administrator of the tenant, system one of the machine.
	admin, system provisioning.Caller
	ref           provisioning.TokenRef // a token of alice's
	// What prepared made: a group, and tokens without and with a holder.
	group       record.GroupID
	free, taken record.TokenID
	// And tokens for one-time passwords: one that is activated, one that is not.
	otp, unseen record.TokenID
	// waits are those of calls after wrong secrets, and told what the core told of them.
	waits []time.Duration
	mu    sync.Mutex
	told  []string
	apps  *apps
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, store: provtest.New(), now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), system: provisioning.System("root")}
	w.apps = &apps{}
	w.core = provisioning.New(w.store, w.options())
	tenant, err := w.core.TenantNamed(t.Context(), w.system, "")
	require.NoError(t, err)
	w.tenant = tenant.ID
	w.admin = provisioning.Caller{Name: "admin", Tenant: w.tenant, Role: record.RoleAdmin}
	w.ref = w.token(4096)
	return w
}

// options are those of a core on the world's clock.
func (w *world) options() provisioning.Options {
	return provisioning.Options{
		Now:          func() time.Time { return w.now },
		Applications: w.apps,
		Wait: func(_ context.Context, long time.Duration) error {
			w.now = w.now.Add(long)
			w.waits = append(w.waits, long)
			return nil
		},
		Guessed: func(_ context.Context, t *record.Token, s provisioning.Secret, what provisioning.Guess) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, fmt.Sprintf("%v %s", s, what))
		},
	}
}

// token makes a token of alice's.
func (w *world) token(maxRSABits int) provisioning.TokenRef {
	w.t.Helper()
	t, err := w.core.CreateToken(w.t.Context(), w.admin, provisioning.NewToken{
		Tenant: w.tenant, User: "alice", CreateUser: true, MaxRSABits: maxRSABits,
	})
	require.NoError(w.t, err)
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
