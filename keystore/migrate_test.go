package keystore

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/backup"
	"vtoken/keystore/kek"
	"vtoken/keystore/kek/all"
	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/keystore/kv"
	"vtoken/keystore/kv/bolt"
	"vtoken/keystore/kv/kvtest"
	"vtoken/keystore/schema"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// version1 has stores that the program of layout version 1 wrote, with 16 clients at the
// same time: tenants, users, groups, API keys, PIN-bound tokens and others, one-time
// passwords, keys that wait for their certificate, objects of which some were deleted.
// "plain" has as recipients a key file, a passphrase, and an AES and an RSA key of a
// SoftHSM; "tpm" has a TPM with its counter, once under PCRs.
const version1 = "testdata/version1"

// unzip writes a file of version1.
func unzip(t testing.TB, name, to string) {
	t.Helper()
	f, err := os.Open(filepath.Join(version1, name+".gz"))
	require.NoError(t, err)
	defer f.Close()
	r, err := gzip.NewReader(f)
	require.NoError(t, err)
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	require.NoError(t, err)
	_, err = io.Copy(out, r)
	require.NoError(t, errors.Join(err, out.Close()))
}

// oldStore is a data folder with a store of version 1, and what its state reads.
func oldStore(t testing.TB, name string) (dir string, want []string) {
	t.Helper()
	dir = tempDir(t)
	require.NoError(t, os.Mkdir(dir, 0o700))
	unzip(t, name+".db", filepath.Join(dir, storeFile))
	data, err := os.ReadFile(filepath.Join(version1, name+".json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	return dir, want
}

// withFile puts a file of version1 into a data folder.
func withFile(t testing.TB, dir, name string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(version1, name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
}

// oldHSM makes the SoftHSM of the stores available, and returns what follows a URI.
var oldHSM = sync.OnceValues(func() (query string, err error) {
	dir, err := os.MkdirTemp("", "hsm")
	if err != nil {
		return "", err
	}
	conf, pinFile := filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "pin")
	return "?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:" + pinFile, errors.Join(
		os.CopyFS(filepath.Join(dir, "tokens"), os.DirFS(filepath.Join(version1, "softhsm"))),
		os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nlog.level = ERROR\n"), 0o600),
		os.WriteFile(pinFile, []byte("1234567\n"), 0o600),
		os.Setenv("SOFTHSM2_CONF", conf))
})

// oldTPM starts the TPM of the store.
func oldTPM(t *testing.T) *swtpm.TPM {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // short, for the socket's path
	require.NoError(t, err)
	unzip(t, "tpm2-00.permall", filepath.Join(dir, "tpm2-00.permall"))
	tpm, err := swtpm.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(tpm.Stop(), os.RemoveAll(dir))) })
	return tpm
}

// TestMigrate opens a store of version 1 with each kind of KEK: it reads what the program
// of that version read, every record is the same but for what the new version adds, PINs
// open what is under them, and the store works and opens again.
func TestMigrate(t *testing.T) {
	hsm, err := oldHSM()
	require.NoError(t, err)
	for name, test := range map[string]struct {
		store string
		kek   func(t *testing.T, dir string) string
	}{
		"file":       {"plain", func(t *testing.T, dir string) string { withFile(t, dir, "kek.key"); return "file:kek.key" }},
		"passphrase": {"plain", func(t *testing.T, dir string) string { withFile(t, dir, "words"); return "passphrase:file=words" }},
		"HSM, AES":   {"plain", func(*testing.T, string) string { return "pkcs11:token=kek;object=aes" + hsm }},
		"HSM, RSA":   {"plain", func(*testing.T, string) string { return "pkcs11:token=kek;object=rsa;type=private;id=%01%02" + hsm }},
		"TPM":        {"tpm", func(t *testing.T, _ string) string { return oldTPM(t).URI() }},
		"TPM, PCRs":  {"tpm", func(t *testing.T, _ string) string { return oldTPM(t).URI() + "?pcrs=7+11" }},
	} {
		t.Run(name, func(t *testing.T) {
			dir, want := oldStore(t, test.store)
			before := raw(t, dir)
			o := options(dir)
			var log strings.Builder
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			o.KEKs = []string{test.kek(t, dir)}
			s := openWith(t, o)
			require.Equal(t, want, state(t, s))
			require.Contains(t, log.String(), "the store was migrated")
			r, err := s.Check(t.Context())
			require.NoError(t, err)
			require.Empty(t, r.Problems)
			pinsOpen(t, s)
			id := addObject(t, s, tokensOf(t, s)[0].ID, "new", "hidden")
			tok := addToken(t, s, addUser(t, s, "carol"), "new")
			closeStore(t, s)

			after := raw(t, dir)
			same := 0
			for key, value := range before {
				if after[key] == value {
					same++
				}
			}
			require.Greater(t, same, len(before)-16, "records were written again that did not change")
			kept := filepath.Join(dir, storeFile+".v1")
			require.Equal(t, before, dumpFile(t, kept), "the old file is kept")

			s = openWith(t, o)
			defer closeStore(t, s)
			got := strings.Join(state(t, s), "\n")
			require.Contains(t, got, fmt.Sprintf("object %d v1 new hidden", id))
			require.Contains(t, got, string(tok.ID))
			for _, line := range want {
				require.NotContains(t, line, fmt.Sprintf("slot %d ", tok.Slot))
				require.NotContains(t, line, fmt.Sprintf("object %d ", id))
			}
		})
	}
}

