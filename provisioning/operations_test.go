package provisioning_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

const (
	goodPIN = "12345678"
	soPIN   = "87654321"
)

// operations is every operation of the core as a call, for tests that try each
// with callers and tokens of all sorts.
func operations(w *world, tenant record.TenantID, ref provisioning.TokenRef) map[provisioning.Operation]func(context.Context, provisioning.Caller) error {
	type C = provisioning.Caller
	k := w.core
	return map[provisioning.Operation]func(context.Context, C) error{
		provisioning.OpTenantCreate: func(ctx context.Context, c C) error { _, err := k.CreateTenant(ctx, c, "new"); return err },
		provisioning.OpTenantList:   func(ctx context.Context, c C) error { _, err := k.Tenants(ctx, c); return err },
		provisioning.OpTenantGet:    func(ctx context.Context, c C) error { _, err := k.Tenant(ctx, c, tenant); return err },
		provisioning.OpTenantDelete: func(ctx context.Context, c C) error { return k.DeleteTenant(ctx, c, tenant, true) },
		provisioning.OpTenantPolicy: func(ctx context.Context, c C) error {
			_, err := k.SetTenantPolicy(ctx, c, tenant, "legacy")
			return err
		},
		provisioning.OpTenantOSUsers: func(ctx context.Context, c C) error {
			_, err := k.SetTenantOSUsers(ctx, c, tenant, []string{"#2000"})
			return err
		},
		provisioning.OpUserMapAny: func(ctx context.Context, c C) error {
			_, err := k.MapUser(ctx, c, tenant, "alice", []string{"#3000"})
			return err
		},
		provisioning.OpTenantQuota: func(ctx context.Context, c C) error {
			n := uint64(5)
			_, err := k.SetTenantQuota(ctx, c, tenant, &n, nil)
			return err
		},
		provisioning.OpExchangeKey: func(ctx context.Context, c C) error { _, err := k.ExchangeKey(ctx, c, tenant); return err },
		provisioning.OpUserCreate:  func(ctx context.Context, c C) error { _, err := k.CreateUser(ctx, c, tenant, "bob"); return err },
		provisioning.OpUserList:    func(ctx context.Context, c C) error { _, err := k.Users(ctx, c, tenant); return err },
		provisioning.OpUserGet:     func(ctx context.Context, c C) error { _, err := k.User(ctx, c, tenant, "alice"); return err },
		provisioning.OpUserMap: func(ctx context.Context, c C) error {
			_, err := k.MapUser(ctx, c, tenant, "alice", []string{"#1000"})
			return err
		},
		provisioning.OpUserEnable: func(ctx context.Context, c C) error {
			_, err := k.SetUserEnabled(ctx, c, tenant, "alice", true)
			return err
		},
		provisioning.OpUserDisable: func(ctx context.Context, c C) error {
			_, err := k.SetUserEnabled(ctx, c, tenant, "alice", false)
			return err
		},
		provisioning.OpAPIKeyCreate: func(ctx context.Context, c C) error {
			_, _, err := k.CreateAPIKey(ctx, c, tenant, provisioning.NewAPIKey{Name: "fresh", Role: record.RoleView})
			return err
		},
		provisioning.OpAPIKeyList:   func(ctx context.Context, c C) error { _, err := k.APIKeys(ctx, c, tenant); return err },
		provisioning.OpAPIKeyRevoke: func(ctx context.Context, c C) error { return k.RevokeAPIKey(ctx, c, tenant, "old") },
		provisioning.OpSessionList: func(ctx context.Context, c C) error {
			_, err := k.Applications(ctx, c, provisioning.ApplicationFilter{Tenant: tenant})
			return err
		},
		provisioning.OpSessionEnd: func(ctx context.Context, c C) error {
			return k.EndApplication(ctx, c, w.apps.add(w.t, tenant, ref.ID), tenant, "")
		},
		provisioning.OpTokenCreate: func(ctx context.Context, c C) error {
			_, err := k.CreateToken(ctx, c, provisioning.NewToken{Tenant: tenant, User: "alice"})
			return err
		},
		provisioning.OpTokenList: func(ctx context.Context, c C) error {
			if _, err := k.TokensOf(ctx, c, tenant, "alice"); err != nil {
				return err
			}
			_, err := k.ListTokens(ctx, c, provisioning.TokenFilter{Tenant: tenant})
			return err
		},
		provisioning.OpTokenGet:     func(ctx context.Context, c C) error { _, err := k.Token(ctx, c, ref); return err },
		provisioning.OpTokenObjects: func(ctx context.Context, c C) error { _, err := k.Certificates(ctx, c, ref); return err },
		provisioning.OpTokenImport: func(ctx context.Context, c C) error {
			_, err := k.ImportPFX(ctx, c, ref, pfxFile(w.t, "openssl-p256"), secret.Bytes(password))
			return err
		},
		provisioning.OpTokenLabel: func(ctx context.Context, c C) error {
			_, err := k.SetLabel(ctx, c, ref, "label", provisioning.LabelRule{})
			return err
		},
		provisioning.OpTokenResetPIN: func(ctx context.Context, c C) error {
			return k.ResetPIN(ctx, c, ref, pin.User, secret.Bytes(goodPIN), provisioning.PINRule{})
		},
		provisioning.OpTokenPINBySO: func(ctx context.Context, c C) error {
			return k.ChangePIN(ctx, c, ref, pin.User, secret.Bytes(goodPIN), provisioning.PINRule{}, provisioning.CurrentPIN{Role: pin.SO, PIN: secret.Bytes(soPIN)})
		},
		provisioning.OpTokenUnlock: func(ctx context.Context, c C) error {
			_, err := k.UnlockPIN(ctx, c, ref, pin.User)
			return err
		},
		provisioning.OpTokenComplete: func(ctx context.Context, c C) error { _, err := k.Complete(ctx, c, ref, false); return err },
		provisioning.OpTokenEnable: func(ctx context.Context, c C) error {
			_, err := k.SetEnabled(ctx, c, ref, true, provisioning.EnableRule{})
			return err
		},
		provisioning.OpTokenDisable: func(ctx context.Context, c C) error {
			_, err := k.SetEnabled(ctx, c, ref, false, provisioning.EnableRule{})
			return err
		},
		provisioning.OpTokenPolicy: func(ctx context.Context, c C) error {
			_, err := k.SetPolicy(ctx, c, ref, "CKM_ECDSA,CKM_SHA256")
			return err
		},
		provisioning.OpUserChange: func(ctx context.Context, c C) error {
			_, err := k.ChangeUser(ctx, c, tenant, "alice", provisioning.UserChange{Aliases: &[]string{"al"}})
			return err
		},
		provisioning.OpUserDelete:  func(ctx context.Context, c C) error { return k.DeleteUser(ctx, c, tenant, "idle") },
		provisioning.OpGroupCreate: func(ctx context.Context, c C) error { _, err := k.CreateGroup(ctx, c, tenant, "new"); return err },
		provisioning.OpGroupList:   func(ctx context.Context, c C) error { _, err := k.Groups(ctx, c, tenant); return err },
		provisioning.OpGroupDelete: func(ctx context.Context, c C) error { return k.DeleteGroup(ctx, c, tenant, w.group) },
		provisioning.OpTokenClearPIN: func(ctx context.Context, c C) error {
			_, err := k.ClearPIN(ctx, c, ref, pin.User)
			return err
		},
		provisioning.OpTokenAssign: func(ctx context.Context, c C) error {
			_, err := k.Assign(ctx, c, free(ref, w), provisioning.Assign{User: "alice"})
			return err
		},
		provisioning.OpTokenShare: func(ctx context.Context, c C) error {
			_, err := k.Assign(ctx, c, ref, provisioning.Assign{User: "idle", Share: true})
			return err
		},
		provisioning.OpTokenTake: func(ctx context.Context, c C) error {
			_, err := k.Assign(ctx, c, ref, provisioning.Assign{User: "idle", Take: true})
			return err
		},
		provisioning.OpTokenKeep: func(ctx context.Context, c C) error {
			_, err := k.Assign(ctx, c, ref, provisioning.Assign{User: "idle", Take: true, KeepKeys: true})
			return err
		},
		provisioning.OpTokenUnassign: func(ctx context.Context, c C) error { _, err := k.Unassign(ctx, c, ref, ""); return err },
		provisioning.OpTokenHolder: func(ctx context.Context, c C) error {
			_, err := k.SetHolder(ctx, c, ref, "alice", provisioning.HolderChange{})
			return err
		},
		provisioning.OpTokenActivate: func(ctx context.Context, c C) error {
			_, _, err := k.StartActivation(ctx, c, ref, 0)
			return err
		},
		provisioning.OpTokenActivated: func(ctx context.Context, c C) error { _, err := k.Activate(ctx, c, ref); return err },
		provisioning.OpTokenExpiry: func(ctx context.Context, c C) error {
			_, err := k.SetExpiry(ctx, c, ref, w.now.Add(time.Hour))
			return err
		},
		provisioning.OpTokenConfine:  func(ctx context.Context, c C) error { _, err := k.SetConfined(ctx, c, ref, true); return err },
		provisioning.OpTokenRelease:  func(ctx context.Context, c C) error { _, err := k.SetConfined(ctx, c, ref, false); return err },
		provisioning.OpTokenDownload: func(ctx context.Context, c C) error { _, err := k.Download(ctx, c, ref, "phone"); return err },
		provisioning.OpTokenGroups: func(ctx context.Context, c C) error {
			_, err := k.SetGroups(ctx, c, free(ref, w), []record.GroupID{w.group})
			return err
		},
		provisioning.OpTokenVerify: func(ctx context.Context, c C) error {
			_, err := k.VerifyOTP(ctx, c, instead(ref, w, w.otp), rfcCode(w.t, 6, 0))
			return err
		},
		provisioning.OpTokenSync: func(ctx context.Context, c C) error {
			_, err := k.SyncOTP(ctx, c, instead(ref, w, w.otp), rfcCode(w.t, 6, 0), rfcCode(w.t, 6, 1))
			return err
		},
		provisioning.OpTokenResetOTP: func(ctx context.Context, c C) error {
			_, err := k.ResetOTP(ctx, c, instead(ref, w, w.otp), nil)
			return err
		},
		provisioning.OpTokenSeed: func(ctx context.Context, c C) error {
			_, err := k.EnrolOTP(ctx, c, instead(ref, w, w.unseen), provisioning.Enrolment{})
			return err
		},
		provisioning.OpTokenReseed: func(ctx context.Context, c C) error {
			_, err := k.ReseedOTP(ctx, c, instead(ref, w, w.unseen), rfcSeed)
			return err
		},
		provisioning.OpTokensImport: func(ctx context.Context, c C) error {
			_, err := k.ImportTokens(ctx, c, tenant, []provisioning.ImportRow{{Line: 1, Serial: "1", OTP: provisioning.NewOTP{Seed: rfcSeed}}}, provisioning.BatchOptions{})
			return err
		},
		provisioning.OpTokenDecease: func(ctx context.Context, c C) error { _, err := k.Decease(ctx, c, ref); return err },
		provisioning.OpTokenDelete:  func(ctx context.Context, c C) error { return k.DeleteToken(ctx, c, ref) },
	}
}

