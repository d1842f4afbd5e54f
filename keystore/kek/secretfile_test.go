package kek_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

// A secret is read from a file that nobody else can read, and that has no more than it may.
func TestReadSecretFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, size int, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x"), size), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	const limit = 10
	for _, size := range []int{0, 1, limit} {
		got, err := kek.ReadSecretFile(write("good", size, 0o600), limit)
		require.NoError(t, err)
		require.Len(t, got, size)
	}
	_, err := kek.ReadSecretFile(write("read only", 1, 0o400), limit)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(filepath.Join(dir, "good"), filepath.Join(dir, "link")))
	require.NoError(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	for name, said := range map[string]string{
		write("long", limit+1, 0o600):   "has more than 10 bytes",
		write("group", 1, 0o640):        "chmod 600",
		write("others", 1, 0o601):       "chmod 600",
		filepath.Join(dir, "link"):      "is a symbolic link",
		filepath.Join(dir, "pipe"):      "",
		filepath.Join(dir, "folder"):    "",
		filepath.Join(dir, "none"):      "no such file",
		filepath.Join(dir, "none/none"): "no such file",
	} {
		_, err := kek.ReadSecretFile(name, limit)
		require.ErrorIs(t, err, kek.ErrUnavailable, name)
		require.ErrorContains(t, err, said, name)
	}
	_, err = kek.ReadSecretFile(filepath.Join(dir, "none"), limit)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A file with a secret is made once, for its owner alone, and the secret is wiped.
func TestCreateSecretFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(path+".new", []byte("half of an earlier one"), 0o644))
	text := secret.Bytes("words")
	require.NoError(t, kek.CreateSecretFile(path, text))
	require.Equal(t, make(secret.Bytes, len(text)), text)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "words", string(got))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	require.NoFileExists(t, path+".new")

	text = secret.Bytes("other")
	require.ErrorIs(t, kek.CreateSecretFile(path, text), fs.ErrExist)
	require.Equal(t, make(secret.Bytes, len(text)), text)
	got, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "words", string(got))

	require.ErrorIs(t, kek.CreateSecretFile(filepath.Join(dir, "none", "secret"), secret.Bytes("x")), fs.ErrNotExist)
	blocked := filepath.Join(dir, "blocked")
	require.NoError(t, os.MkdirAll(filepath.Join(blocked+".new", "inside"), 0o700))
	require.Error(t, kek.CreateSecretFile(blocked, secret.Bytes("x")))
	require.NoFileExists(t, blocked)
}

// A relative path begins in the data folder.
func TestPath(t *testing.T) {
	e := kek.Env{Dir: "/data"}
	require.Equal(t, "/data/a/b", e.Path("a/b"))
	require.Equal(t, "/a/b", e.Path("/a/b"))
}
