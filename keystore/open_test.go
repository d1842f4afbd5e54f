package keystore

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vtoken/keystore/kek"
	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode))
}

func TestFirstStart(t *testing.T) {
	dir := tempDir(t)
	var log bytes.Buffer
	o := options(dir)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		s, err := Open(t.Context(), o)
		require.NoError(t, err)
		view(t, s, func(tx *Tx) error {
			list, err := tx.Tenants()
			if err != nil || len(list) != 1 || list[0].Name != record.DefaultTenant {
				t.Errorf("tenants %v, %v", list, err)
			}
			return nil
		})
		closeStore(t, s)
	}
	n := strings.Count(log.String(), "does not protect")
	require.Equal(t, 1, n, "the log warns %d times of the key file:\n%s", n, log.String())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// A first start that was killed leaves a part of a store and a key file: the next one starts over,
// with the same key file.
func TestInterruptedFirstStart(t *testing.T) {
	dir := tempDir(t)
	closeStore(t, open(t, dir))
	require.NoError(t, os.Rename(filepath.Join(dir, storeFile), filepath.Join(dir, storeFile+".new")))
	closeStore(t, open(t, dir))
}

func TestFolderRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o750, 0o701, 0o777} {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, mode))
		if _, err := Open(t.Context(), options(dir)); !errors.Is(err, ErrFolder) || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "", 0o600)
	_, err := Open(t.Context(), options(file))
	require.ErrorIs(t, err, ErrFolder, "a file")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(tempDir(t), link))
	_, err = Open(t.Context(), options(link))
	require.ErrorIs(t, err, ErrFolder, "a link to nothing")
}

func TestSecondDaemon(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	_, err := Open(t.Context(), options(dir))
	require.ErrorIs(t, err, kv.ErrLocked, "a second daemon")
	closeStore(t, s)
	closeStore(t, open(t, dir))
}

func TestNotAStore(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "short": "x", "text": strings.Repeat("text ", 4000), "zeros": strings.Repeat("\x00", 65536)} {
		dir := tempDir(t)
		closeStore(t, open(t, dir))
		path := filepath.Join(dir, storeFile)
		write(t, path, text, 0o600)
		if _, err := Open(t.Context(), options(dir)); !errors.Is(err, kv.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != text {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
}

func TestSymlinkRefused(t *testing.T) {
	dir := tempDir(t)
	closeStore(t, open(t, dir))
	path := filepath.Join(dir, storeFile)
	require.NoError(t, errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path)))
	_, err := Open(t.Context(), options(dir))
	require.Error(t, err, "a symbolic link was followed")
}

// A store of a newer version is refused and not touched.
func TestNewerStore(t *testing.T) {
	dir := tempDir(t)
	closeStore(t, open(t, dir))
	rewrite(t, dir, func(w kv.Writer) error { return w.Put(schema.KeyFormat(), schema.Format(schema.Version+1)) })
	path := filepath.Join(dir, storeFile)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = Open(t.Context(), options(dir))
	require.ErrorIs(t, err, schema.ErrNewer, "a newer store")
	after, err := os.ReadFile(path)
	require.NoError(t, err, "a newer store was touched")
	require.Equal(t, after, before, "a newer store was touched")
}

// Each KEK named at the first start opens the store by itself.
func TestRecipients(t *testing.T) {
	keys := t.TempDir()
	phrase := filepath.Join(keys, "phrase")
	write(t, phrase, "correct horse\n", 0o600)
	dir := tempDir(t)
	o := options(dir)
	o.KEKs = []string{"file:" + filepath.Join(keys, "key"), "passphrase:file=" + phrase}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	want := state(t, s)
	closeStore(t, s)
	for _, gone := range []string{"key", "phrase"} {
		path := filepath.Join(keys, gone)
		require.NoError(t, os.Rename(path, path+".away"))
		s, err := Open(t.Context(), o)
		require.NoError(t, err, "without the %s", gone)
		if got := state(t, s); !slices.Equal(got, want) {
			t.Errorf("without the %s: %q", gone, got)
		}
		closeStore(t, s)
		require.NoError(t, os.Rename(path+".away", path))
	}
	_, err = os.Stat(filepath.Join(dir, "kek.key"))
	require.ErrorIs(t, err, os.ErrNotExist, "a key file was made beside the named KEKs")
}

