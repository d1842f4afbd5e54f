package provisioning_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
)

// Each state of a token forbids some operations, with its reason, and no others.
func TestStatesForbid(t *testing.T) {
	for _, c := range []struct {
		reason    string
		change    func(*record.Token)
		forbidden []provisioning.Operation
	}{
		{
			reason: "is deceased", change: func(k *record.Token) { k.Deceased = true },
			forbidden: []provisioning.Operation{
				provisioning.OpTokenImport, provisioning.OpTokenLabel, provisioning.OpTokenResetPIN,
				provisioning.OpTokenPINBySO, provisioning.OpTokenClearPIN, provisioning.OpTokenUnlock,
				provisioning.OpTokenComplete, provisioning.OpTokenEnable, provisioning.OpTokenDisable,
				provisioning.OpTokenAssign, provisioning.OpTokenShare, provisioning.OpTokenTake, provisioning.OpTokenKeep,
				provisioning.OpTokenUnassign, provisioning.OpTokenHolder, provisioning.OpTokenActivate,
				provisioning.OpTokenActivated, provisioning.OpTokenExpiry, provisioning.OpTokenConfine,
				provisioning.OpTokenRelease, provisioning.OpTokenDownload, provisioning.OpTokenGroups,
				provisioning.OpTokenVerify, provisioning.OpTokenSync, provisioning.OpTokenResetOTP,
				provisioning.OpTokenSeed, provisioning.OpTokenReseed, provisioning.OpTokenPolicy, provisioning.OpTokenDecease,
			},
		},
		{
			reason: "has expired", change: func(k *record.Token) { k.ExpiresAt = time.Unix(1, 0) },
			forbidden: []provisioning.Operation{
				provisioning.OpTokenAssign, provisioning.OpTokenShare, provisioning.OpTokenTake, provisioning.OpTokenKeep,
				provisioning.OpTokenActivate, provisioning.OpTokenActivated, provisioning.OpTokenDownload,
				provisioning.OpTokenVerify, provisioning.OpTokenSync, provisioning.OpTokenSeed, provisioning.OpTokenReseed,
			},
		},
		{
			reason: "is switched off", change: func(k *record.Token) { k.Enabled = false },
			forbidden: []provisioning.Operation{provisioning.OpTokenVerify},
		},
		{
			reason: "is confined", change: func(k *record.Token) { k.Confined = true },
			forbidden: []provisioning.Operation{provisioning.OpTokenDownload, provisioning.OpTokenSeed},
		},
		{
			reason: "is not assigned", change: func(k *record.Token) { k.Holders = nil },
			forbidden: []provisioning.Operation{
				provisioning.OpTokenComplete, provisioning.OpTokenShare, provisioning.OpTokenUnassign,
				provisioning.OpTokenHolder, provisioning.OpTokenActivate,
				provisioning.OpTokenVerify, provisioning.OpTokenReseed,
			},
		},
		{
			reason: "is activated already", change: func(k *record.Token) { k.Activation = record.Activated },
			forbidden: []provisioning.Operation{
				provisioning.OpTokenActivated, provisioning.OpTokenSeed, provisioning.OpTokenReseed,
			},
		},
		{
			reason: "is not activated", change: func(k *record.Token) { k.Activation = record.ActivationNew },
			forbidden: []provisioning.Operation{provisioning.OpTokenVerify},
		},
		{
			reason: "is a hardware token", change: func(k *record.Token) { k.Product.Hardware = true },
			forbidden: []provisioning.Operation{provisioning.OpTokenSeed, provisioning.OpTokenReseed},
		},
		{
			reason: "was in use", change: func(k *record.Token) { k.OTP.Enrolled = true },
			forbidden: []provisioning.Operation{provisioning.OpTokenSeed},
		},
	} {
		want := make(map[provisioning.Operation]bool)
		for _, op := range c.forbidden {
			want[op] = true
		}
		for op := provisioning.OpTenantCreate; op <= provisioning.OpTokenDelete; op++ {
			w, tenant, ref := prepared(t)
			ref.User = ""
			call, there := operations(w, tenant, ref)[op]
			if !there {
				continue
			}
			changeAll(t, w, tenant, c.change)
			before := w.store.Commits()
			err := call(t.Context(), w.system)
			if !want[op] {
				require.False(t, err != nil && strings.Contains(err.Error(), c.reason), "%v: %v", op, err)
				continue
			}
			require.ErrorContains(t, err, c.reason, "%v", op)
			require.Equal(t, before, w.store.Commits(), "%v", op)
		}
	}
}

// changeAll changes every token of a tenant in the store.
func changeAll(t *testing.T, w *world, tenant record.TenantID, change func(*record.Token)) {
	t.Helper()
	require.NoError(t, w.store.Update(func(tx provisioning.Tx) error {
		all, err := tx.TokensOfTenant(tenant, 0, 100)
		if err != nil {
			return err
		}
		for _, k := range all {
			k = k.Clone()
			change(k)
			if err := tx.PutToken(k); err != nil {
				return err
			}
		}
		return nil
	}))
}

// An operation that is none has no name and is nothing that a token allows.
func TestNoOperation(t *testing.T) {
	for _, op := range []provisioning.Operation{-1, provisioning.OpTokenDelete + 1} {
		require.Equal(t, "do something unknown", op.String())
		require.Empty(t, op.Action())
	}
	require.Equal(t, "delete", provisioning.OpTokenDelete.Action())
	require.Equal(t, "create a tenant", provisioning.OpTenantCreate.String())
}