// free is a reference to the token of the same tenant that nobody holds; where ref
// names no token, it is ref.
func free(ref provisioning.TokenRef, w *world) provisioning.TokenRef { return instead(ref, w, w.free) }

// instead is a reference to another token of the same tenant; where ref names no
// token, it is ref.
func instead(ref provisioning.TokenRef, w *world, id record.TokenID) provisioning.TokenRef {
	if ref.ID != w.taken {
		return ref
	}
	return provisioning.TokenRef{Tenant: ref.Tenant, ID: id}
}

// prepared is a world with a second tenant in which everything that the
// operations touch is there.
func prepared(t *testing.T) (w *world, tenant record.TenantID, ref provisioning.TokenRef) {
	t.Helper()
	w = newWorld(t)
	other, err := w.core.CreateTenant(t.Context(), w.system, "other")
	require.NoError(t, err)
	_, _, err = w.core.CreateAPIKey(t.Context(), w.system, other.ID, provisioning.NewAPIKey{Name: "old", Role: record.RoleView})
	require.NoError(t, err)
	token, err := w.core.CreateToken(t.Context(), w.system, provisioning.NewToken{
		Tenant: other.ID, User: "alice", CreateUser: true, UserPIN: secret.Bytes(goodPIN), SOPIN: secret.Bytes(soPIN),
	})
	require.NoError(t, err)
	_, err = w.core.CreateUser(t.Context(), w.system, other.ID, "idle")
	require.NoError(t, err)
	_, err = w.core.SetTenantOSUsers(t.Context(), w.system, other.ID, []string{"#1000"})
	require.NoError(t, err)
	group, err := w.core.CreateGroup(t.Context(), w.system, other.ID, "some")
	require.NoError(t, err)
	free, err := w.core.CreateToken(t.Context(), w.system, provisioning.NewToken{Tenant: other.ID, Unassigned: true})
	require.NoError(t, err)
	w.group, w.free, w.taken = group.ID, free.ID, token.ID
	for _, id := range []*record.TokenID{&w.otp, &w.unseen} {
		n := provisioning.NewToken{Tenant: other.ID, User: "alice", Kind: record.KindOTP, OTP: &provisioning.NewOTP{Seed: rfcSeed}}
		if id == &w.otp {
			n.Activation = record.Activated
		}
		made, err := w.core.CreateToken(t.Context(), w.system, n)
		require.NoError(t, err)
		*id = made.ID
	}
	return w, other.ID, provisioning.TokenRef{Tenant: other.ID, User: "alice", ID: token.ID}
}

