package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
)

// write writes a file into a folder.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// A store is kept under the first name that no other file has. A second try, after one that was
// interrupted, finds the name of the first.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "store.db", "new")
	write(t, dir, "store.db.v1", "another")
	for range 2 {
		kept, err := schema.Keep(path, 1)
		require.NoError(t, err)
		require.Equal(t, path+".v1.1", kept)
	}
	write(t, dir, "other", "x")
	require.NoError(t, os.Rename(filepath.Join(dir, "other"), path)) // as a migration does
	kept, err := schema.Keep(path, 1)
	require.NoError(t, err)
	require.Equal(t, path+".v1.2", kept)

	_, err = schema.Keep(filepath.Join(dir, "none"), 1)
	require.ErrorIs(t, err, os.ErrNotExist)
	long := write(t, dir, strings.Repeat("x", 255), "no room for a longer name")
	_, err = schema.Keep(long, 1)
	require.ErrorIs(t, err, syscall.ENAMETOOLONG)
}

// What was kept before a time is overwritten and removed; links to the present store are only
// removed, and what else lies there stays.
func TestDrop(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "store.db", "present")
	oldFile := write(t, dir, "store.db.v1", "secret")
	youngFile := write(t, dir, "store.db.v2", "secret")
	copied := filepath.Join(dir, "copy")
	require.NoError(t, os.Link(oldFile, copied)) // shows what becomes of the contents
	linked := path + ".v3"
	require.NoError(t, os.Link(path, linked))
	write(t, dir, "another.db.v1", "x")
	folder := path + ".v4"
	require.NoError(t, os.Mkdir(folder, 0o700))
	now := time.Now()
	require.NoError(t, os.Chtimes(path, now, now.Add(-2*time.Hour)))
	require.NoError(t, os.Chtimes(oldFile, now, now.Add(-2*time.Hour)))
	require.NoError(t, os.Chtimes(youngFile, now, now))

	dropped, err := schema.Drop(path, now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, []string{oldFile, linked}, dropped)
	text, err := os.ReadFile(copied)
	require.NoError(t, err)
	require.Equal(t, make([]byte, len("secret")), text)
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "present", string(text))

	dropped, err = schema.Drop(path, time.Time{})
	require.NoError(t, err)
	require.Equal(t, []string{youngFile}, dropped)
	dropped, err = schema.Drop(path, time.Time{})
	require.NoError(t, err)
	require.Empty(t, dropped)
	require.DirExists(t, folder)
	require.FileExists(t, filepath.Join(dir, "another.db.v1"))

	_, err = schema.Drop(filepath.Join(dir, "none"), time.Time{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = schema.Drop(filepath.Join(dir, "none", "none"), time.Time{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSyncDir(t *testing.T) {
	require.NoError(t, schema.SyncDir(t.TempDir()))
	require.ErrorIs(t, schema.SyncDir(filepath.Join(t.TempDir(), "none")), os.ErrNotExist)
}

// Tests that kill a migration at a step know all of them: every write and deletion is one.
func TestStepsOfUpgrade(t *testing.T) {
	u := upgrader(t)
	count := map[string]int{}
	u.Step = func(name string) { count[name]++ }
	u.List[0].Run = func(tx kv.Tx) error { return tx.Put([]byte("added"), []byte("2")) }
	_, err := u.Upgrade(1, 3)
	require.NoError(t, err)
	require.Equal(t, 1, count["delete"], "%v", count)
	require.GreaterOrEqual(t, count["write"], 2, "%v", count)
	for _, name := range []string{
		"begin", "copy", "sync the copy", "open the copy", "change the copy", "commit", "verify the copy",
		"keep the old file", "replace the old file", "sync the folder",
	} {
		require.Positive(t, count[name], name)
	}
}
