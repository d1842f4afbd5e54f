package attack

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/tests/harness"
)

// The attackers of this file put whole stores into the data folder of a daemon that has a
// TPM, no pin in a file, and no audit log outside of that folder.

// usedWithTPM is a daemon with a TPM that was used, and stopped. The attacker has removed
// what lies beside the store.
func usedWithTPM(t *testing.T) (*harness.Daemon, *swtpm.TPM) {
	t.Helper()
	tpm := chip(t)
	d := used(t, "--kek", tpm.URI())
	removeAround(t, d)
	return d, tpm
}

// removeAround removes from the data folder what would tell that its store was another one:
// the audit log, and the certificate whose key is in the store.
func removeAround(t *testing.T, d *harness.Daemon) {
	t.Helper()
	for _, name := range []string{"audit", "api.crt"} {
		require.NoError(t, os.RemoveAll(filepath.Join(d.DataDir, name)))
	}
}

// storeOf is the store file of a daemon that is stopped.
func storeOf(t *testing.T, d *harness.Daemon) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.DataDir, "vtoken.db"))
	require.NoError(t, err)
	return text
}

func putStore(t *testing.T, d *harness.Daemon, text []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(d.DataDir, "vtoken.db"), text, 0o600))
}

// TestForeignStoreByTPM puts a store in place whose key file the attacker has. The TPM tells,
// which is outside of every folder.
func TestForeignStoreByTPM(t *testing.T) {
	d, tpm := usedWithTPM(t)
	kept := storeOf(t, d)
	theirs := used(t)
	replaceBy(t, d, theirs)
	require.ErrorContains(t, d.Start(), "exit status 4")
	require.Contains(t, d.Log(), "ALARM: the data folder holds another store")
	require.Regexp(t, regexp.MustCompile("tpm2_nvundefine 0x1[0-9a-f]{6}"), d.Log(), "what to do where the store is meant")
	out, err := exec.Command(d.Bin("vtokend"), "check", "--data-dir", d.DataDir, "--kek", tpm.URI()).CombinedOutput()
	require.ErrorContains(t, err, "exit status 4")
	require.Contains(t, string(out), "the data folder holds another store")

	putStore(t, d, kept)
	require.NoError(t, d.Start(), "the right one is taken again")
	require.NoError(t, d.Stop())

	// The key of the audit log of the attacker's store tells nothing where that log is in
	// the folder, too.
	removeAround(t, d)
	replaceBy(t, d, theirs)
	require.NoError(t, os.CopyFS(filepath.Join(d.DataDir, "audit"), os.DirFS(filepath.Join(theirs.DataDir, "audit"))))
	require.ErrorContains(t, d.Start(), "exit status 4")

	// An attacker who also keeps the TPM from answering is not stopped. The log tells.
	require.NoError(t, tpm.Stop())
	require.NoError(t, d.Start(), "a TPM that does not answer keeps no daemon from starting whose store does not need it")
	require.Contains(t, d.Log(), "a TPM does not tell")
	require.NoError(t, d.Stop())
	require.NoError(t, tpm.Start())
	require.ErrorContains(t, d.Start(), "exit status 4")
}

// TestForeignStoreUnderTheTPM puts a store in place that was made under the very TPM of the
// daemon, by somebody who may use it, in another folder.
func TestForeignStoreUnderTheTPM(t *testing.T) {
	d, tpm := usedWithTPM(t)
	theirs := used(t, "--kek", tpm.URI())
	putStore(t, d, storeOf(t, theirs))
	require.ErrorContains(t, d.Start(), "exit status 4")
	require.Contains(t, d.Log(), "ALARM: the data folder holds another store")
	require.NoError(t, theirs.Start(), "a store in its own folder")
}