// rightsOf is written down here a second time on purpose: a change of the table
// in operations.go has to be meant.
var rightsOf = map[provisioning.Operation]record.Rights{
	provisioning.OpTenantCreate:   record.MaySystem | record.MayAdd,
	provisioning.OpTenantDelete:   record.MaySystem | record.MayRemove,
	provisioning.OpTenantOSUsers:  record.MaySystem | record.MayManage,
	provisioning.OpUserMapAny:     record.MaySystem,
	provisioning.OpTenantList:     record.MayView,
	provisioning.OpTenantGet:      record.MayView,
	provisioning.OpExchangeKey:    record.MayView,
	provisioning.OpUserList:       record.MayView,
	provisioning.OpUserGet:        record.MayView,
	provisioning.OpTokenList:      record.MayView,
	provisioning.OpTokenGet:       record.MayView,
	provisioning.OpTokenObjects:   record.MayView,
	provisioning.OpGroupList:      record.MayView,
	provisioning.OpUserCreate:     record.MayAdd,
	provisioning.OpTokenCreate:    record.MayAdd,
	provisioning.OpGroupCreate:    record.MayAdd,
	provisioning.OpTokenActivate:  record.MayAdd,
	provisioning.OpTokenActivated: record.MayAdd,
	provisioning.OpUserMap:        record.MayManage,
	provisioning.OpAPIKeyCreate:   record.MayManage,
	provisioning.OpAPIKeyList:     record.MayManage,
	provisioning.OpAPIKeyRevoke:   record.MayManage,
	provisioning.OpSessionList:    record.MayManage,
	provisioning.OpSessionEnd:     record.MayManage,
	provisioning.OpTokenKeep:      record.MayManage,
	provisioning.OpTenantPolicy:   record.MayManage,
	provisioning.OpTenantQuota:    record.MaySystem | record.MayManage,
	provisioning.OpTokenPolicy:    record.MayManage,
	provisioning.OpUserEnable:     record.MayEdit,
	provisioning.OpUserDisable:    record.MayEdit,
	provisioning.OpTokenImport:    record.MayEdit,
	provisioning.OpTokenLabel:     record.MayEdit,
	provisioning.OpTokenResetPIN:  record.MayEdit,
	provisioning.OpTokenUnlock:    record.MayManage,
	provisioning.OpTokenComplete:  record.MayEdit,
	provisioning.OpUserChange:     record.MayEdit,
	provisioning.OpTokenPINBySO:   record.MayEdit,
	provisioning.OpTokenClearPIN:  record.MayEdit,
	provisioning.OpTokenAssign:    record.MayEdit,
	provisioning.OpTokenShare:     record.MayEdit,
	provisioning.OpTokenTake:      record.MayEdit,
	provisioning.OpTokenUnassign:  record.MayEdit,
	provisioning.OpTokenHolder:    record.MayEdit,
	provisioning.OpTokenExpiry:    record.MayEdit,
	provisioning.OpTokenConfine:   record.MayEdit,
	provisioning.OpTokenRelease:   record.MayEdit,
	provisioning.OpTokenDownload:  record.MayEdit,
	provisioning.OpTokenGroups:    record.MayEdit,
	provisioning.OpTokenEnable:    record.MayEdit,
	provisioning.OpTokenDisable:   record.MayEdit,
	provisioning.OpUserDelete:     record.MayRemove,
	provisioning.OpGroupDelete:    record.MayRemove,
	provisioning.OpTokenDecease:   record.MayRemove,
	provisioning.OpTokenDelete:    record.MayRemove,
	provisioning.OpTokensImport:   record.MayAdd,
	provisioning.OpTokenSeed:      record.MayAdd,
	provisioning.OpTokenReseed:    record.MayAdd,
	provisioning.OpTokenVerify:    record.MayEdit,
	provisioning.OpTokenSync:      record.MayEdit,
	provisioning.OpTokenResetOTP:  record.MayEdit,
}

