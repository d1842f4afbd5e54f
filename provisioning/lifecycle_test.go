package provisioning_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

func (w *world) ok(err error) {
	w.t.Helper()
	require.NoError(w.t, err)
}

func (w *world) get(ref provisioning.TokenRef) provisioning.Token {
	w.t.Helper()
	t, err := w.core.Token(w.t.Context(), w.admin, provisioning.TokenRef{ID: ref.ID})
	w.ok(err)
	return t
}

// loaded is a card of alice's with keys and PINs.
func (w *world) loaded() provisioning.TokenRef {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.core.ImportPFX(ctx, w.admin, w.ref, pfxFile(w.t, "openssl-p256"), secret.Bytes(password))
	w.ok(err)
	w.ok(w.core.ResetPIN(ctx, w.admin, w.ref, pin.User, secret.Bytes(goodPIN), provisioning.PINRule{}))
	_, err = w.core.Complete(ctx, w.admin, w.ref, false)
	w.ok(err)
	return provisioning.TokenRef{Tenant: w.tenant, ID: w.ref.ID}
}

// A card that comes back to the same user is as it was; for another one it is
// emptied, unless somebody who may says otherwise.
func TestKeysOfThoseBefore(t *testing.T) {
	for name, c := range map[string]struct {
		assign provisioning.Assign
		as     record.Role
		keeps  bool
		kind   provisioning.Kind
	}{
		"the same user":          {assign: provisioning.Assign{User: "alice", Activation: record.Activated}, as: record.RoleEdit, keeps: true},
		"another":                {assign: provisioning.Assign{User: "bob", Activation: record.Activated}, as: record.RoleAdmin},
		"one who may not remove": {assign: provisioning.Assign{User: "bob", Activation: record.Activated}, as: record.RoleEdit, kind: provisioning.Forbidden},
		"another who keeps":      {assign: provisioning.Assign{User: "bob", KeepKeys: true}, as: record.RoleAdmin, keeps: true},
		"one who may not":        {assign: provisioning.Assign{User: "bob", KeepKeys: true}, as: record.RoleEdit, kind: provisioning.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ref, ctx := w.loaded(), t.Context()
			_, err := w.core.CreateUser(ctx, w.admin, w.tenant, "bob")
			w.ok(err)
			before := len(w.store.ObjectsOf(ref.ID))
			got, err := w.core.Unassign(ctx, w.admin, ref, "alice")
			w.ok(err)
			if len(got.Holders) != 0 || got.Activation != record.ActivationNew || len(w.store.ObjectsOf(ref.ID)) != before {
				t.Fatalf("unassigned: %+v", got)
			}
			got, err = w.core.Assign(ctx, provisioning.Caller{Name: "x", Tenant: w.tenant, Role: c.as}, ref, c.assign)
			if c.kind != 0 {
				wantKind(t, err, c.kind)
				return
			}
			w.ok(err)
			objects := len(w.store.ObjectsOf(ref.ID))
			if c.keeps && (objects != before || !got.UserPIN.Set || !got.Complete) ||
				!c.keeps && (objects != 0 || got.UserPIN.Set || got.Complete) {
				t.Errorf("%d of %d objects, PIN set %v, complete %v", objects, before, got.UserPIN.Set, got.Complete)
			}
			if got.Login != c.assign.User || got.Activation != c.assign.Activation || got.Holders[0].By != "x" {
				t.Errorf("assigned: %+v", got)
			}
		})
	}
}

// Who gets a token that is held, and who does not.
func TestAssign(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ref := provisioning.TokenRef{Tenant: w.tenant, ID: w.ref.ID}
	for _, login := range []string{"bob", "carol"} {
		_, err := w.core.CreateUser(ctx, w.admin, w.tenant, login)
		w.ok(err)
	}
	_, err := w.core.SetUserEnabled(ctx, w.admin, w.tenant, "carol", false)
	w.ok(err)
	assign := func(a provisioning.Assign) error { _, err := w.core.Assign(ctx, w.admin, ref, a); return err }
	wantKind(t, assign(provisioning.Assign{User: "alice"}), provisioning.Conflict)
	wantKind(t, assign(provisioning.Assign{User: "bob"}), provisioning.WrongState)
	wantKind(t, assign(provisioning.Assign{User: "carol", Take: true}), provisioning.WrongState)
	wantKind(t, assign(provisioning.Assign{User: "nobody", Take: true}), provisioning.UserNotFound)
	w.ok(assign(provisioning.Assign{User: "bob", Share: true}))
	if got := w.get(ref); got.Login != "alice" || len(got.Holders) != 2 || got.Holders[1].Login != "bob" {
		t.Errorf("shared: %+v", got.Holders)
	}
	_, err = w.core.Unassign(ctx, w.admin, ref, "alice")
	w.ok(err)
	if got := w.get(ref); got.Login != "bob" || len(got.Holders) != 1 {
		t.Errorf("without alice: %+v", got.Holders)
	}
	_, err = w.core.Unassign(ctx, w.admin, ref, "alice")
	wantKind(t, err, provisioning.WrongState)
	w.ok(assign(provisioning.Assign{User: "alice", Take: true, Label: "taken"}))
	if got := w.get(ref); got.Login != "alice" || len(got.Holders) != 1 || got.Label != "taken" {
		t.Errorf("taken: %+v", got)
	}
	wantKind(t, w.core.DeleteUser(ctx, w.admin, w.tenant, "alice"), provisioning.WrongState)
	w.ok(w.core.DeleteUser(ctx, w.admin, w.tenant, "bob"))
}

