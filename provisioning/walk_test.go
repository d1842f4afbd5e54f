package provisioning_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// model is what a token is to be.
type model struct {
	ref               provisioning.TokenRef
	label             string
	complete, enabled bool
	pins              [2]string
	failed, unlocks   [2]int
}

// walker does random operations and keeps the model.
type walker struct {
	*world
	rng    *rand.Rand
	tokens []*model
}

// TestRandomWalk compares the core with a model after each of many random
// operations, right and wrong ones.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(4) {
		w := &walker{world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 0))}
		for range 5000 {
			if len(w.tokens) == 0 || w.rng.IntN(12) == 0 && len(w.tokens) < 20 {
				w.create()
			}
			i := w.rng.IntN(len(w.tokens))
			m := w.tokens[i]
			if w.rng.IntN(40) == 0 {
				w.expect(m, "delete", w.core.DeleteToken(t.Context(), w.admin, m.ref), nil)
				w.tokens = append(w.tokens[:i], w.tokens[i+1:]...)
				continue
			}
			w.change(m)
			w.compare(m)
		}
		w.compareAll()
	}
}

func (w *walker) create() {
	w.t.Helper()
	m := &model{label: fmt.Sprint("new ", w.rng.IntN(100)), enabled: true, ref: provisioning.TokenRef{Tenant: w.tenant, User: fmt.Sprint("user ", w.rng.IntN(4))}}
	n := provisioning.NewToken{Tenant: w.tenant, User: m.ref.User, CreateUser: true, Label: m.label}
	if w.rng.IntN(2) == 0 {
		m.pins[pin.User] = "first pin"
		n.UserPIN = secret.Bytes("first pin")
	}
	got, err := w.core.CreateToken(w.t.Context(), w.admin, n)
	require.NoError(w.t, err)
	m.ref.ID = got.ID
	w.tokens = append(w.tokens, m)
}

// change does one operation on a token, and on the model what it should do.
func (w *walker) change(m *model) {
	w.t.Helper()
	ctx := w.t.Context()
	role := pin.Role(w.rng.IntN(2))
	sealed := func() error {
		if m.complete {
			return provisioning.Errorf(provisioning.Sealed, "")
		}
		return nil
	}
	switch w.rng.IntN(8) {
	case 0:
		label := fmt.Sprint("label ", w.rng.IntN(100))
		_, err := w.core.SetLabel(ctx, w.admin, m.ref, label, provisioning.LabelRule{MaxChars: 32})
		if w.expect(m, "label", err, sealed()) {
			m.label = label
		}
	case 1, 2:
		p := fmt.Sprint("pin ", w.rng.IntN(1000))
		err := w.core.ResetPIN(ctx, w.admin, m.ref, role, secret.Bytes(p), provisioning.PINRule{})
		if w.expect(m, "reset", err, sealed()) {
			m.pins[role], m.failed[role] = p, 0
		}
	case 3:
		on := w.rng.IntN(2) == 0
		_, err := w.core.SetEnabled(ctx, w.admin, m.ref, on, provisioning.EnableRule{})
		if w.expect(m, "enable", err, nil) {
			m.enabled = on
		}
	case 4:
		want := sealed()
		if want == nil && m.pins[pin.User] == "" {
			want = provisioning.Errorf(provisioning.WrongState, "")
		}
		if w.rng.IntN(4) > 0 {
			return // most tokens stay open for a while
		}
		_, err := w.core.Complete(ctx, w.admin, m.ref, false)
		if w.expect(m, "complete", err, want) {
			m.complete = true
		}
	case 5:
		if m.pins[role] != "" {
			m.failed[role] = w.rng.IntN(11)
			w.store.Tries(m.ref.ID, role, m.failed[role]) // as the engine counts
		}
	case 6:
		var want error
		if m.pins[role] == "" {
			want = provisioning.Errorf(provisioning.WrongState, "")
		}
		if m.failed[role] > 0 && m.unlocks[role] == pin.MaxUnlocks { // the clock stands still
			want = provisioning.Errorf(provisioning.RateLimited, "")
		}
		_, err := w.core.UnlockPIN(ctx, w.admin, m.ref, role)
		if w.expect(m, "unlock", err, want) && m.failed[role] > 0 {
			m.failed[role] = 0
			m.unlocks[role]++
		}
	case 7:
		viewer := provisioning.Caller{Name: "viewer", Tenant: w.tenant, Role: record.RoleView}
		_, err := w.core.SetLabel(ctx, viewer, m.ref, "not by a viewer", provisioning.LabelRule{})
		w.expect(m, "label by a viewer", err, provisioning.Errorf(provisioning.Forbidden, ""))
	}
}

