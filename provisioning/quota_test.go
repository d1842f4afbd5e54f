package provisioning_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// What a quota refuses is the caller's to solve: no fault of ours, and no full disk.
func TestOverQuotaIsToldAsSuch(t *testing.T) {
	err := provisioning.AsError(&record.OverQuota{Whose: "user", What: "objects", Limit: 20})
	require.Equal(t, provisioning.WrongState, err.Kind)
	require.Contains(t, err.Detail, "the tokens of a user may have 20 objects and no more")
	require.Contains(t, err.Detail, "--max-objects-per-user")
}

func TestTenantQuota(t *testing.T) {
	w := newWorld(t)
	set := func(objects, perUser *uint64) (provisioning.Tenant, error) {
		return w.core.SetTenantQuota(t.Context(), provisioning.System("test"), w.tenant, objects, perUser)
	}
	before, err := w.core.Tenant(t.Context(), w.admin, w.tenant)
	require.NoError(t, err)
	require.EqualValues(t, record.DefaultObjects, before.MaxObjects)
	require.EqualValues(t, record.DefaultObjectsPerUser, before.MaxObjectsPerUser)
	five, none, many := uint64(5), uint64(0), uint64(record.MaxObjects+1)
	got, err := set(&five, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, got.MaxObjects)
	got, err = set(nil, &five)
	require.NoError(t, err)
	require.Equal(t, [2]uint64{5, 5}, [2]uint64{got.MaxObjects, got.MaxObjectsPerUser})
	got, err = set(&none, nil)
	require.NoError(t, err)
	require.Equal(t, [2]uint64{record.DefaultObjects, 5}, [2]uint64{got.MaxObjects, got.MaxObjectsPerUser})
	_, err = set(&many, nil)
	require.Equal(t, provisioning.BadInput, provisioning.KindOf(err))
}

// Keys that come by an API count as those that applications make.
func TestQuotaOfImports(t *testing.T) {
	w := newWorld(t)
	two := uint64(2)
	_, err := w.core.SetTenantQuota(t.Context(), provisioning.System("test"), w.tenant, &two, nil)
	require.NoError(t, err)
	_, err = w.core.ImportPFX(t.Context(), w.admin, w.ref, pfxFile(t, "openssl-p256"), secret.Bytes(password))
	require.Equal(t, provisioning.WrongState, provisioning.KindOf(err))
	require.ErrorContains(t, err, "a token may have 2 objects and no more")
	five := uint64(5)
	_, err = w.core.SetTenantQuota(t.Context(), provisioning.System("test"), w.tenant, &five, nil)
	require.NoError(t, err)
	_, err = w.core.ImportPFX(t.Context(), w.admin, w.ref, pfxFile(t, "openssl-p256"), secret.Bytes(password))
	require.NoError(t, err)
}
