package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/tests/harness"
)

// tpm starts a software TPM that ends with the test.
func tpm(t *testing.T) *swtpm.TPM {
	t.Helper()
	dir, err := harness.TempDir()
	require.NoError(t, err)
	chip, err := swtpm.New(dir)
	t.Cleanup(func() {
		if chip != nil {
			require.NoError(t, chip.Stop())
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, err)
	return chip
}

// hsm makes a SoftHSM for daemons that are started from now on, and the URI of a
// key in it, which is not there yet.
func hsm(t *testing.T, path string) (uri, dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := harness.NewSoftHSM(dir)
	require.NoError(t, err)
	require.NoError(t, s.NewToken("hsm", "1234567", "87654321"))
	t.Setenv("SOFTHSM2_CONF", s.Config)
	pin := filepath.Join(dir, "pin")
	require.NoError(t, os.WriteFile(pin, []byte("1234567\n"), 0o600))
	return fmt.Sprintf("pkcs11:token=hsm;%s?module-path=%s&pin-source=file:%s", path, harness.SoftHSMModule, url.PathEscape(pin)), dir
}

// words makes the file of a recovery passphrase, and the URI that names it.
func words(t *testing.T) (uri, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "words")
	require.NoError(t, os.WriteFile(file, []byte("correct horse battery staple\n"), 0o600))
	return "passphrase:file=" + file, file
}

// works makes a card with a key, signs, and signs again after a restart with
// nothing but what the store says.
func works(t *testing.T, d *harness.Daemon) {
	t.Helper()
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	_, err := tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "key")...)
	require.NoError(t, err)
	require.NoError(t, sign(d, "01", harness.PIN))
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
}

// vtoken runs the CLI, and returns what it says.
func vtoken(t *testing.T, d *harness.Daemon, args ...string) string {
	t.Helper()
	out, err := d.Vtoken(args...)
	require.NoError(t, err)
	return out
}

func TestKEKsThatMakeAStore(t *testing.T) {
	t.Parallel()
	auth := filepath.Join(t.TempDir(), "auth")
	require.NoError(t, os.WriteFile(auth, []byte("a secret of the TPM\n"), 0o600))
	for name, uri := range map[string]func() string{
		"file":       func() string { return "file:another.key" },
		"passphrase": func() string { uri, _ := words(t); return uri },
		"tpm2":       func() string { return tpm(t).URI() },
		"tpm2-pcrs":  func() string { return tpm(t).URI() + "?pcrs=7+11&auth-file=" + auth },
	} {
		t.Run(name, func(t *testing.T) { works(t, start(t, "--kek", uri())) })
	}
}

func TestKEKsInAnHSM(t *testing.T) {
	for name, path := range map[string]string{"AES": "object=vtoken", "RSA": "object=vtoken;type=private"} {
		t.Run(name, func(t *testing.T) {
			uri, _ := hsm(t, path)
			d := start(t)
			vtoken(t, d, "kek", "add", "--generate", uri)
			d.Configure(uri)
			vtoken(t, d, "kek", "remove", "file:kek.key", "--yes")
			require.NoError(t, os.Remove(filepath.Join(d.DataDir, "kek.key")))
			works(t, d)
			require.NoError(t, d.Stop())
			require.NoError(t, os.RemoveAll(d.DataDir))
			require.NoError(t, d.Start("--kek", uri)) // a new store, with the key that is there now
			works(t, d)
		})
	}
}

func TestKEKListTellsOfRecovery(t *testing.T) {
	t.Parallel()
	d := start(t)
	out := vtoken(t, d, "kek", "list")
	require.Contains(t, out, "There is no recovery passphrase", "nobody is told that there is no recovery")
	require.Contains(t, d.Log(), "no recovery passphrase", "the log of the first start does not tell that there is no recovery")
	out = vtoken(t, d, "status")
	require.Contains(t, out, "when the KEKs are lost, so is every key", "the status does not tell that there is no recovery")
	file := filepath.Join(t.TempDir(), "words")
	vtoken(t, d, "kek", "add", "--generate", "passphrase:file="+file)
	out = vtoken(t, d, "status")
	require.Contains(t, out, "by a passphrase", "the status does not tell that there is a recovery passphrase")
	require.NoError(t, os.Remove(file))
	if out := vtoken(t, d, "kek", "list"); strings.Contains(out, "There is no recovery") || !strings.Contains(out, " away ") {
		t.Errorf("a passphrase that is locked away:\n%s", out)
	}
	_, err := d.Vtoken("kek", "remove", "file:kek.key", "--yes")
	require.ErrorContains(t, err, "none of the others opens", "removing the only KEK that opens at this moment")
}