// dumpFile is the raw state of a store file.
func dumpFile(t *testing.T, path string) map[string]string {
	t.Helper()
	e, err := bolt.Open(path)
	require.NoError(t, err)
	defer e.Close()
	return kvtest.Dump(t, e)
}

func tokensOf(t testing.TB, s *Store) (all []*record.Token) {
	t.Helper()
	view(t, s, func(tx *Tx) error {
		tenants, err := tx.Tenants()
		for _, tenant := range tenants {
			list, e := tx.TokensOfTenant(tenant.ID, 0, 0)
			all, err = append(all, list...), errors.Join(err, e)
		}
		return err
	})
	return all
}

// pinsOpen checks a PIN of each kind of token.
func pinsOpen(t *testing.T, s *Store) {
	t.Helper()
	seen := map[bool]bool{}
	for _, tok := range tokensOf(t, s) {
		if tok.Kind == record.KindOTP || seen[tok.PINBound] {
			continue
		}
		seen[tok.PINBound] = true
		right, bound, err := s.CheckPIN(tok.ID, pin.User, tok.UserPIN.Verifier, secret.Bytes("user PIN"))
		require.NoError(t, err)
		require.True(t, right)
		if tok.PINBound {
			opened := 0
			view(t, s, func(tx *Tx) error {
				objects, err := tx.Objects(tok.ID)
				for _, o := range objects {
					set, e := tx.secretOf(tok.ID, o.ID, bound)
					err = errors.Join(err, e)
					opened += len(set)
				}
				return err
			})
			require.Equal(t, 2, opened)
		}
		bound.Wipe()
	}
	require.Len(t, seen, 2)
}

// TestMigrateTampered changes single records of a store of version 1. The migration refuses it, as
// its own program would have done, and does not change it.
func TestMigrateTampered(t *testing.T) {
	dir, _ := oldStore(t, "plain")
	withFile(t, dir, "kek.key")
	good := raw(t, dir)
	kinds := map[byte]bool{}
	for key, value := range good {
		if kinds[key[0]] || key == string(schema.KeyFormat()) {
			continue
		}
		kinds[key[0]] = true
		removed := maps.Clone(good)
		delete(removed, key)
		damaged := maps.Clone(good)
		if value == "" { // an index entry
			damaged[key] = "x"
		} else {
			damaged[key] = flip(value, len(value)/2)
		}
		added := maps.Clone(good)
		added[flipID(key)] = value
		for what, bad := range map[string]map[string]string{"removed": removed, "damaged": damaged, "added": added} {
			if what == "added" && strings.ContainsRune("!so", rune(key[0])) {
				continue // another key of no kind, or an object of no token, is what check finds
			}
			setRaw(t, dir, good, bad)
			_, err := Open(t.Context(), options(dir))
			require.Error(t, err, "%s %c", what, key[0])
			require.Equal(t, bad, raw(t, dir), "%s %c: the store was changed", what, key[0])
			setRaw(t, dir, bad, good)
		}
	}
	require.GreaterOrEqual(t, len(kinds), 14)
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		require.NotContains(t, e.Name(), ".v1")
		require.NotContains(t, e.Name(), "migrating")
	}
	s := open(t, dir)
	closeStore(t, s)
}