// TestRoles tries every operation with every named role: it works with the rights
// for it, and is Forbidden without, and changes nothing then.
func TestRoles(t *testing.T) {
	for op, need := range rightsOf {
		for _, role := range provisioning.Roles() {
			t.Run(fmt.Sprintf("%s/%s", role, op), func(t *testing.T) {
				w, tenant, ref := prepared(t)
				before := w.store.Commits()
				err := operations(w, tenant, ref)[op](t.Context(), provisioning.Caller{Name: "x", Tenant: tenant, Role: role})
				if role.Rights().Has(need) {
					require.NoError(t, err)
					return
				}
				wantKind(t, err, provisioning.Forbidden)
				if w.store.Commits() != before {
					t.Error("a forbidden operation changed something")
				}
			})
		}
	}
}

// TestForeignTenant tries every operation on a tenant that is there and on one
// that is not, with a caller of a third: the answers cannot be told apart.
func TestForeignTenant(t *testing.T) {
	w, tenant, ref := prepared(t)
	const nowhere = "11111111-2222-4333-8444-555555555555"
	missing := provisioning.TokenRef{Tenant: nowhere, User: "alice", ID: nowhere}
	before := w.store.Commits()
	there, absent := operations(w, tenant, ref), operations(w, nowhere, missing)
	for op := range rightsOf {
		if op == provisioning.OpTenantList {
			continue
		}
		errThere, errAbsent := there[op](t.Context(), w.admin), absent[op](t.Context(), w.admin)
		wantKind(t, errThere, provisioning.Forbidden)
		wantKind(t, errAbsent, provisioning.Forbidden)
	}
	// Without the tenant in the reference a foreign token is like none at all.
	_, errThere := w.core.Token(t.Context(), w.admin, provisioning.TokenRef{ID: ref.ID})
	_, errAbsent := w.core.Token(t.Context(), w.admin, provisioning.TokenRef{ID: nowhere})
	wantKind(t, errThere, provisioning.TokenNotFound)
	wantKind(t, errAbsent, provisioning.TokenNotFound)
	if w.store.Commits() != before {
		t.Error("something changed")
	}
	list, err := w.core.Tenants(t.Context(), w.admin)
	if err != nil || len(list) != 1 || list[0].ID != w.tenant {
		t.Errorf("the foreign caller sees tenants %v (%v)", list, err)
	}
}