// TestClearedTPM loses the TPM, and gets everything back with the recovery
// passphrase alone; without it there is nothing.
func TestClearedTPM(t *testing.T) {
	t.Parallel()
	chip := tpm(t)
	recovery, file := words(t)
	d := start(t, "--kek", chip.URI(), "--kek", recovery)
	works(t, d)
	require.NoError(t, d.Stop())
	elsewhere := file + ".safe"
	require.NoError(t, os.Rename(file, elsewhere))
	require.NoError(t, d.Start())
	require.NoError(t, d.Stop())

	require.NoError(t, chip.Stop())
	refused(t, d, "exit status 3", chip.URI()+": ", "no TPM answers", recovery+": ", "no such file")
	state, err := filepath.Glob(filepath.Join(filepath.Dir(chip.Socket()), "tpm2-*"))
	require.NoError(t, err)
	for _, f := range state {
		require.NoError(t, os.Remove(f))
	}
	require.NoError(t, chip.Start())
	refused(t, d, "exit status 3", "or this one was cleared since", recovery+": ")

	// The counter went with the TPM, so that nobody can tell whether this is the
	// newest store but the administrator.
	err = d.Start("--kek", "passphrase:file="+elsewhere)
	require.ErrorContains(t, err, "exit status 4", "a store without its counter")
	require.ErrorContains(t, err, "the counter is gone", "a store without its counter")
	offline(t, d, "accept-rollback", "--kek", "passphrase:file="+elsewhere)
	require.NoError(t, d.Start("--kek", "passphrase:file="+elsewhere))
	require.NoError(t, sign(d, "01", harness.PIN))
	if out := vtoken(t, d, "kek", "list"); !strings.Contains(out, "tpm2  ") || !strings.Contains(out, "fails") {
		t.Errorf("the list does not tell that the TPM fails:\n%s", out)
	}
	vtoken(t, d, "kek", "remove", chip.URI(), "--yes")
	vtoken(t, d, "kek", "add", chip.URI())
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
}

// TestTPMClearedWhileRunning: PINs are not checked without the counter, and
// everybody is told; removing the KEK and adding it anew is all that it takes.
func TestTPMClearedWhileRunning(t *testing.T) {
	t.Parallel()
	chip := tpm(t)
	recovery, _ := words(t)
	d := start(t, "--kek", chip.URI(), "--kek", recovery)
	works(t, d)
	require.NoError(t, chip.Stop())
	state, err := filepath.Glob(filepath.Join(filepath.Dir(chip.Socket()), "tpm2-*"))
	require.NoError(t, err)
	for _, f := range state {
		require.NoError(t, os.Remove(f))
	}
	require.NoError(t, chip.Start())
	require.ErrorContains(t, sign(d, "01", "another-pin"), "CKR_DEVICE_ERROR", "a PIN without a counter")
	out := vtoken(t, d, "status")
	require.Contains(t, out, "which does not answer: new PINs are refused", "the status does not tell")
	require.Contains(t, d.Log(), "`vtoken kek remove` its KEK, and `vtoken kek add` it again", "the log does not tell what to do")
	vtoken(t, d, "kek", "remove", chip.URI(), "--yes")
	vtoken(t, d, "kek", "add", chip.URI())
	require.NoError(t, sign(d, "01", harness.PIN))
	out = vtoken(t, d, "status")
	require.NotContains(t, out, "does not answer", "the status tells of a counter that works again")
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
}

// TestWrongPINsDoNotTouchTheTPM enters more wrong PINs than a TPM bears of its
// own. A KEK with an auth-file would be locked out then (irtimmer/tpm2-pk11#75).
func TestWrongPINsDoNotTouchTheTPM(t *testing.T) {
	t.Parallel()
	auth := filepath.Join(t.TempDir(), "auth")
	require.NoError(t, os.WriteFile(auth, []byte("a secret of the TPM\n"), 0o600))
	d := start(t, "--kek", tpm(t).URI()+"?auth-file="+auth)
	works(t, d)
	for i := range 6 { // each another one: the same one counts once
		require.Error(t, sign(d, "01", fmt.Sprint("wrong-pin-", i)), "a wrong PIN was right")
	}
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
}

