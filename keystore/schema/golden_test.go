package schema_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/kv/mem"
	"vtoken/keystore/schema"
)

// The keys are those of the package comment, byte for byte: stores have them.
func TestKeys(t *testing.T) {
	id := schema.ID{0x10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x1f}
	const text = "100102030405060708090a0b0c0d0e1f"
	for want, key := range map[string][]byte{
		"21666f726d6174":                        schema.KeyFormat(),
		"41":                                    schema.KeyAudit(),
		"43" + "0102":                           schema.KeyNode(0x102),
		"44" + "0102":                           schema.Accumulators(0x102),
		"44" + "0102" + "0304":                  schema.KeyAccumulator(0x102, 0x304),
		"52":                                    schema.KeyRanges(),
		"53":                                    schema.KeyStore(),
		"67":                                    schema.KeyGeneration(),
		"73":                                    schema.KeySystem(),
		"7372":                                  schema.KeyOldRoot(),
		"77":                                    schema.KeyServer(),
		"6b" + text:                             schema.Record(schema.PrefixToken, id),
		"6f" + text:                             schema.Objects(id),
		"6f" + text + "0102030405060708" + "00": schema.Object(id, 0x102030405060708, schema.PartPublic),
		"6f" + text + "0102030405060708" + "01": schema.Object(id, 0x102030405060708, schema.PartSecret),
		"6f" + text + "0102030405060708" + "02": schema.Object(id, 0x102030405060708, schema.PartBound),
		"696c" + text:                           schema.IndexPrefix(schema.IndexLogin, id),
		"76746f6b656e" + "01020304":             schema.Format(0x1020304),
	} {
		require.Equal(t, want, hex.EncodeToString(key))
	}
	require.EqualValues(t, 2, schema.Version)
	require.EqualValues(t, 4097, schema.Buckets)
	require.EqualValues(t, 4096, schema.SystemBucket)
	require.Equal(t, "BCDGRSAOTKKk", strings.Join([]string{
		string(rune(schema.PrefixRoleKeys)), string(rune(schema.PrefixNode)), string(rune(schema.PrefixAccumulator)),
		string(rune(schema.PrefixGroup)), string(rune(schema.PrefixRanges)), string(rune(schema.PrefixStore)),
		string(rune(schema.PrefixAudit)), string(rune(schema.PrefixOldTenantKey)), string(rune(schema.PrefixTenantKey)),
		string(rune(schema.PrefixTokenKey)), string(rune(schema.PrefixTokenKey)), string(rune(schema.PrefixToken)),
	}, ""))
}

// Each id is in one bucket more at most than the one before it, from the first to the last.
func TestBucketsOfIDs(t *testing.T) {
	for first, want := range map[schema.ID]schema.Bucket{
		{}: 0, {0, 0x0f}: 0, {0, 0x10}: 1, {0, 0xff}: 15, {1}: 16, {0xff, 0xef}: 4094, {0xff, 0xf0}: 4095, {0xff, 0xff}: 4095,
	} {
		for _, key := range [][]byte{
			schema.Record(schema.PrefixUser, first), schema.Record(schema.PrefixAPIKey, first),
			schema.Record(schema.PrefixRoleKeys, first), schema.Record(schema.PrefixGroup, first),
			schema.Record(schema.PrefixSummary, first), schema.Record(schema.PrefixTokenKey, first),
			schema.Record(schema.PrefixToken, first), schema.Record(schema.PrefixUsage, first),
			schema.Record(schema.PrefixPending, first), schema.IndexPrefix(schema.IndexSerial, first),
			schema.IndexPrefix(schema.IndexTenantPending, first),
		} {
			got, summed := schema.BucketOf(key)
			require.True(t, summed)
			require.Equal(t, want, got, "%x", key)
		}
	}
	_, summed := schema.BucketOf(nil)
	require.False(t, summed)
	got, summed := schema.BucketOf([]byte{schema.PrefixIndex})
	require.True(t, summed)
	require.Equal(t, schema.SystemBucket, got)
}

// The error of a storage that fails is told, and not that the store is of another program.
func TestReadVersionFails(t *testing.T) {
	broken := errors.New("input/output error")
	e := &kvtest.Faulty{Engine: mem.New()}
	e.Fail(kvtest.OpGet, 1, broken)
	err := e.View(func(r kv.Reader) error { _, err := schema.ReadVersion(r); return err })
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, kv.ErrCorrupt)
}

// A scan that the storage fails is not the end of the buckets.
func TestScanBucketsStorageFails(t *testing.T) {
	broken := errors.New("input/output error")
	e := &kvtest.Faulty{Engine: mem.New()}
	for n := 1; ; n++ {
		e.Fail(kvtest.OpScan, n, broken)
		err := e.View(func(r kv.Reader) error {
			return schema.ScanBuckets(r, 0, schema.Buckets, func(schema.Bucket, []byte, []byte) error { return nil })
		})
		if !e.Hit() {
			require.NoError(t, err)
			require.Greater(t, n, 20)
			return
		}
		require.ErrorIs(t, err, broken, "scan %d", n)
	}
}

// The time of a kept file is when it was kept, and it goes after that time and not at it.
func TestTimeOfKept(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "store.db", "old")
	long := time.Now().Add(-1000 * time.Hour)
	require.NoError(t, os.Chtimes(path, long, long))
	begun := time.Now().Add(-time.Minute)
	kept, err := schema.Keep(path, 7)
	require.NoError(t, err)
	require.Equal(t, path+".v7", kept)
	info, err := os.Stat(kept)
	require.NoError(t, err)
	require.True(t, info.ModTime().After(begun))

	dropped, err := schema.Drop(path, info.ModTime())
	require.NoError(t, err)
	require.Empty(t, dropped)
	dropped, err = schema.Drop(path, info.ModTime().Add(time.Nanosecond))
	require.NoError(t, err)
	require.Equal(t, []string{kept}, dropped)
}

// What an interrupted migration left is removed, or the migration fails; the migrated store is
// for its owner alone, and every byte of the old one is there before the migrations run.
func TestUpgradeBeginsAnew(t *testing.T) {
	u := upgrader(t)
	require.NoError(t, os.Chmod(u.Path, 0o644))
	work := u.Path + ".migrating"
	require.NoError(t, os.MkdirAll(filepath.Join(work, "inside"), 0o700))
	_, err := u.Upgrade(1, 3)
	require.ErrorContains(t, err, "interrupted migration")
	require.Equal(t, atOne, dump(t, u.Path))
	require.NoError(t, os.RemoveAll(work))
	write(t, filepath.Dir(u.Path), filepath.Base(work), "half of it")

	before, err := os.ReadFile(u.Path)
	require.NoError(t, err)
	open := u.Open
	u.Open = func(path string) (*kv.DB, error) {
		copied, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, copied)
		return open(path)
	}
	_, err = u.Upgrade(1, 3)
	require.NoError(t, err)
	require.Equal(t, atThree, dump(t, u.Path))
	info, err := os.Stat(u.Path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	u = upgrader(t)
	require.NoError(t, os.Remove(u.Path))
	_, err = u.Upgrade(1, 3)
	require.ErrorIs(t, err, os.ErrNotExist)
}