// TestNobody: without a role nothing works.
func TestNobody(t *testing.T) {
	w, tenant, ref := prepared(t)
	for op, call := range operations(w, tenant, ref) {
		for _, c := range []provisioning.Caller{{}, {Tenant: tenant}, {Tenant: tenant, Role: "root"}} {
			if err := call(t.Context(), c); provisioning.KindOf(err) != provisioning.Unauthenticated {
				t.Errorf("%v as %+v: %v", op, c, err)
			}
		}
	}
}

// TestUnknown: the machine's administrator is told which of tenant, user and
// token is missing.
func TestUnknown(t *testing.T) {
	w, tenant, ref := prepared(t)
	const nowhere = "11111111-2222-4333-8444-555555555555"
	for _, c := range []struct {
		ref  provisioning.TokenRef
		kind provisioning.Kind
	}{
		{provisioning.TokenRef{Tenant: nowhere, User: "alice", ID: ref.ID}, provisioning.TenantNotFound},
		{provisioning.TokenRef{Tenant: tenant, User: "bob", ID: ref.ID}, provisioning.UserNotFound},
		{provisioning.TokenRef{Tenant: tenant, User: "alice", ID: nowhere}, provisioning.TokenNotFound},
		{provisioning.TokenRef{Tenant: w.tenant, User: "alice", ID: ref.ID}, provisioning.TokenNotFound}, // another tenant's
		{provisioning.TokenRef{Tenant: w.tenant, ID: ref.ID}, provisioning.TokenNotFound},
	} {
		ops := operations(w, c.ref.Tenant, c.ref)
		for _, op := range []provisioning.Operation{
			provisioning.OpTokenGet, provisioning.OpTokenObjects, provisioning.OpTokenImport, provisioning.OpTokenLabel,
			provisioning.OpTokenResetPIN, provisioning.OpTokenUnlock, provisioning.OpTokenComplete,
			provisioning.OpTokenEnable, provisioning.OpTokenDisable, provisioning.OpTokenDelete,
		} {
			if err := ops[op](t.Context(), w.system); provisioning.KindOf(err) != c.kind {
				t.Errorf("%v of %+v: %v, want %v", op, c.ref, err, c.kind)
			}
		}
	}
}