// TestMigrateKilled kills a program at each of its steps while it migrates a store: the
// next start migrates it, and everything is there. Nothing but the kept file is left over.
func TestMigrateKilled(t *testing.T) {
	if at := os.Getenv("KEYSTORE_TEST_STEP"); at != "" {
		migrateUntil(t, os.Getenv("KEYSTORE_TEST_DIR"), at)
		return
	}
	dir, want := oldStore(t, "plain")
	withFile(t, dir, "kek.key")
	old, err := os.ReadFile(filepath.Join(dir, storeFile))
	require.NoError(t, err)
	steps := 0
	o := options(dir)
	o.step = func(string) { steps++ }
	closeStore(t, openWith(t, o))
	require.GreaterOrEqual(t, steps, 50)
	every := max(1, steps/60) // at most some 60 of them, the first and the last ones as well
	killed := 0
	for n := 1; n <= steps; n++ {
		if n%every != 0 && n > 3 && n < steps-8 {
			continue
		}
		for _, name := range []string{storeFile, storeFile + ".v1", storeFile + ".migrating"} {
			require.NoError(t, removeIfThere(filepath.Join(dir, name)))
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, storeFile), old, 0o600))
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestMigrateKilled$")
		cmd.Env = append(os.Environ(), "KEYSTORE_TEST_STEP="+strconv.Itoa(n), "KEYSTORE_TEST_DIR="+dir)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", out)
		require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)
		killed++
		got, err := reopenState(t, dir)
		require.NoError(t, err, "killed at step %d of %d", n, steps)
		require.Equal(t, want, got, "killed at step %d of %d", n, steps)
		var names []string
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range list {
			names = append(names, e.Name())
		}
		require.Equal(t, []string{"kek.key", storeFile, storeFile + ".v1", lockFile}, names, "killed at step %d of %d", n, steps)
	}
	require.GreaterOrEqual(t, killed, 50)
	t.Logf("killed at %d of %d steps", killed, steps)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// migrateUntil opens a store, and kills the program at a step.
func migrateUntil(t *testing.T, dir, at string) {
	step := 0
	o := options(dir)
	o.step = func(string) {
		if step++; strconv.Itoa(step) == at {
			require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
			select {} // until it is dead
		}
	}
	s, err := Open(t.Context(), o)
	t.Fatal("it was not killed", s != nil, err)
}

// TestKeptFile: the file of an old version has a name of its own also where one of that
// name is there already, and goes when a KEK is removed, when the root key is rotated, or
// in time.
func TestKeptFile(t *testing.T) {
	migrated := func() (dir string, s *Store, kept []string) {
		dir, _ = oldStore(t, "plain")
		withFile(t, dir, "kek.key")
		require.NoError(t, os.WriteFile(filepath.Join(dir, storeFile+".v1"), []byte("another one"), 0o600))
		s = open(t, dir)
		kept = []string{filepath.Join(dir, storeFile+".v1"), filepath.Join(dir, storeFile+".v1.1")}
		text, err := os.ReadFile(kept[0])
		require.NoError(t, err)
		require.Equal(t, "another one", string(text))
		require.FileExists(t, kept[1])
		return dir, s, kept
	}
	gone := func(kept []string) {
		t.Helper()
		for _, name := range kept {
			require.NoFileExists(t, name)
		}
	}

	_, s, kept := migrated()
	keks, err := s.KEKs(t.Context())
	require.NoError(t, err)
	for _, k := range keks {
		if k.URI != "file:kek.key" {
			require.NoError(t, s.RemoveKEK(t.Context(), k.ID))
		}
	}
	gone(kept)
	closeStore(t, s)

	var dir string
	dir, s, kept = migrated()
	closeStore(t, s)
	long := time.Now().Add(-keptFor - time.Hour)
	require.NoError(t, os.Chtimes(kept[0], long, long))
	closeStore(t, open(t, dir))
	gone(kept[:1])
	require.FileExists(t, kept[1])

	s = open(t, dir)
	for _, k := range keks[1:] {
		_ = s.RemoveKEK(t.Context(), k.ID)
	}
	require.NoError(t, s.RotateRoot(t.Context()))
	gone(kept) // and not at its end, before which the daemon may be killed
	require.Eventually(t, func() bool { left, err := s.RotationLeft(); return err == nil && left == 0 }, time.Minute, 10*time.Millisecond)
	closeStore(t, s)
	gone(kept)
}

