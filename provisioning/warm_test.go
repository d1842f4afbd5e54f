package provisioning_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// endless is a store with tokens without end.
type endless struct {
	provisioning.Store
	read func() // is called for each page
}

type endlessTx struct {
	provisioning.ReadTx
	read func()
}

func (s endless) View(fn func(provisioning.ReadTx) error) error {
	return s.Store.View(func(tx provisioning.ReadTx) error { return fn(endlessTx{tx, s.read}) })
}

func (tx endlessTx) TokensOfTenant(tenant record.TenantID, after uint64, most int) (list []*record.Token, err error) {
	tx.read()
	for i := range uint64(most) {
		id := record.TokenID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", after+i))
		list = append(list, &record.Token{ID: id, Tenant: tenant, Slot: ck.SlotID(after + i + 1)})
	}
	return list, nil
}

// TestWarmEnds: loading the directory ends with its context, and not when all tokens are read:
// the store is closed after it.
func TestWarmEnds(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	pages := 0
	core := provisioning.New(endless{w.store, func() {
		if pages++; pages == 3 {
			cancel()
		}
	}}, w.options())
	require.ErrorIs(t, core.Warm(ctx), context.Canceled)
	require.Equal(t, 3, pages)
}