// TestHSMGone takes the HSM away from a running daemon, which goes on, and does
// not start again before it is back.
func TestHSMGone(t *testing.T) {
	uri, dir := hsm(t, "object=vtoken")
	d := start(t)
	vtoken(t, d, "kek", "add", "--generate", uri)
	d.Configure(uri)
	vtoken(t, d, "kek", "remove", "file:kek.key", "--yes")
	works(t, d)
	tokens, away := filepath.Join(dir, "tokens"), filepath.Join(dir, "away")
	require.NoError(t, os.Rename(tokens, away))
	require.NoError(t, os.Mkdir(tokens, 0o700))
	require.NoError(t, sign(d, "01", harness.PIN))
	if out := vtoken(t, d, "kek", "list"); !strings.Contains(out, " fails ") || !strings.Contains(out, "no token of the HSM fits") {
		t.Errorf("the list does not tell that the HSM is gone:\n%s", out)
	}
	require.NoError(t, os.Remove(tokens))
	require.NoError(t, os.Rename(away, tokens))
	out := vtoken(t, d, "kek", "list")
	require.Contains(t, out, " ready ", "the list does not tell that the HSM is back")
	vtoken(t, d, "kek", "rotate") // which the HSM takes part in
	require.NoError(t, os.Rename(tokens, away))
	require.NoError(t, os.Mkdir(tokens, 0o700))
	require.NoError(t, d.Stop())
	refused(t, d, "exit status 3", uri+": ", "no token of the HSM fits")
	require.NoError(t, os.Remove(tokens))
	require.NoError(t, os.Rename(away, tokens))
	pin := filepath.Join(dir, "pin")
	require.NoError(t, os.WriteFile(pin, []byte("7654321\n"), 0o600))
	refused(t, d, "exit status 3", "the HSM refuses the PIN")
	require.NoError(t, os.WriteFile(pin, []byte("1234567\n"), 0o600))
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
}

// signing has clients sign until stop is called, which returns how often they did. A signature
// that fails is an error of the test.
func signing(t *testing.T, d *harness.Daemon, clients int) (stop func() int64) {
	var ends atomic.Bool
	var signed atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for !ends.Load() {
				if _, err := signature(d, filepath.Join(d.Dir, fmt.Sprint("digest", i))); err != nil {
					t.Error(err)
					return
				}
				signed.Add(1)
			}
		})
	}
	return func() int64 {
		ends.Store(true)
		all.Wait()
		return signed.Load()
	}
}

// TestNewKeysWhileClientsSign replaces the keys of all tenants and tokens, and kills the
// daemon while what is under the old keys is sealed again: no signature fails before, the
// next start goes on, and everything opens.
func TestNewKeysWhileClientsSign(t *testing.T) {
	t.Parallel()
	d := start(t)
	works(t, d)
	for i := range 3 {
		vtoken(t, d, "tenant", "create", fmt.Sprintf("tenant-%d", i))
		for range 5 {
			vtoken(t, d, "token", "create", "--unassigned", "--tenant", fmt.Sprintf("tenant-%d", i))
		}
	}
	before := vtoken(t, d, "token", "list", "--tenant", "tenant-1")
	stop := signing(t, d, 4)
	for range 3 {
		vtoken(t, d, "kek", "rotate", "--all")
		require.Eventually(t, func() bool {
			return !strings.Contains(vtoken(t, d, "kek", "list"), "left.")
		}, time.Minute, 20*time.Millisecond)
	}
	require.Positive(t, stop())
	vtoken(t, d, "kek", "rotate", "--tenant", "tenant-1")
	require.NoError(t, d.Kill())
	require.NoError(t, d.Start())
	require.Eventually(t, func() bool {
		return !strings.Contains(vtoken(t, d, "kek", "list"), "left.")
	}, time.Minute, 20*time.Millisecond)
	require.NoError(t, sign(d, "01", harness.PIN))
	require.Equal(t, before, vtoken(t, d, "token", "list", "--tenant", "tenant-1"))
	vtoken(t, d, "check")
}

// TestRotationWhileClientsSign rotates the root key again and again beside
// eight clients: no signature fails, and everything opens afterwards.
func TestRotationWhileClientsSign(t *testing.T) {
	t.Parallel()
	uri, _ := words(t)
	d := start(t, "--kek", tpm(t).URI(), "--kek", uri)
	works(t, d)
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(vtoken(t, d, "apikey", "create", "monitor")), 0o600))
	for i := range 5 {
		vtoken(t, d, "tenant", "create", fmt.Sprintf("tenant-%d", i))
	}
	stop := signing(t, d, 8)
	rotated := 0
	for rotated < 5 && !t.Failed() {
		switch _, err := d.Vtoken("kek", "rotate"); {
		case err == nil:
			rotated++
		case !strings.Contains(err.Error(), "a rotation is under way"):
			t.Error(err)
		}
	}
	t.Logf("%d signatures beside %d rotations", stop(), rotated)
	require.NoError(t, d.Kill())
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
	require.ErrorContains(t, sign(d, "01", "wrong-pin"), "CKR_PIN_INCORRECT", "a wrong PIN after the rotations")
	vtoken(t, d, "token", "list", "--api", d.API, "--ca-file", d.CA, "--api-key-file", key)
	vtoken(t, d, "check")
}
