package attack

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	bbolt "go.etcd.io/bbolt"

	"vtoken/tests/harness"
)

// recordsOf reads the keys and values of a store file, from a copy of it.
func recordsOf(t *testing.T, d *harness.Daemon) map[string][]byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(d.DataDir, "vtoken.db"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	out := map[string][]byte{}
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("v")).ForEach(func(key, value []byte) error {
			out[string(key)] = bytes.Clone(value)
			return nil
		})
	}))
	require.NoError(t, db.Close())
	return out
}

// overwrite puts a value in the place of another one of the same length, in the file
// that the daemon has open. It reports whether it was there.
func overwrite(t *testing.T, d *harness.Daemon, value, by []byte) bool {
	t.Helper()
	require.Len(t, by, len(value))
	path := filepath.Join(d.DataDir, "vtoken.db")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	found := false
	for at := 0; ; {
		i := bytes.Index(raw[at:], value)
		if i < 0 {
			return found
		}
		there := make([]byte, len(value)) // the daemon may have used that page for something else since
		_, err := f.ReadAt(there, int64(at+i))
		require.NoError(t, err)
		if bytes.Equal(there, value) {
			_, err := f.WriteAt(by, int64(at+i))
			require.NoError(t, err)
			found = true
		}
		at += i + len(value)
	}
}

// TestRecordsPutBackUnderTheDaemon has another program put single records back to what
// they were, in the file of the running daemon: the token with its tries, the sums, the
// head of the store. Wrong tries do not come
// back, nothing that needs the record is done, the log has an alarm within seconds also
// where nobody uses it, and with the right record in its place the store is sound.
func TestRecordsPutBackUnderTheDaemon(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "alice", alice, "Card")
	before := recordsOf(t, d)
	login := func(pin string) string {
		out, err := run(t, d, alice, "login", pin)
		if err != nil {
			return err.Error()
		}
		return out
	}
	require.Contains(t, login("0001"), "CKR_PIN_INCORRECT")
	require.Contains(t, login("0002"), "CKR_PIN_INCORRECT")
	kinds := map[byte]int{}
	for key, old := range before {
		value := recordsOf(t, d)[key]
		if bytes.Equal(old, value) || len(old) != len(value) || key[0] == 'A' {
			continue
		}
		for { // the daemon may commit meanwhile, and so write another value elsewhere
			overwrite(t, d, value, old)
			now := recordsOf(t, d)[key]
			if bytes.Equal(now, old) {
				break
			}
			value = now
		}
		kinds[key[0]]++
		begun, alarms := time.Now(), strings.Count(d.Log(), "ALARM")
		if key[0] == 'k' || key[0] == 'C' {
			require.NotContains(t, login("0003"), "CKR_PIN_INCORRECT")
		}
		if key[0] == 'k' {
			_, err := d.Vtoken("token", "list")
			require.Error(t, err)
		}
		require.Eventually(t, func() bool { return strings.Count(d.Log(), "ALARM") > alarms }, 2*time.Minute, 50*time.Millisecond)
		t.Logf("%q: found after %v", key[:1], time.Since(begun).Round(time.Millisecond))
		require.True(t, overwrite(t, d, old, value), "%q", key[:1])
		for overwrite(t, d, old, value) { // the daemon copied the page meanwhile
		}
	}
	require.NotZero(t, kinds['C'], "the head was not put back")
	require.NotZero(t, kinds['D'], "no sum was put back")
	require.NotZero(t, kinds['k'], "the token was not put back")
	require.Contains(t, login(harness.PIN), "CKR_OK")
	out, err := d.Vtoken("check")
	require.NoError(t, err, out)
	out, err = d.Vtoken("audit", "tail")
	require.NoError(t, err)
	require.Contains(t, out, "tampered")
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
}

// TestCopyBetweenRemoveAndAddOfKEK removes the KEK that counts, keeps a copy of the data
// folder, adds the KEK anew and tries PINs: the copy is refused with an alarm, gives no
// tries back, and leaves the counter of the newest store alone.
func TestCopyBetweenRemoveAndAddOfKEK(t *testing.T) {
	t.Parallel()
	tpm := chip(t)
	d := start(t, "--kek", tpm.URI())
	newToken(t, d, "alice", alice, "Card")
	_, err := d.Vtoken("kek", "add", "file:second.key")
	require.NoError(t, err)
	out, err := d.Vtoken("kek", "list", "-o", "json")
	require.NoError(t, err)
	var list []struct{ ID, URI string }
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	for _, k := range list {
		if k.URI == tpm.URI() {
			_, err := d.Vtoken("kek", "remove", k.ID, "--yes")
			require.NoError(t, err)
		}
	}
	between := filepath.Join(d.Dir, "between")
	require.NoError(t, os.CopyFS(between, os.DirFS(d.DataDir)))
	require.NoError(t, os.Chmod(between, 0o700))
	require.NoError(t, os.Chmod(filepath.Join(between, "second.key"), 0o600))
	_, err = d.Vtoken("kek", "add", tpm.URI())
	require.NoError(t, err)
	out, err = run(t, d, alice, "login", "0001")
	require.NoError(t, err)
	require.Contains(t, out, "CKR_PIN_INCORRECT")
	require.NoError(t, d.Stop())
	real := filepath.Join(d.Dir, "real")
	require.NoError(t, os.Rename(d.DataDir, real))
	require.NoError(t, os.Rename(between, d.DataDir))
	for range 2 {
		err := d.Start()
		require.ErrorContains(t, err, "ALARM")
		require.ErrorContains(t, err, "the counter is at")
	}
	require.NoError(t, os.Rename(d.DataDir, between))
	require.NoError(t, os.Rename(real, d.DataDir))
	require.NoError(t, d.Start())
	out, err = run(t, d, alice, "login", harness.PIN)
	require.NoError(t, err)
	require.Contains(t, out, "CKR_OK")
}
