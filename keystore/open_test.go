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

func TestFirstStart(t *testing.T) {
	dir := tempDir(t)
	var log bytes.Buffer
	o := options(dir)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	for range 2 {
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		view(t, s, func(tx *Tx) error {
			list, err := tx.Tenants()
			if err != nil || len(list) != 1 || list[0].Name != record.DefaultTenant {
				t.Errorf("tenants %v, %v", list, err)
			}
			return nil
		})
		closeStore(t, s)
	}
	if n := strings.Count(log.String(), "does not protect"); n != 1 {
		t.Errorf("the log warns %d times of the key file:\n%s", n, log.String())
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

// A first start that was killed leaves a part of a store and a key file: the
// next one begins anew, with the same key file.
func TestInterruptedFirstStart(t *testing.T) {
	dir := tempDir(t)
	closeStore(t, open(t, dir))
	if err := os.Rename(filepath.Join(dir, storeFile), filepath.Join(dir, storeFile+".new")); err != nil {
		t.Fatal(err)
	}
	closeStore(t, open(t, dir))
}

func TestFolderRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o750, 0o701, 0o777} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), options(dir)); !errors.Is(err, ErrFolder) || !strings.Contains(err.Error(), "chmod 700") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "", 0o600)
	if _, err := Open(t.Context(), options(file)); !errors.Is(err, ErrFolder) {
		t.Errorf("a file: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(tempDir(t), link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(link)); !errors.Is(err, ErrFolder) {
		t.Errorf("a link to nothing: %v", err)
	}
}

func TestSecondDaemon(t *testing.T) {
	dir := tempDir(t)
	s := open(t, dir)
	if _, err := Open(t.Context(), options(dir)); !errors.Is(err, kv.ErrLocked) {
		t.Errorf("a second daemon: %v", err)
	}
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
	if err := errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(dir)); err == nil {
		t.Error("a symbolic link was followed")
	}
}

// A store of a newer version is refused and not touched.
func TestNewerStore(t *testing.T) {
	dir := tempDir(t)
	closeStore(t, open(t, dir))
	rewrite(t, dir, func(w kv.Writer) error { return w.Put(schema.KeyFormat(), schema.Format(schema.Version+1)) })
	path := filepath.Join(dir, storeFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), options(dir)); !errors.Is(err, schema.ErrNewer) {
		t.Errorf("a newer store: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a newer store was touched, %v", err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	want := state(t, s)
	closeStore(t, s)
	for _, gone := range []string{"key", "phrase"} {
		path := filepath.Join(keys, gone)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), o)
		if err != nil {
			t.Fatalf("without the %s: %v", gone, err)
		}
		if got := state(t, s); !slices.Equal(got, want) {
			t.Errorf("without the %s: %q", gone, got)
		}
		closeStore(t, s)
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "kek.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key file was made beside the named KEKs: %v", err)
	}
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
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	write(t, phrase, "wrong horse\n", 0o600)
	_, err = Open(t.Context(), o)
	var failed *NoKEKError
	if !errors.As(err, &failed) || !errors.Is(err, ErrNoKEK) || len(failed.Reasons) != 2 {
		t.Fatalf("no KEK: %v", err)
	}
	if !errors.Is(err, kek.ErrUnavailable) || !errors.Is(err, kek.ErrWrongKey) {
		t.Errorf("the reasons are missing: %v", err)
	}
	for _, part := range []string{key, phrase, "say with --kek where it is now", "compare it, letter by letter"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s is not named: %v", part, err)
		}
	}
	if strings.Contains(err.Error(), "horse") {
		t.Errorf("the passphrase is in the error: %v", err)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lost key file was made anew: %v", err)
	}
}

// A passphrase file that moved is named with --kek.
func TestMovedKEK(t *testing.T) {
	keys := t.TempDir()
	phrase := filepath.Join(keys, "phrase")
	write(t, phrase, "correct horse\n", 0o600)
	o := options(tempDir(t))
	o.KEKs = []string{"passphrase:file=" + phrase}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if err := os.Rename(phrase, phrase+"2"); err != nil {
		t.Fatal(err)
	}
	o.KEKs = []string{"passphrase:file=" + phrase + "2"}
	if s, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
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
	if err != nil || len(folders) != int(schema.Version) {
		t.Fatalf("there are stores %v, %v; want one for each version up to %d", folders, err, schema.Version)
	}
	for _, folder := range folders {
		dir := tempDir(t)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{storeFile, "kek.key"} {
			data, err := os.ReadFile(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, name), string(data), 0o600)
		}
		got, err := reopenState(t, dir)
		if err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		want, err := os.ReadFile(filepath.Join(folder, "state.txt"))
		if err != nil || strings.Join(got, "\n")+"\n" != string(want) {
			t.Errorf("%s: %v, it reads\n%s", folder, err, strings.Join(got, "\n"))
		}
	}
}

func writeOldStore(t *testing.T, to string) {
	t.Helper()
	dir, lines := small(t)
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{storeFile, "kek.key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, name), string(data), 0o644)
	}
	write(t, filepath.Join(to, "state.txt"), strings.Join(lines, "\n")+"\n", 0o644)
}
