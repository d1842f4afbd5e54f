package provisioning_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// boundToken makes a PIN-bound token of alice's; empty PINs are not set.
func (w *world) boundToken(userPIN, soPIN string) provisioning.TokenRef {
	w.t.Helper()
	n := provisioning.NewToken{Tenant: w.tenant, User: "alice", PINBound: true}
	if userPIN != "" {
		n.UserPIN = secret.Bytes(userPIN)
	}
	if soPIN != "" {
		n.SOPIN = secret.Bytes(soPIN)
	}
	t, err := w.core.CreateToken(w.t.Context(), w.admin, n)
	require.NoError(w.t, err)
	if !t.PINBound {
		w.t.Fatal("the token is not PIN-bound")
	}
	return provisioning.TokenRef{ID: t.ID}
}

// has checks that a PIN is the token's and opens its key.
func (w *world) has(ref provisioning.TokenRef, role pin.Role, p string) {
	w.t.Helper()
	if !w.store.HasPIN(ref.ID, role, secret.Bytes(p)) {
		w.t.Errorf("the %v PIN is not %s, or does not open the key", role, p)
	}
}

func (w *world) reset(ref provisioning.TokenRef, role pin.Role, p string) error {
	return w.core.ResetPIN(w.t.Context(), w.admin, ref, role, secret.Bytes(p), provisioning.PINRule{})
}

// resetBy is reset by another administrator.
func (w *world) resetBy(name string, ref provisioning.TokenRef, role pin.Role, p string) error {
	c := w.admin
	c.Name = name
	return w.core.ResetPIN(w.t.Context(), c, ref, role, secret.Bytes(p), provisioning.PINRule{})
}

func (w *world) change(ref provisioning.TokenRef, role pin.Role, p string, with pin.Role, current string) error {
	return w.core.ChangePIN(w.t.Context(), w.admin, ref, role, secret.Bytes(p), provisioning.PINRule{},
		provisioning.CurrentPIN{Role: with, PIN: secret.Bytes(current)})
}

// Once a PIN-bound token has a PIN, the next is set with one of those that it
// has, and with nothing else.
func TestBoundResetPIN(t *testing.T) {
	w := newWorld(t)
	ref := w.boundToken("", "")
	wantKind(t, w.change(ref, pin.User, goodPIN, pin.SO, soPIN), provisioning.WrongState) // there is none yet
	require.NoError(t, w.reset(ref, pin.User, goodPIN))
	w.has(ref, pin.User, goodPIN)
	for _, role := range []pin.Role{pin.User, pin.SO} {
		err := w.resetBy("another", ref, role, "new PIN")
		wantKind(t, err, provisioning.WrongState)
		if !strings.Contains(err.Error(), "PIN-bound") {
			t.Errorf("the reason is not told: %v", err)
		}
	}
	w.has(ref, pin.User, goodPIN)
	require.NoError(t, w.change(ref, pin.SO, soPIN, pin.User, goodPIN))
	w.has(ref, pin.SO, soPIN)
	require.NoError(t, w.change(ref, pin.User, "new PIN", pin.SO, soPIN))
	w.has(ref, pin.User, "new PIN")
	w.has(ref, pin.SO, soPIN)
	require.NoError(t, w.change(ref, pin.SO, "new SO PIN", pin.SO, soPIN))
	w.has(ref, pin.SO, "new SO PIN")
}

// Who has just set the first PIN of a token sets the other one, too, and that one
// again: for ten minutes, until the token is complete, and nobody else.
func TestBoundBothPINs(t *testing.T) {
	for name, made := range map[string]func(w *world) provisioning.TokenRef{
		"reset": func(w *world) provisioning.TokenRef {
			ref := w.boundToken("", "")
			require.NoError(t, w.reset(ref, pin.User, goodPIN))
			return ref
		},
		"created": func(w *world) provisioning.TokenRef { return w.boundToken(goodPIN, "") },
	} {
		for late, end := range map[string]func(w *world, ref provisioning.TokenRef) provisioning.Kind{
			"another": func(w *world, ref provisioning.TokenRef) provisioning.Kind {
				return provisioning.KindOf(w.resetBy("another", ref, pin.User, "new PIN"))
			},
			"late": func(w *world, ref provisioning.TokenRef) provisioning.Kind {
				w.now = w.now.Add(11 * time.Minute)
				return provisioning.KindOf(w.reset(ref, pin.User, "new PIN"))
			},
			"another daemon": func(w *world, ref provisioning.TokenRef) provisioning.Kind {
				w.core = provisioning.New(w.store, w.options())
				return provisioning.KindOf(w.reset(ref, pin.User, "new PIN"))
			},
		} {
			t.Run(name+"/"+late, func(t *testing.T) {
				w := newWorld(t)
				ref := made(w)
				for _, p := range []string{soPIN, "another SO PIN"} {
					require.NoError(t, w.reset(ref, pin.SO, p))
					w.has(ref, pin.SO, p)
					w.has(ref, pin.User, goodPIN)
				}
				if kind := end(w, ref); kind != provisioning.WrongState {
					t.Errorf("%v", kind)
				}
				w.has(ref, pin.User, goodPIN)
			})
		}
	}
}

// Both PINs from the start open the same key.
func TestBoundFromTheStart(t *testing.T) {
	w := newWorld(t)
	ref := w.boundToken(goodPIN, soPIN)
	w.has(ref, pin.User, goodPIN)
	w.has(ref, pin.SO, soPIN)
}

