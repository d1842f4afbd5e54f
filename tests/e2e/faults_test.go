package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestKEKsThatAreRefused adds KEKs that cannot work: each is refused with its
// reason, the store stays as it is, and the daemon goes on.
func TestKEKsThatAreRefused(t *testing.T) {
	uri, dir := hsm(t, "object=vtoken")
	d := start(t)
	secretFile := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(secretFile("words", "correct horse\n", 0o600), link))
	before := vtoken(t, d, "kek", "list")
	for _, test := range []struct{ uri, why string }{
		{"passphrase:file=" + secretFile("empty", "\n", 0o600), "is empty"},
		{"passphrase:file=" + secretFile("open", "correct horse\n", 0o644), "run chmod 600"},
		{"passphrase:file=" + link, "symbolic link"},
		{"passphrase:file=/no/such/file", "no such file"},
		{"file:" + secretFile("strange", "no key\n", 0o600), "no vtoken key file"},
		{"tpm2:unix=/no/such/tpm.sock", "no TPM answers"},
		{"tpm2:device=/dev/tpmrm99", "no TPM"},
		{uri, "no key that fits"},
		{strings.Replace(uri, harness.SoftHSMModule, "/no/such/module.so", 1), "no PKCS#11 module"},
		{strings.Replace(uri, harness.SoftHSMModule, "/bin/true", 1), "cannot be loaded"},
		{strings.Replace(uri, "token=hsm", "token=other", 1), "no token of the HSM fits"},
		{uri[:strings.LastIndex(uri, "file:")+5] + secretFile("pin", "7654321\n", 0o600), "refuses the PIN"},
		{uri + "&pin-value=1234567", "a PIN does not belong in a URI"},
		{"nonsense", "does not start with a scheme"},
	} {
		_, err := d.Vtoken("kek", "add", test.uri)
		require.ErrorContains(t, err, test.why, "vtoken kek add %s", test.uri)
	}
	require.Equal(t, before, vtoken(t, d, "kek", "list"), "the KEKs")
	require.NotContains(t, d.Log(), "1234567", "the log tells the HSM's PIN")
	works(t, d)
}

// TestReadOnlyFolder starts the daemon on a data folder that cannot be written: it
// says so, and changes nothing.
func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.Stop())
	require.NoError(t, os.RemoveAll(d.DataDir))
	require.NoError(t, os.Mkdir(d.DataDir, 0o700))
	mount(t, d.DataDir, "size=64m,mode=0700")
	require.NoError(t, d.Start())
	works(t, d)
	require.NoError(t, d.Stop())
	remount := func(how string) {
		t.Helper()
		out, err := exec.Command("mount", "-o", "remount,"+how, d.DataDir).CombinedOutput()
		require.NoError(t, err, "remount %s\n%s", how, out)
	}
	remount("ro")
	refused(t, d, "exit status 1", "read-only file system", d.DataDir)
	remount("rw")
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
}

// TestForeignFolder: a data folder of another user is refused, whoever may read it.
func TestForeignFolder(t *testing.T) {
	t.Parallel()
	d := card(t)
	require.NoError(t, os.Chown(d.DataDir, 65534, 65534))
	refused(t, d, "exit status 1", d.DataDir, "belongs to another user")
	require.NoError(t, os.Chown(d.DataDir, os.Getuid(), os.Getgid()))
	require.NoError(t, d.Start())
}

// TestHSMKeyDeleted deletes the KEK in the HSM under a running daemon, which goes
// on, says so, and does not start again.
func TestHSMKeyDeleted(t *testing.T) {
	uri, _ := hsm(t, "object=vtoken")
	d := start(t)
	vtoken(t, d, "kek", "add", "--generate", uri)
	d.Configure(uri)
	vtoken(t, d, "kek", "remove", "file:kek.key", "--yes")
	works(t, d)
	out, err := exec.Command("pkcs11-tool", "--module", harness.SoftHSMModule, "--token-label", "hsm", "--login", "--pin", "1234567",
		"--delete-object", "--type", "secrkey", "--label", "vtoken").CombinedOutput()
	require.NoError(t, err, "deleting the key\n%s", out)
	if out := vtoken(t, d, "kek", "list"); !strings.Contains(out, " fails ") || !strings.Contains(out, "was it deleted") {
		t.Errorf("the list does not tell that the key is gone:\n%s", out)
	}
	require.NoError(t, sign(d, "01", harness.PIN))
	recovery, _ := words(t) // while the daemon runs, there is a way out
	vtoken(t, d, "kek", "add", recovery)
	d.Configure(recovery)
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
	vtoken(t, d, "kek", "remove", uri, "--yes")
	vtoken(t, d, "kek", "add", "--generate", uri)
	d.Configure(uri)
	if out := vtoken(t, d, "kek", "list"); strings.Contains(out, " fails ") {
		t.Errorf("a new key in the HSM fails:\n%s", out)
	}
}