// TestMigrationIsVerified: a migrated copy takes the place of the old store only where
// every record of it is authentic and the same.
func TestMigrationIsVerified(t *testing.T) {
	change := func(prefix byte, fn func(w kv.Tx, key, value []byte) error) func(tx kv.Tx) error {
		return func(tx kv.Tx) error {
			var key, value []byte
			err := tx.Scan([]byte{prefix}, nil, func(k, v []byte) error {
				key, value = append(key, k...), append(value, v...)
				return kv.ErrStop
			})
			return errors.Join(err, fn(tx, key, value))
		}
	}
	flipped := func(w kv.Tx, key, value []byte) error { return w.Put(key, []byte(flip(string(value), len(value)-1))) }
	for name, damage := range map[string]func(tx kv.Tx) error{
		"a token":          change(schema.PrefixToken, flipped),
		"an object":        change(schema.PrefixObject, flipped),
		"a sum":            change(schema.PrefixAccumulator, flipped),
		"an object gone":   change(schema.PrefixObject, func(w kv.Tx, key, _ []byte) error { return w.Delete(key) }),
		"another object":   change(schema.PrefixObject, func(w kv.Tx, key, value []byte) error { return w.Put(append(key[:25], 9), value) }),
		"a recipient gone": change(schema.PrefixRecipient, func(w kv.Tx, key, _ []byte) error { return w.Delete(key) }),
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := oldStore(t, "plain")
			withFile(t, dir, "kek.key")
			before := raw(t, dir)
			o := options(dir).withDefaults()
			s, version, err := openAs(t.Context(), o, filepath.Join(dir, storeFile))
			require.NoError(t, err)
			require.EqualValues(t, 1, version)
			u := s.upgrader(t.Context(), s.path())
			right := u.List[0].Run
			u.List[0].Run = func(tx kv.Tx) error { return errors.Join(right(tx), damage(tx)) }
			_, err = u.Upgrade(1, schema.Version)
			require.Error(t, err)
			closeStore(t, s)
			require.Equal(t, before, raw(t, dir))
		})
	}
}

// writeBackup writes a backup of raw records.
func writeBackup(t *testing.T, path string, records map[string]string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	w, err := backup.NewWriter(f)
	require.NoError(t, err)
	for _, key := range slices.Sorted(maps.Keys(records)) {
		require.NoError(t, w.Put([]byte(key), []byte(records[key])))
	}
	require.NoError(t, errors.Join(w.Close(), f.Close()))
}

// TestRestoreOldBackup restores a backup of a store of version 1.
func TestRestoreOldBackup(t *testing.T) {
	dir, want := oldStore(t, "plain")
	withFile(t, dir, "kek.key")
	path := filepath.Join(t.TempDir(), "backup")
	writeBackup(t, path, raw(t, dir))
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	to := tempDir(t)
	require.NoError(t, os.Mkdir(to, 0o700))
	withFile(t, to, "kek.key")
	_, err = Restore(t.Context(), Options{Dir: to, Providers: all.Providers(), Log: discard()}, file)
	require.NoError(t, err)
	got, err := reopenState(t, to)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestForeignStoreUnderHSM puts a whole store in place that somebody else made, with a root
// key that is wrapped under the very same RSA key of an HSM: its public half is enough for
// that. The KEK opens it, and it is refused for its id.
func TestForeignStoreUnderHSM(t *testing.T) {
	hsm, err := oldHSM()
	require.NoError(t, err)
	uri := "pkcs11:token=kek;object=rsa;type=private;id=%01%02" + hsm
	mine, theirs := options(tempDir(t)), options(tempDir(t))
	mine.KEKs, theirs.KEKs = []string{uri}, []string{uri}
	s := openWith(t, mine)
	mine.Pinned = []kek.Pin{{ID: s.ID()}}
	closeStore(t, s)
	closeStore(t, openWith(t, mine))
	closeStore(t, openWith(t, theirs))
	data, err := os.ReadFile(filepath.Join(theirs.Dir, storeFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(mine.Dir, storeFile), data, 0o600))
	_, err = Open(t.Context(), mine)
	require.ErrorIs(t, err, ErrForeign)
}