// The SO PIN sets PINs of every token, complete ones too; the user PIN does not.
func TestPINWithCurrent(t *testing.T) {
	for _, bound := range []bool{false, true} {
		w := newWorld(t)
		made, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{
			Tenant: w.tenant, User: "alice", PINBound: bound, Complete: true, UserPIN: secret.Bytes(goodPIN), SOPIN: secret.Bytes(soPIN),
		})
		require.NoError(t, err)
		ref := provisioning.TokenRef{ID: made.ID}
		wantKind(t, w.reset(ref, pin.User, "new PIN"), provisioning.Sealed)
		wantKind(t, w.change(ref, pin.User, "new PIN", pin.User, goodPIN), provisioning.Sealed)
		require.NoError(t, w.change(ref, pin.User, "new PIN", pin.SO, soPIN))
		w.has(ref, pin.User, "new PIN")
	}
}

// Wrong current PINs are counted, until there are no tries left; new tries are the
// administrator's to give, also of a PIN-bound token.
func TestCurrentPINTries(t *testing.T) {
	w := newWorld(t)
	ref := w.boundToken(goodPIN, soPIN)
	tries := func() int {
		got, err := w.core.Token(t.Context(), w.admin, ref)
		require.NoError(t, err)
		return got.SOPIN.TriesLeft
	}
	wantKind(t, w.change(ref, pin.User, "new PIN", pin.SO, ""), provisioning.BadInput)
	wantKind(t, w.change(ref, pin.User, "x", pin.SO, "wrong"), provisioning.BadInput) // the new one does not fit
	if tries() != 10 {
		t.Errorf("%d tries are left, though none was compared", tries())
	}
	for i := range 10 {
		wantKind(t, w.change(ref, pin.User, "new PIN", pin.SO, fmt.Sprint("wrong", i)), provisioning.Forbidden)
		if tries() != 9-i {
			t.Errorf("%d tries are left after %d wrong ones", tries(), i+1)
		}
	}
	wantKind(t, w.change(ref, pin.User, "new PIN", pin.SO, soPIN), provisioning.WrongState)
	w.has(ref, pin.User, goodPIN)
	_, err := w.core.UnlockPIN(t.Context(), w.admin, ref, pin.SO)
	require.NoError(t, err)
	wantKind(t, w.change(ref, pin.User, "new PIN", pin.SO, "wrong"), provisioning.Forbidden)
	require.NoError(t, w.change(ref, pin.User, "new PIN", pin.SO, soPIN))
	if tries() != 10 {
		t.Errorf("%d tries are left after the right PIN", tries())
	}
	w.has(ref, pin.User, "new PIN")
}

// A disk that fails at any commit of a change of PINs leaves the old ones.
func TestBoundResetOnAFullDisk(t *testing.T) {
	w := newWorld(t)
	ref := w.boundToken(goodPIN, soPIN)
	w.store.FillDisk()
	wantKind(t, w.change(ref, pin.User, "new PIN", pin.SO, soPIN), provisioning.StorageFull)
	w.store.Fail(nil)
	w.has(ref, pin.User, goodPIN)
	w.has(ref, pin.SO, soPIN)
}

// The last PIN that opens the keys is not cleared; with an owner's keys goes the
// key that they were sealed to.
func TestBoundWithoutPINs(t *testing.T) {
	w := newWorld(t)
	ref := w.boundToken(goodPIN, soPIN)
	_, err := w.core.ClearPIN(t.Context(), w.admin, ref, pin.SO)
	require.NoError(t, err)
	_, err = w.core.ClearPIN(t.Context(), w.admin, ref, pin.User)
	wantKind(t, err, provisioning.WrongState)
	w.has(ref, pin.User, goodPIN)

	_, err = w.core.CreateUser(t.Context(), w.admin, w.tenant, "bob")
	require.NoError(t, err)
	_, err = w.core.ImportPFX(t.Context(), w.admin, ref, pfxFile(t, "openssl-p256"), secret.Bytes(password))
	require.NoError(t, err)
	_, err = w.core.Assign(t.Context(), w.admin, ref, provisioning.Assign{User: "bob", Take: true})
	require.NoError(t, err)
	require.NoError(t, w.reset(ref, pin.User, "bob's PIN"))
	w.has(ref, pin.User, "bob's PIN")
	_, err = w.core.Decease(t.Context(), w.admin, ref)
	require.NoError(t, err)
}

// All new cards of a tenant, and no token of before.
func TestBoundTenant(t *testing.T) {
	w := newWorld(t)
	tenant, err := w.core.SetTenantPINBound(t.Context(), w.admin, w.tenant, true)
	if err != nil || !tenant.PINBound {
		t.Fatal(tenant, err)
	}
	if tenant, err = w.core.SetTenantPolicy(t.Context(), w.admin, w.tenant, "legacy"); err != nil || !tenant.PINBound || tenant.Policy != "legacy" {
		t.Fatal(tenant, err)
	}
	for _, p := range []secret.Bytes{nil, secret.Bytes(goodPIN)} {
		got, err := w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{Tenant: w.tenant, User: "alice", UserPIN: p})
		if err != nil || !got.PINBound {
			t.Errorf("a card with a PIN (%v): %v, %v", p != nil, got.PINBound, err)
		}
	}
	before, err := w.core.Token(t.Context(), w.admin, w.ref)
	if err != nil || before.PINBound {
		t.Errorf("a token of before: %v, %v", before.PINBound, err)
	}
	_, err = w.core.CreateToken(t.Context(), w.admin, provisioning.NewToken{
		Tenant: w.tenant, User: "alice", PINBound: true, Kind: record.KindOTP, OTP: &provisioning.NewOTP{},
	})
	wantKind(t, err, provisioning.BadInput)
}