// expect compares an error with the one that the model has and reports whether
// there was none.
func (w *walker) expect(m *model, what string, got, want error) bool {
	w.t.Helper()
	if (got == nil) != (want == nil) || got != nil && provisioning.KindOf(got) != provisioning.KindOf(want) {
		w.t.Fatalf("%s of %+v: %v, want %v", what, *m, got, want)
	}
	return got == nil
}

func (w *walker) compare(m *model) {
	w.t.Helper()
	got, err := w.core.Token(w.t.Context(), w.admin, m.ref)
	require.NoError(w.t, err)
	if got.Label != m.label || got.Complete != m.complete || got.Enabled != m.enabled || got.Login != m.ref.User {
		w.t.Fatalf("%+v, want %+v", got, *m)
	}
	for role, status := range map[pin.Role]provisioning.PINStatus{pin.User: got.UserPIN, pin.SO: got.SOPIN} {
		p := m.pins[role]
		if status.Set != (p != "") || status.TriesLeft != 10-m.failed[role] || status.Locked != (m.failed[role] >= 10) {
			w.t.Fatalf("%v PIN %+v, want %+v", role, status, *m)
		}
		if p != "" && !w.store.HasPIN(m.ref.ID, role, secret.Bytes(p)) {
			w.t.Fatalf("the %v PIN is not the last that was set", role)
		}
	}
}

func (w *walker) compareAll() {
	w.t.Helper()
	page, err := w.core.ListTokens(w.t.Context(), w.admin, provisioning.TokenFilter{Tenant: w.tenant, Limit: provisioning.MaxPage})
	if err != nil || len(page.Tokens) != len(w.tokens)+1 { // and the world's own
		w.t.Fatalf("%d tokens, want %d (%v)", len(page.Tokens), len(w.tokens)+1, err)
	}
	for _, m := range w.tokens {
		w.compare(m)
	}
}

// TestConcurrent has many administrators work on the same few tokens: each gets
// an answer of the table, one import of a key wins, and no token is half done.
func TestConcurrent(t *testing.T) {
	w := newWorld(t)
	pfx := pfxFile(t, "openssl-p256")
	var wg sync.WaitGroup
	var mu sync.Mutex
	imported, completed := 0, 0
	for range 8 {
		wg.Go(func() {
			_, err := w.core.ImportPFX(t.Context(), w.admin, w.ref, pfx, secret.Bytes(password))
			_, sealErr := w.core.Complete(t.Context(), w.admin, w.ref, true)
			_, newErr := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, User: "the same new user", CreateUser: true})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				imported++
			case provisioning.KindOf(err) != provisioning.Conflict && provisioning.KindOf(err) != provisioning.Sealed:
				t.Errorf("import: %v", err)
			}
			if sealErr == nil {
				completed++
			} else if provisioning.KindOf(sealErr) != provisioning.Sealed {
				t.Errorf("complete: %v", sealErr)
			}
			if newErr != nil {
				t.Errorf("create: %v", newErr)
			}
		})
	}
	wg.Wait()
	if imported != 1 || completed != 1 || len(w.store.ObjectsOf(w.ref.ID)) != 5 {
		t.Errorf("%d imports, %d completions, %d objects", imported, completed, len(w.store.ObjectsOf(w.ref.ID)))
	}
	users, err := w.core.Users(t.Context(), w.admin, w.tenant)
	if err != nil || len(users) != 2 {
		t.Errorf("%d users (%v)", len(users), err)
	}
}
