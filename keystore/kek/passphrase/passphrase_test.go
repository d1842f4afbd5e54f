package passphrase_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"vtoken/keystore/kek"
	"vtoken/keystore/kek/kektest"
	"vtoken/keystore/kek/passphrase"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode))
}

func TestProvider(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "one"), "correct horse\n", 0o600)
	write(t, filepath.Join(dir, "two"), "battery staple\n", 0o600)
	write(t, filepath.Join(dir, "empty"), "", 0o600)
	write(t, filepath.Join(dir, "newline"), "\n", 0o600)
	write(t, filepath.Join(dir, "open"), "correct horse\n", 0o644)
	write(t, filepath.Join(dir, "long"), string(make([]byte, 5000)), 0o600)
	kektest.Run(t, kektest.Case{
		Open: passphrase.Open, Dir: dir, URI: "passphrase:file=one", Other: "passphrase:file=" + filepath.Join(dir, "two"),
		BadURIs: []string{"passphrase:one", "passphrase:file=", "passphrase:file=one;x=1", "passphrase:file=one;file=two", "passphrase:file=one?x"},
		Missing: []string{"passphrase:file=none", "passphrase:file=empty", "passphrase:file=newline", "passphrase:file=open", "passphrase:file=long"},
		Changes: 12,
	})
}

// TestGenerate makes a passphrase, once.
func TestGenerate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made")
	u := kek.URI{Scheme: "passphrase", Opaque: "file=" + path}
	env := kek.Env{Dir: t.TempDir(), Generate: true, Log: slog.New(slog.DiscardHandler)}
	p, err := passphrase.Open(t.Context(), u, env)
	require.NoError(t, err)
	key := secret.Bytes("0123456789abcdef")
	blob, err := p.Wrap(t.Context(), key)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	require.NoError(t, err, "%d bytes, %v, %v, %v", len(text), info, err, statErr)
	require.NoError(t, statErr, "%d bytes, %v, %v, %v", len(text), info, err, statErr)
	require.Len(t, text, 33, "%d bytes, %v, %v, %v", len(text), info, err, statErr)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "%d bytes, %v, %v, %v", len(text), info, err, statErr)
	_, err = passphrase.Open(t.Context(), u, env)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorIs(t, err, fs.ErrExist, "generated twice")
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again), "the passphrase was replaced")
	env.Generate = false
	p, err = passphrase.Open(t.Context(), u, env)
	require.NoError(t, err)
	got, err := p.Unwrap(t.Context(), blob)
	require.NoError(t, err)
	require.True(t, got.Equal(key), "it does not open")
}

// One newline at the end does not count, whatever the editor did; more do.
func TestNewline(t *testing.T) {
	dir := t.TempDir()
	open := func(text string) kek.Provider {
		write(t, filepath.Join(dir, "p"), text, 0o600)
		p, err := passphrase.Open(t.Context(), kek.URI{Scheme: "passphrase", Opaque: "file=p"},
			kek.Env{Dir: dir, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return p
	}
	key := secret.Bytes("0123456789abcdef")
	blob, err := open("words").Wrap(t.Context(), key)
	require.NoError(t, err)
	for text, want := range map[string]bool{"words": true, "words\n": true, "words\n\n": false, "words ": false} {
		got, err := open(text).Unwrap(t.Context(), blob)
		if (err == nil && got.Equal(key)) != want {
			t.Errorf("%q opens: %v", text, err)
		}
	}
}

// TestGenerateInTheDataFolder: who copies the folder would copy the passphrase.
func TestGenerateInTheDataFolder(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{"made", "deeper/made", "./made", filepath.Join(dir, "made"), dir + "/x/../made"} {
		env := kek.Env{Dir: dir, Generate: true, Log: slog.New(slog.DiscardHandler)}
		_, err := passphrase.Open(t.Context(), kek.URI{Scheme: "passphrase", Opaque: "file=" + file}, env)
		if !errors.Is(err, kek.ErrURI) {
			t.Errorf("%s: %v", file, err)
		}
	}
	made, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, made)
}