// With every KEK gone the error names each with its reason, and no key file is
// made in place of one that is lost.
func TestNoKEK(t *testing.T) {
	keys := t.TempDir()
	phrase, key := filepath.Join(keys, "phrase"), filepath.Join(keys, "key")
	write(t, phrase, "correct horse\n", 0o600)
	dir := tempDir(t)
	o := options(dir)
	o.KEKs = []string{"file:" + key, "passphrase:file=" + phrase}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	closeStore(t, s)
	require.NoError(t, os.Remove(key))
	write(t, phrase, "wrong horse\n", 0o600)
	_, err = Open(t.Context(), o)
	var failed *NoKEKError
	require.ErrorAs(t, err, &failed, "no KEK")
	require.ErrorIs(t, err, ErrNoKEK)
	require.Len(t, failed.Reasons, 2, "no KEK: %v", err)
	require.ErrorIs(t, err, kek.ErrUnavailable)
	require.ErrorIs(t, err, kek.ErrWrongKey, "the reasons are missing")
	for _, part := range []string{key, phrase, "say with --kek where it is now", "compare it, letter by letter"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named: %v", part, err)
		}
	}
	require.NotContains(t, err.Error(), "horse", "the passphrase is in the error: %v", err)
	_, err = os.Stat(key)
	require.ErrorIs(t, err, os.ErrNotExist, "the lost key file was made again")
}

// A passphrase file that moved is named with --kek.
func TestMovedKEK(t *testing.T) {
	keys := t.TempDir()
	phrase := filepath.Join(keys, "phrase")
	write(t, phrase, "correct horse\n", 0o600)
	o := options(tempDir(t))
	o.KEKs = []string{"passphrase:file=" + phrase}
	s, err := Open(t.Context(), o)
	require.NoError(t, err)
	closeStore(t, s)
	require.NoError(t, os.Rename(phrase, phrase+"2"))
	o.KEKs = []string{"passphrase:file=" + phrase + "2"}
	s, err = Open(t.Context(), o)
	require.NoError(t, err)
	closeStore(t, s)
}

func TestBadKEK(t *testing.T) {
	for uri, want := range map[string]error{"nonsense": kek.ErrURI, "tpm9:device=/x": kek.ErrUnavailable, "passphrase:file=/no/such/file": kek.ErrUnavailable} {
		dir := tempDir(t)
		o := options(dir)
		o.KEKs = []string{uri}
		_, err := Open(t.Context(), o)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), uri) {
			t.Errorf("%s: %v", uri, err)
		}
		if says := strings.Contains(err.Error(), "start without --kek"); says != errors.Is(want, kek.ErrUnavailable) {
			t.Errorf("%s: the error tells what to do, %v: %v", uri, says, err)
		}
		if _, err := os.Stat(filepath.Join(dir, storeFile)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: a store was made, %v", uri, err)
		}
	}
}

// writeOld makes the store of the current version that TestOldStores keeps:
// go test ./keystore -run TestOldStores -write-old-store
var writeOld = flag.Bool("write-old-store", false, "write schema/testdata for the current version")

// The stores of old versions that are kept in the source open for ever.
func TestOldStores(t *testing.T) {
	if *writeOld {
		writeOldStore(t, fmt.Sprintf("schema/testdata/v%d", schema.Version))
	}
	folders, err := filepath.Glob("schema/testdata/v*")
	require.NoError(t, err, "there are stores %v, %v; want one for each version up to %d", folders, err, schema.Version)
	require.Len(t, folders, int(schema.Version),
		"there are stores %v, %v; want one for each version up to %d", folders, err, schema.Version)
	for _, folder := range folders {
		dir := tempDir(t)
		require.NoError(t, os.Mkdir(dir, 0o700))
		for _, name := range []string{storeFile, "kek.key"} {
			data, err := os.ReadFile(filepath.Join(folder, name))
			require.NoError(t, err)
			write(t, filepath.Join(dir, name), string(data), 0o600)
		}
		got, err := reopenState(t, dir)
		require.NoError(t, err, "%s", folder)
		want, err := os.ReadFile(filepath.Join(folder, "state.txt"))
		if err != nil || strings.Join(got, "\n")+"\n" != string(want) {
			t.Errorf("%s: %v, it reads\n%s", folder, err, strings.Join(got, "\n"))
		}
	}
}

func writeOldStore(t *testing.T, to string) {
	t.Helper()
	dir, lines := small(t)
	require.NoError(t, os.MkdirAll(to, 0o755))
	for _, name := range []string{storeFile, "kek.key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		write(t, filepath.Join(to, name), string(data), 0o644)
	}
	write(t, filepath.Join(to, "state.txt"), strings.Join(lines, "\n")+"\n", 0o644)
}