// An activation ends with the right code in time, and after five wrong ones.
func TestActivation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	finish := func(code string) error {
		_, err := w.core.FinishActivation(ctx, w.admin, w.ref, secret.Bytes(code))
		return err
	}
	wantKind(t, finish("1234567890"), provisioning.WrongState)
	start := func() string {
		t.Helper()
		code, got, err := w.core.StartActivation(ctx, w.admin, w.ref, 0)
		w.ok(err)
		if len(code) != provisioning.CodeDigits || got.Activation != record.ActivationPending {
			t.Fatalf("a code of %d digits, activation %q", len(code), got.Activation)
		}
		return string(code)
	}
	first := start()
	code := start() // the first is worth nothing now
	if first == code {
		t.Fatal("the same code twice")
	}
	wantKind(t, finish(first), provisioning.WrongCode)
	w.ok(finish(code))
	if got := w.get(w.ref); got.Activation != record.Activated || got.Complete {
		t.Errorf("activated: %+v", got)
	}
	wantKind(t, finish(code), provisioning.WrongState)

	code = start()
	w.now = w.now.Add(provisioning.DefaultActivation)
	wantKind(t, finish(code), provisioning.WrongCode)
	code = start()
	for i := range 5 {
		wantKind(t, finish(fmt.Sprint(i)), provisioning.WrongCode)
	}
	wantKind(t, finish(code), provisioning.WrongState)
	if got := w.get(w.ref); got.Activation != record.ActivationNew {
		t.Errorf("activation %q after five wrong codes", got.Activation)
	}
	for _, d := range []time.Duration{time.Second, provisioning.MaxActivation + 1, -1} {
		_, _, err := w.core.StartActivation(ctx, w.admin, w.ref, d)
		wantKind(t, err, provisioning.BadInput)
	}
}

// What is deceased stays so, and has nothing left.
func TestDeceased(t *testing.T) {
	w := newWorld(t)
	ref, ctx := w.loaded(), t.Context()
	got, err := w.core.Decease(ctx, w.admin, ref)
	w.ok(err)
	if !got.Deceased || len(w.store.ObjectsOf(ref.ID)) != 0 || got.UserPIN.Set {
		t.Errorf("%+v", got)
	}
	for _, op := range got.Actions {
		if op != provisioning.OpTokenDelete {
			t.Errorf("a deceased token allows to %v", op)
		}
	}
	_, err = w.core.SetEnabled(ctx, w.admin, ref, false, provisioning.EnableRule{})
	wantKind(t, err, provisioning.WrongState)
	w.ok(w.core.DeleteToken(ctx, w.admin, ref))
}

// The gates of a token.
func TestGates(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ref := provisioning.TokenRef{Tenant: w.tenant, Serial: w.get(w.ref).Serial}
	for _, r := range []provisioning.EnableRule{{Activated: true}, {Change: true}} {
		_, err := w.core.SetEnabled(ctx, w.admin, ref, true, r)
		wantKind(t, err, provisioning.WrongState)
	}
	got, err := w.core.SetEnabled(ctx, w.admin, ref, false, provisioning.EnableRule{Held: true, Change: true})
	w.ok(err)
	if got.Enabled || got.EnabledBy != "admin" || !got.EnabledAt.Equal(w.now) {
		t.Errorf("%+v", got)
	}
	download := func(device string) error { _, err := w.core.Download(ctx, w.admin, ref, device); return err }
	w.ok(download("phone"))
	w.ok(download("phone"))
	wantKind(t, download("other"), provisioning.Conflict)
	_, err = w.core.SetConfined(ctx, w.admin, ref, true)
	w.ok(err)
	wantKind(t, download("phone"), provisioning.WrongState)
	got, err = w.core.SetExpiry(ctx, w.admin, ref, w.now.Add(time.Hour))
	w.ok(err)
	if got.Expired {
		t.Error("expired before its end")
	}
	w.now = w.now.Add(time.Hour)
	if !w.get(w.ref).Expired {
		t.Error("not expired at its end")
	}
	_, err = w.core.Activate(ctx, w.admin, ref)
	wantKind(t, err, provisioning.WrongState)
}

// Users are found by their aliases, which belong to one of them.
func TestAliases(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.core.CreateUser(ctx, w.admin, w.tenant, "bob")
	w.ok(err)
	domain := "example.com"
	_, err = w.core.ChangeUser(ctx, w.admin, w.tenant, "alice", provisioning.UserChange{Domain: &domain, Aliases: &[]string{"al", "ally"}})
	w.ok(err)
	got, err := w.core.User(ctx, w.admin, w.tenant, "ally")
	w.ok(err)
	if got.Login != "alice" || got.Domain != domain {
		t.Errorf("%+v", got)
	}
	for _, alias := range []string{"al", "alice"} {
		_, err = w.core.ChangeUser(ctx, w.admin, w.tenant, "bob", provisioning.UserChange{Aliases: &[]string{alias}})
		wantKind(t, err, provisioning.Conflict)
	}
	_, err = w.core.CreateUser(ctx, w.admin, w.tenant, "al")
	wantKind(t, err, provisioning.Conflict)
}

// TestCompleteEndsTheActivation: what is complete is activated, and the code that
// was to activate it is gone.
func TestCompleteEndsTheActivation(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.core.StartActivation(t.Context(), w.admin, w.ref, 0)
	require.NoError(t, err)
	got, err := w.core.Complete(t.Context(), w.admin, w.ref, true)
	if err != nil || got.Activation != record.Activated || !got.CodeExpiresAt.IsZero() {
		t.Errorf("activation %q, code until %v (%v)", got.Activation, got.CodeExpiresAt, err)
	}
}
