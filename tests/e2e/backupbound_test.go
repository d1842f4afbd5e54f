package e2e

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/backup"
	"vtoken/provisioning/api"
	"vtoken/tests/harness"
)

// TestBackupOfPINBound restores a backup on another host, which has the recovery
// passphrase and nothing else: a PIN-bound token opens there with its PINs, and still
// not without.
func TestBackupOfPINBound(t *testing.T) {
	t.Parallel()
	recovery, _ := words(t)
	d := start(t)
	vtoken(t, d, "kek", "add", recovery)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	b := newBound(t, d)
	draft := b.make("Draft")
	vtoken(t, d, "token", "complete", b.make("Bound"))
	for _, label := range []string{"Card", "Bound"} {
		_, err := tool(d, append(login(label, harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "made")...)
		require.NoError(t, err)
	}
	first := filepath.Join(d.Dir, "first.backup")
	b.whileSigning(func() { vtoken(t, d, "backup", first) })
	before := b.everything()
	require.NoError(t, d.Stop())

	require.NoError(t, os.RemoveAll(d.DataDir)) // and with it the other KEK
	d.DataDir = filepath.Join(d.Dir, "elsewhere")
	d.CA = filepath.Join(d.DataDir, "api.crt")
	vtoken(t, d, "restore", first, "--data-dir", d.DataDir, "--kek", recovery)
	require.NoError(t, d.Start("--kek", recovery))
	second := filepath.Join(d.Dir, "second.backup")
	vtoken(t, d, "backup", second)
	same(t, records(t, first), records(t, second))
	require.Equal(t, before, b.everything(), "the tokens")

	b.opensWithPINs()
	b.staysBound(draft)
	vtoken(t, d, "check")
}

// bound makes and uses PIN-bound tokens.
type bound struct {
	*testing.T
	d                  *harness.Daemon
	pin, soPIN, newPIN string // files
	imported           string // CKA_ID of the imported key
}

func newBound(t *testing.T, d *harness.Daemon) *bound {
	t.Helper()
	b := &bound{T: t, d: d}
	for file, text := range map[*string]string{&b.pin: harness.PIN, &b.soPIN: harness.SOPIN, &b.newPIN: "2718281828"} {
		*file = filepath.Join(d.Dir, "pin-"+hex.EncodeToString([]byte(text))[:8])
		require.NoError(t, os.WriteFile(*file, []byte(text), 0o600))
	}
	require.NoError(t, harness.PFX{Key: "rsa:2048", Subject: "/CN=imported", Password: "secret"}.Write(d.Dir, "imported"))
	require.NoError(t, os.WriteFile(filepath.Join(d.Dir, "password"), []byte("secret"), 0o600))
	return b
}

// make makes a token with an imported key, which is not complete yet.
func (b *bound) make(label string) string {
	b.Helper()
	id := vtoken(b.T, b.d, "token", "create", "--user", me(b.T), "--label", label, "--pin-bound", "--quiet", "--user-pin-file", b.pin, "--so-pin-file", b.soPIN)
	var imported api.Imported
	require.NoError(b.T, json.Unmarshal([]byte(vtoken(b.T, b.d, "token", "import", id, "-o", "json",
		"--pfx", filepath.Join(b.d.Dir, "imported.pfx"), "--pfx-password-file", filepath.Join(b.d.Dir, "password"))), &imported))
	b.imported = imported.ID
	return id
}

// sign has the key that was made on a token sign, and the one that was imported into
// a PIN-bound one.
func (b *bound) sign(label, pin string) error {
	message := filepath.Join(b.d.Dir, "message")
	if err := os.WriteFile(message, []byte("the quick brown fox"), 0o600); err != nil {
		return err
	}
	with := func(id, mechanism string) error {
		_, err := tool(b.d, append(login(label, pin), "--sign", "--mechanism", mechanism, "--id", id, "--input-file", message, "--output-file", message+".signed")...)
		return err
	}
	if err := with("01", "ECDSA-SHA256"); err != nil || label == "Card" {
		return err
	}
	if err := with(b.imported, "SHA256-RSA-PKCS"); err != nil {
		return err
	}
	_, err := command(b.d, "", "openssl", "dgst", "-sha256", "-verify", filepath.Join(b.d.Dir, "imported.pub"), "-signature", message+".signed", message)
	return err
}

// whileSigning does something while a client signs.
func (b *bound) whileSigning(do func()) {
	stop, begun := make(chan struct{}), make(chan struct{})
	var signer sync.WaitGroup
	signer.Go(func() {
		once := sync.OnceFunc(func() { close(begun) })
		defer once()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := b.sign("Bound", harness.PIN); err != nil {
				b.Error(err)
				return
			}
			once()
		}
	})
	<-begun
	do()
	close(stop)
	signer.Wait()
}

// everything is what the tokens hold, and what the daemon tells of them. A login was
// perhaps half done when the backup was made, with its try counted, so that the listing
// comes after another one.
func (b *bound) everything() string {
	b.Helper()
	all := ""
	for _, label := range []string{"Card", "Bound"} {
		objects, err := tool(b.d, append(login(label, harness.PIN), "-O")...)
		require.NoError(b.T, err)
		all += objects + "\n"
	}
	return all + vtoken(b.T, b.d, "token", "list", "-o", "json")
}

// opensWithPINs: the keys sign with the PIN, and a wrong one counts.
func (b *bound) opensWithPINs() {
	b.Helper()
	for _, label := range []string{"Card", "Bound"} {
		require.ErrorContains(b.T, b.sign(label, "00000000"), "CKR_PIN_INCORRECT", "a wrong PIN of %s", label)
		if all := vtoken(b.T, b.d, "token", "list", "-o", "json"); strings.Count(all, `"triesLeft": 9`) != 1 {
			b.Errorf("the wrong PIN of %s was not counted:\n%s", label, all)
		}
		require.NoError(b.T, b.sign(label, harness.PIN))
	}
}

// staysBound: no administrator sets a PIN of a token that is not complete without one
// that it has.
func (b *bound) staysBound(token string) {
	b.Helper()
	body := strings.NewReader(`{"role": "user", "pin": "2718281828"}`)
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://admin/v1/tokens/"+token+"/pin", body)
	require.NoError(b.T, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := overSocket(b.d).Do(r)
	require.NoError(b.T, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(b.T, err)
	if answer.StatusCode != http.StatusConflict || !bytes.Contains(text, []byte("PIN-bound")) {
		b.Errorf("a PIN without the SO PIN: %s %s", answer.Status, text)
	}
	vtoken(b.T, b.d, "token", "reset-pin", token, "--user-pin-file", b.newPIN, "--current-so-pin-file", b.soPIN)
}

// records are the records of a backup.
func records(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	in, err := backup.NewReader(f)
	require.NoError(t, err)
	all := map[string]string{}
	for {
		key, value, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all[string(key)] = string(value)
	}
}

// same compares the records of two backups. The audit log goes on, the sums are over all,
// and where the certificate of the API is not in the folder the daemon makes another one.
func same(t *testing.T, first, second map[string]string) {
	t.Helper()
	if len(first) < 20 || len(first) != len(second) {
		t.Errorf("there were %d records, and are %d", len(first), len(second))
	}
	for key, value := range first {
		if second[key] != value && !strings.ContainsRune("ACDw", rune(key[0])) {
			t.Errorf("record %x was %d bytes, and is %d others", key, len(value), len(second[key]))
		}
	}
}
