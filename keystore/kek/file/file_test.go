package file_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/file"
	"vtoken/keystore/kek/kektest"

	"github.com/stretchr/testify/require"
)

func TestProvider(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "junk"), "no key", 0o600)
	write(t, filepath.Join(dir, "short"), "vtoken-kek-1 AAAA\n", 0o600)
	kektest.Run(t, kektest.Case{
		Open: file.Open, Dir: dir, URI: "file:kek.key", Other: "file:" + filepath.Join(dir, "other.key"),
		BadURIs: []string{"file:kek.key?x=1"},
		Missing: []string{"file:none", "file:no/such/folder", "file:junk", "file:short", "file:" + dir},
	})
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode))
}

// The key file is made once, for its owner only, and the log says so once and
// without the key.
func TestFirstUse(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	env := kek.Env{Dir: dir, Create: true, Log: slog.New(slog.NewTextHandler(&log, nil))}
	uri := kek.URI{Scheme: "file", Opaque: "kek.key"}
	for range 2 {
		p, err := file.Open(t.Context(), uri, env)
		require.NoError(t, err)
		_ = p.Close()
	}
	path := filepath.Join(dir, "kek.key")
	info, err := os.Stat(path)
	require.NoError(t, err, "key file: %v", info)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "key file: %v", info)
	text, _ := os.ReadFile(path)
	_, key, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	n := strings.Count(log.String(), "does not protect")
	require.Equal(t, 1, n, "log: %s", log.String())
	require.NotContains(t, log.String(), key, "log: %s", log.String())
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		write(t, path, string(text), mode)
		if _, err := file.Open(t.Context(), uri, env); !errors.Is(err, kek.ErrUnavailable) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	write(t, path, string(text), 0o600)
	require.NoError(t, os.Symlink(path, filepath.Join(dir, "link")))
	uri.Opaque = "link"
	_, err = file.Open(t.Context(), uri, env)
	require.ErrorIs(t, err, kek.ErrUnavailable, "symbolic link")
}