// TestMissingStoreByTPM takes the store away. There is no new one before an administrator
// says so, and then the old one is the foreign one.
func TestMissingStoreByTPM(t *testing.T) {
	for name, lose := range map[string]func(d *harness.Daemon) error{
		"the file":   func(d *harness.Daemon) error { return os.Remove(filepath.Join(d.DataDir, "vtoken.db")) },
		"the folder": func(d *harness.Daemon) error { return os.RemoveAll(d.DataDir) },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := usedWithTPM(t)
			kept := storeOf(t, d)
			require.NoError(t, lose(d))
			require.ErrorContains(t, d.Start(), "exit status 4")
			require.Contains(t, d.Log(), "its id is in NV index 0x")
			require.NoFileExists(t, filepath.Join(d.DataDir, "vtoken.db"))
			require.NoError(t, d.Start("--init"))
			require.NoError(t, d.Stop())
			require.Error(t, d.Start("--init"), "--init left in the unit")
			require.NoError(t, d.Start(), "the TPM has the id of the new store")
			require.NoError(t, d.Stop())
			removeAround(t, d)
			putStore(t, d, kept)
			require.ErrorContains(t, d.Start(), "exit status 4")
		})
	}
}

// TestRestoreByTPM restores backups into the folder: of the store that was there, and of
// another one.
func TestRestoreByTPM(t *testing.T) {
	tpm := chip(t)
	d := start(t, "--kek", tpm.URI())
	mine, foreign := filepath.Join(d.Dir, "mine"), filepath.Join(d.Dir, "foreign")
	_, err := d.Vtoken("backup", mine)
	require.NoError(t, err)
	require.NoError(t, d.Stop())
	theirs := start(t)
	_, err = theirs.Vtoken("backup", foreign)
	require.NoError(t, err)
	require.NoError(t, theirs.Stop())
	require.NoError(t, os.RemoveAll(d.DataDir))
	require.NoError(t, os.MkdirAll(d.DataDir, 0o700))
	key, err := os.ReadFile(filepath.Join(theirs.DataDir, "kek.key"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(d.DataDir, "kek.key"), key, 0o600))

	_, err = d.Vtoken("restore", foreign, "--data-dir", d.DataDir, "--kek", "file:kek.key", "--kek", tpm.URI())
	require.ErrorContains(t, err, "the data folder holds another store")
	require.ErrorContains(t, err, "tpm2_nvundefine 0x1")
	require.NoFileExists(t, filepath.Join(d.DataDir, "vtoken.db"))
	_, err = d.Vtoken("restore", mine, "--data-dir", d.DataDir, "--kek", tpm.URI(), "--accept-rollback")
	require.NoError(t, err)
	require.NoError(t, d.Start())
}

// TestAddedTPMKnowsTheStore adds a TPM to a store: a foreign store is refused at the very next
// start.
func TestAddedTPMKnowsTheStore(t *testing.T) {
	tpm := chip(t)
	d := start(t)
	_, err := d.Vtoken("kek", "add", tpm.URI())
	require.NoError(t, err)
	list, err := d.Vtoken("kek", "list")
	require.NoError(t, err)
	require.NotContains(t, strings.ToLower(list), "nv index", "the index with the id is no counter that nobody uses")
	require.NoError(t, d.Stop())
	d.Configure(tpm.URI())
	removeAround(t, d)
	replaceBy(t, d, used(t))
	require.ErrorContains(t, d.Start(), "exit status 4")
}

// TestMovedFolder moves the data folder: the daemon takes the store at its new place, and
// refuses another one there as well as at the old place.
func TestMovedFolder(t *testing.T) {
	d, _ := usedWithTPM(t)
	was := d.DataDir
	d.DataDir = filepath.Join(d.Dir, "moved")
	require.NoError(t, os.Rename(was, d.DataDir))
	require.NoError(t, d.Start())
	require.NoError(t, d.Stop())
	removeAround(t, d)
	kept := storeOf(t, d)
	theirs := used(t)
	replaceBy(t, d, theirs)
	require.ErrorContains(t, d.Start(), "exit status 4")
	putStore(t, d, kept)
	require.NoError(t, d.Start())
	require.NoError(t, d.Stop())
	d.DataDir = was
	require.ErrorContains(t, d.Start(), "exit status 4", "at the old place there is none")
}
