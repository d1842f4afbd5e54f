package provisioning_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// faultCall is a call of the core. remembers is set where it stores a try of a secret, the key
// of the tenant, or that a seed is on its way, before it does what it was asked for.
type faultCall struct {
	remembers bool
	do        func(context.Context, provisioning.Caller) error
}

// faultCalls are calls that reach every access of the core to the store.
func faultCalls(t *testing.T, w *world, tenant record.TenantID, ref provisioning.TokenRef) map[string]faultCall {
	t.Helper()
	type C = provisioning.Caller
	ctx, k := t.Context(), w.core
	remembers := map[provisioning.Operation]bool{
		provisioning.OpTokenPINBySO: true, provisioning.OpTokenVerify: true, provisioning.OpTokenSync: true,
		provisioning.OpExchangeKey: true,
	}
	calls := map[string]faultCall{}
	for op, call := range operations(w, tenant, ref) {
		switch op {
		case provisioning.OpTokenSeed: // once; it is below
			continue
		case provisioning.OpSessionList, provisioning.OpSessionEnd: // they ask the daemon, not the store
			continue
		}
		calls[op.String()] = faultCall{remembers[op], call}
	}
	ec := provisioning.NewCSR{Subject: "CN=x", Curve: "P-256"}
	waiting, err := k.GenerateCSR(ctx, w.system, tenant, "alice", ec)
	require.NoError(t, err)
	signed := dialecttest.Certify(t, string(requestPEM(waiting)))
	code, _, err := k.StartActivation(ctx, w.system, provisioning.TokenRef{Tenant: tenant, ID: w.unseen}, 0)
	require.NoError(t, err)
	apiKey, bare, err := k.CreateAPIKey(ctx, w.system, tenant, provisioning.NewAPIKey{Name: "bare", Role: record.RoleView})
	require.NoError(t, err)
	require.NotEmpty(t, apiKey.Name)
	shared, password, err := k.CreateAPIKey(ctx, w.system, tenant,
		provisioning.NewAPIKey{Name: "shared", Role: record.RoleView, Dialect: "some", Kind: provisioning.SharedSecret})
	require.NoError(t, err)
	credential, err := k.AuthenticateSecret(ctx, "some", shared.ID, password)
	require.NoError(t, err)
	_, err = k.SetTenantPINBound(ctx, w.system, tenant, true)
	require.NoError(t, err)
	change := func(p provisioning.PINChange) func(context.Context, C) error {
		return func(ctx context.Context, c C) error {
			_, err := w.core.SetHolder(ctx, c, ref, "alice", provisioning.HolderChange{PIN: p})
			return err
		}
	}
	yes, label := true, "label"
	for name, do := range map[string]func(context.Context, C) error{
		"read settings": func(ctx context.Context, c C) error {
			_, _, err := w.core.TenantSettings(ctx, c, tenant, "x")
			return err
		},
		"create with settings": func(ctx context.Context, c C) error {
			_, err := w.core.CreateTenantWith(ctx, c, "with", "x", secret.Bytes("y"))
			return err
		},
		"change settings": func(ctx context.Context, c C) error {
			_, err := w.core.ChangeTenant(ctx, c, tenant, "renamed", "x", func(secret.Bytes) (secret.Bytes, error) {
				return nil, nil
			})
			return err
		},
		"tenant by name": func(ctx context.Context, c C) error {
			_, err := w.core.TenantNamed(ctx, c, "other")
			return err
		},
		"tenant by id": func(ctx context.Context, c C) error {
			_, err := w.core.TenantNamed(ctx, c, string(tenant))
			return err
		},
		"tokens by id": func(ctx context.Context, c C) error {
			_, err := w.core.TokensByID(ctx, c, tenant, []record.TokenID{w.taken, w.free})
			return err
		},
		"search": func(ctx context.Context, c C) error {
			_, err := w.core.SearchTokens(ctx, c, provisioning.TokenSearch{Tenant: tenant, Total: true,
				Where: []directory.Criterion{{Field: directory.Group, Value: string(w.group)}}})
			return err
		},
		"search all": func(ctx context.Context, c C) error {
			_, err := w.core.SearchTokens(ctx, c, provisioning.TokenSearch{Tenant: tenant})
			return err
		},
		"sort holders": func(ctx context.Context, c C) error {
			return w.core.SortHolders(ctx, c, []provisioning.HolderRef{{Token: ref, User: "alice"}})
		},
		"token CSR": func(ctx context.Context, c C) error {
			_, err := w.core.TokenCSR(ctx, c, ref, "alice", ec)
			return err
		},
		"CSR": func(ctx context.Context, c C) error {
			_, err := w.core.GenerateCSR(ctx, c, tenant, "idle", ec)
			return err
		},
		"list CSRs": func(ctx context.Context, c C) error {
			_, err := w.core.PendingKeys(ctx, c, tenant, "alice")
			return err
		},
		"delete CSR": func(ctx context.Context, c C) error {
			return w.core.DeletePendingKey(ctx, c, tenant, "alice", waiting.Key.ID)
		},
		"certificate": func(ctx context.Context, c C) error {
			_, err := w.core.StoreCertificate(ctx, c, ref, waiting.Key.ID, signed)
			return err
		},
		"import held tokens": func(ctx context.Context, c C) error {
			_, err := w.core.ImportTokens(ctx, c, tenant, []provisioning.ImportRow{
				{Line: 1, Serial: "1", OTP: provisioning.NewOTP{Seed: rfcSeed}, User: "alice", PIN: secret.Bytes(goodPIN)},
				{Line: 2, Serial: "2", OTP: provisioning.NewOTP{Seed: rfcSeed}, User: "new", Domain: "d", PIN: secret.Bytes(goodPIN)},
			}, provisioning.BatchOptions{CreateUsers: true})
			return err
		},
		"assign tokens": func(ctx context.Context, c C) error {
			tok, err := w.core.Token(ctx, c, provisioning.TokenRef{Tenant: tenant, ID: w.free})
			if err != nil {
				return err
			}
			_, err = w.core.AssignTokens(ctx, c, tenant, []provisioning.AssignRow{{Line: 1, Serial: tok.Serial, User: "new", Domain: "d"}},
				provisioning.BatchOptions{CreateUsers: true})
			return err
		},
		"change a token": func(ctx context.Context, c C) error {
			_, err := w.core.ChangeToken(ctx, c, ref, provisioning.TokenChange{Label: &label, Enabled: new(bool), Deceased: true})
			return err
		},
		"new PIN of a holder":   change(provisioning.PINChange{New: secret.Bytes(goodPIN), Unlock: true, MustChange: &yes}),
		"clear PIN of a holder": change(provisioning.PINChange{Clear: true, Unlock: true}),
		"authenticate": func(ctx context.Context, _ C) error {
			_, err := w.core.Authenticate(ctx, bare)
			return err
		},
		"by secret": func(ctx context.Context, _ C) error {
			_, err := w.core.AuthenticateSecret(ctx, "some", shared.ID, password)
			return err
		},
		"again": func(ctx context.Context, _ C) error {
			_, err := w.core.Reauthenticate(ctx, credential)
			return err
		},
		"lint":    func(ctx context.Context, c C) error { _, err := w.core.Lint(ctx, c, ref); return err },
		"objects": func(ctx context.Context, c C) error { _, err := w.core.Objects(ctx, c, ref); return err },
		"active": func(ctx context.Context, c C) error {
			_, _, err := w.core.ActiveUsers(ctx, c, tenant, time.Hour)
			return err
		},
		"inactive": func(ctx context.Context, c C) error {
			_, _, _, err := w.core.InactiveUsers(ctx, c, provisioning.InactiveQuery{Tenant: tenant, Within: time.Hour, Limit: 9})
			return err
		},
		"create with all": func(ctx context.Context, c C) error {
			_, err := w.core.CreateToken(ctx, c, provisioning.NewToken{
				Tenant: tenant, User: "fresh", CreateUser: true, UserPIN: secret.Bytes(goodPIN), SOPIN: secret.Bytes(soPIN)})
			return err
		},
		"create in a group": func(ctx context.Context, c C) error {
			_, err := w.core.CreateToken(ctx, c, provisioning.NewToken{Tenant: tenant, Unassigned: true, Groups: []record.GroupID{w.group}})
			return err
		},
		"create for codes": func(ctx context.Context, c C) error {
			_, err := w.core.CreateToken(ctx, c, provisioning.NewToken{
				Tenant: tenant, User: "alice", Kind: record.KindOTP, OTP: &provisioning.NewOTP{Seed: rfcSeed}})
			return err
		},
		"default policy": func(ctx context.Context, c C) error {
			_, err := w.core.SetPolicy(ctx, c, ref, "")
			return err
		},
		"unlock by challenge": func(ctx context.Context, c C) error {
			w.store.Tries(ref.ID, pin.User, 10)
			_, _, err := w.core.UnlockByChallenge(ctx, c, ref, "4711")
			return err
		},
	} {
		calls[name] = faultCall{false, do}
	}
	otp := provisioning.TokenRef{Tenant: tenant, ID: w.otp}
	for name, do := range map[string]func(context.Context, C) error{
		"finish the activation": func(ctx context.Context, c C) error {
			_, err := w.core.FinishActivation(ctx, c, provisioning.TokenRef{Tenant: tenant, ID: w.unseen}, code)
			return err
		},
		"activate by codes": func(ctx context.Context, c C) error {
			_, err := w.core.ActivateOTP(ctx, c, provisioning.TokenRef{Tenant: tenant, ID: w.unseen}, rfcCode(t, 6, 0), rfcCode(t, 6, 1))
			return err
		},
		"hand out the seed again": func(ctx context.Context, c C) error {
			unseen := provisioning.TokenRef{Tenant: tenant, ID: w.unseen}
			if _, err := w.core.SetConfined(ctx, c, unseen, false); err != nil {
				return err
			}
			_, err := w.core.EnrolOTP(ctx, c, unseen, provisioning.Enrolment{})
			return err
		},
		"find a code": func(ctx context.Context, c C) error {
			_, err := w.core.FindOTP(ctx, c, otp, rfcCode(t, 6, 0))
			return err
		},
	} {
		calls[name] = faultCall{true, do}
	}
	return calls
}

// Every call of the store fails once in every call of the core, which says so, and changes
// nothing. Then it works.
func TestStoreFaults(t *testing.T) {
	names := []string{}
	w, tenant, ref := prepared(t)
	for name := range faultCalls(t, w, tenant, ref) {
		names = append(names, name)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			w, tenant, ref := prepared(t)
			f := &failing{Store: w.store}
			w.core = provisioning.New(f, w.options())
			call := faultCalls(t, w, tenant, ref)[name]
			for n := 1; ; n++ {
				before := w.store.Commits()
				f.at = int64(n)
				f.calls.Store(0)
				f.hit.Store(false)
				err := call.do(t.Context(), w.system)
				if !f.hit.Load() {
					require.NoError(t, err)
					require.Greater(t, n, 1, "it does not use the store")
					return
				}
				require.ErrorIs(t, err, errFails, fmt.Sprint("call ", n))
				require.Equal(t, provisioning.Internal, provisioning.KindOf(err), fmt.Sprint("call ", n))
				if !call.remembers {
					require.Equal(t, before, w.store.Commits(), fmt.Sprint("call ", n))
				}
			}
		})
	}
}
