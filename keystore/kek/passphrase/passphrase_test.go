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
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	key := secret.Bytes("0123456789abcdef")
	blob, err := p.Wrap(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || len(text) != 33 || info.Mode().Perm() != 0o600 {
		t.Fatalf("%d bytes, %v, %v, %v", len(text), info, err, statErr)
	}
	if _, err := passphrase.Open(t.Context(), u, env); !errors.Is(err, kek.ErrUnavailable) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("generated twice: %v", err)
	}
	if again, err := os.ReadFile(path); err != nil || string(again) != string(text) {
		t.Error("the passphrase was replaced")
	}
	env.Generate = false
	if p, err = passphrase.Open(t.Context(), u, env); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Unwrap(t.Context(), blob); err != nil || !got.Equal(key) {
		t.Errorf("it does not open: %v", err)
	}
}

// One newline at the end does not count, whatever the editor did; more do.
func TestNewline(t *testing.T) {
	dir := t.TempDir()
	open := func(text string) kek.Provider {
		write(t, filepath.Join(dir, "p"), text, 0o600)
		p, err := passphrase.Open(t.Context(), kek.URI{Scheme: "passphrase", Opaque: "file=p"},
			kek.Env{Dir: dir, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	key := secret.Bytes("0123456789abcdef")
	blob, err := open("words").Wrap(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
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
	if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
		t.Errorf("%v, %v", made, err)
	}
}
