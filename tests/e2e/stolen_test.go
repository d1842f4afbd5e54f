package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// thief has a copy of a data folder, and tries what the programs can do with it.
type thief struct {
	d   *harness.Daemon
	bin string
}

// steal copies the data folder of a daemon that has stopped.
func steal(t *testing.T, d *harness.Daemon) thief {
	t.Helper()
	dir, err := harness.TempDir()
	require.NoError(t, err)
	stolen := harness.NewDaemon(build(t), dir)
	t.Cleanup(func() { require.NoError(t, stolen.Kill()); require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.CopyFS(stolen.DataDir, os.DirFS(d.DataDir)))
	require.NoError(t, os.Chmod(stolen.DataDir, 0o700))
	return thief{stolen, d.Bin("vtokend")}
}

// getsNothing has every command fail with the exit status that says that no KEK
// opens the store, before a PIN could be tried, and each for the same reasons
// whatever the PIN of the token was.
func (s thief) getsNothing(t *testing.T, keks ...string) {
	t.Helper()
	var flags []string
	for _, k := range keks {
		flags = append(flags, "--kek", k)
	}
	require.ErrorContains(t, s.d.Start(flags...), "exit status 3", "the daemon on a stolen folder, with %q", keks)
	for _, command := range []string{"check", "accept-rollback"} {
		args := append([]string{command, "--data-dir", s.d.DataDir}, flags...)
		out, err := exec.Command(s.bin, args...).CombinedOutput()
		require.ErrorContains(t, err, "exit status 3", "vtokend %q\n%s", args, out)
		for _, secret := range []string{"Card", harness.PIN, harness.SOPIN} {
			if strings.Contains(string(out), secret) {
				t.Errorf("vtokend %q tells %q:\n%s", args, secret, out)
			}
		}
	}
}

// TestStolenFolder: a copy of the whole data folder yields nothing without the TPM
// or HSM, nor with those of a thief. No PIN can be tried, so that a list of all of
// them is worth nothing (softhsm/SoftHSMv2#676).
func TestStolenFolder(t *testing.T) {
	t.Run("tpm2", func(t *testing.T) {
		chip := tpm(t)
		d := start(t, "--kek", chip.URI())
		works(t, d)
		require.NoError(t, d.Stop())
		s := steal(t, d)
		require.NoError(t, chip.Stop()) // it stays with its owner
		own := tpm(t).URI()
		s.getsNothing(t, own)
		s.getsNothing(t, own, "file:kek.key")
		require.NoError(t, chip.Start())
		require.NoError(t, d.Start())
		require.NoError(t, sign(d, "01", harness.PIN))
	})
	t.Run("pkcs11", func(t *testing.T) {
		uri, dir := hsm(t, "object=vtoken")
		d := start(t)
		vtoken(t, d, "kek", "add", "--generate", uri)
		d.Configure(uri)
		vtoken(t, d, "kek", "remove", "file:kek.key", "--yes")
		require.NoError(t, os.Remove(filepath.Join(d.DataDir, "kek.key")))
		works(t, d)
		require.NoError(t, d.Stop())
		s := steal(t, d)
		own, theirs := hsm(t, "object=vtoken") // SOFTHSM2_CONF names the thief's from now on
		other := start(t)
		vtoken(t, other, "kek", "add", "--generate", own) // a key of the same name, and the same PIN
		s.getsNothing(t, own)
		s.getsNothing(t)
		t.Setenv("SOFTHSM2_CONF", filepath.Join(dir, filepath.Base(os.Getenv("SOFTHSM2_CONF"))))
		require.NotEqual(t, theirs, dir, "there was one HSM only")
		require.NoError(t, d.Start())
		require.NoError(t, sign(d, "01", harness.PIN))
	})
}

// TestMovedDataFolder moves the data folder to a host without a TPM: nothing is
// lost with the recovery passphrase, and nothing yielded without.
func TestMovedDataFolder(t *testing.T) {
	t.Parallel()
	recovery, file := words(t)
	chip := tpm(t)
	d := start(t, "--kek", chip.URI(), "--kek", recovery)
	works(t, d)
	key := vtoken(t, d, "apikey", "create", "monitor")
	before := everything(t, d)
	require.NoError(t, d.Stop())
	require.NoError(t, chip.Stop())
	away := file + ".safe"
	require.NoError(t, os.Rename(file, away))
	s := steal(t, d)
	s.getsNothing(t)
	wrong := filepath.Join(t.TempDir(), "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("incorrect horse battery staple\n"), 0o600))
	s.getsNothing(t, "passphrase:file="+wrong)

	moved := s.d
	found := "passphrase:file=" + away
	require.ErrorContains(t, moved.Start("--kek", found), "exit status 4", "a store whose counter cannot be asked")
	offline(t, moved, "accept-rollback", "--kek", found)
	require.NoError(t, moved.Start("--kek", found))
	require.Equal(t, before, everything(t, moved), "after the move")
	require.NoError(t, sign(moved, "01", harness.PIN))
	keyFile := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(keyFile, []byte(key), 0o600))
	vtoken(t, moved, "token", "list", "--api", moved.API, "--ca-file", moved.CA, "--api-key-file", keyFile)
	vtoken(t, moved, "kek", "remove", chip.URI(), "--yes")
	require.NoError(t, moved.Stop())
	require.NoError(t, moved.Start("--kek", found))
	require.NoError(t, sign(moved, "01", harness.PIN))
}

// TestBackupAndPassphrase: the machine is gone with its TPM. A backup and the recovery
// passphrase bring everything back on another one, which is on record.
func TestBackupAndPassphrase(t *testing.T) {
	t.Parallel()
	recovery, file := words(t)
	chip := tpm(t)
	d := start(t, "--kek", chip.URI(), "--kek", recovery)
	works(t, d)
	before := everything(t, d)
	backup := filepath.Join(t.TempDir(), "backup")
	vtoken(t, d, "backup", backup)
	require.NoError(t, d.Stop())
	require.NoError(t, chip.Stop())
	found := file + ".found"
	require.NoError(t, os.Rename(file, found))

	dir, err := harness.TempDir()
	require.NoError(t, err)
	other := harness.NewDaemon(build(t), dir)
	t.Cleanup(func() { require.NoError(t, other.Kill()); require.NoError(t, os.RemoveAll(dir)) })
	flags := []string{"--data-dir", other.DataDir, "--kek", "passphrase:file=" + found}
	refusedRestore(t, other, "say with --kek where it is now", backup, "--data-dir", other.DataDir)
	refusedRestore(t, other, "vtoken restore FILE --accept-rollback", append([]string{backup}, flags...)...)
	vtoken(t, other, append([]string{"restore", backup, "--accept-rollback"}, flags...)...)
	require.NoError(t, other.Start("--kek", "passphrase:file="+found))
	require.Equal(t, before, everything(t, other), "on the other machine")
	require.NoError(t, sign(other, "01", harness.PIN))
	recorded(t, auditLines(t, other), map[string]any{"event": "restore", "result": "ok", "detail": "--accept-rollback"})
	vtoken(t, other, "kek", "remove", chip.URI(), "--yes")
	vtoken(t, other, "kek", "add", tpm(t).URI()) // that of the other machine
	out := vtoken(t, other, "status")
	require.Contains(t, out, "are refused, by the counter of", "the store is not protected by the TPM of the other machine")
	require.NoError(t, other.Stop())
	require.NoError(t, other.Start())
	require.NoError(t, sign(other, "01", harness.PIN))
}

// everything is what administrators and the holder see.
func everything(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	var all strings.Builder
	for _, list := range []string{"tenant", "user", "apikey", "token"} {
		fmt.Fprintln(&all, vtoken(t, d, list, "list", "-o", "json"))
	}
	objects, err := tool(d, append(login("Card", harness.PIN), "-O")...)
	require.NoError(t, err)
	return all.String() + objects
}