// TestSealed tries every operation on a complete token: key, certificate, PIN
// and label writes are refused for everybody, the rest works.
func TestSealed(t *testing.T) {
	sealed := map[provisioning.Operation]bool{
		provisioning.OpTokenImport: true, provisioning.OpTokenLabel: true,
		provisioning.OpTokenResetPIN: true, provisioning.OpTokenComplete: true, provisioning.OpTokenClearPIN: true,
	}
	// A complete token is activated, and that is not done twice.
	activated := map[provisioning.Operation]bool{provisioning.OpTokenActivated: true}
	for op := range rightsOf {
		w, tenant, ref := prepared(t)
		_, err := w.core.Complete(t.Context(), w.system, ref, false)
		require.NoError(t, err)
		before := w.store.Commits()
		err = operations(w, tenant, ref)[op](t.Context(), w.system)
		switch {
		case activated[op]:
			wantKind(t, err, provisioning.WrongState)
		case !sealed[op] && err != nil:
			t.Errorf("%v of a complete token: %v", op, err)
		case sealed[op] && provisioning.KindOf(err) != provisioning.Sealed:
			t.Errorf("%v of a complete token: %v, want it sealed", op, err)
		case sealed[op] && w.store.Commits() != before:
			t.Errorf("%v of a complete token changed something", op)
		}
	}
}

// TestGivenUp: a request whose client has gone changes nothing.
func TestGivenUp(t *testing.T) {
	w, tenant, ref := prepared(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := w.store.Commits()
	for op, call := range operations(w, tenant, ref) {
		if err := call(ctx, w.system); err == nil {
			t.Errorf("%v went on", op)
		}
	}
	if w.store.Commits() != before {
		t.Error("something changed")
	}
}
