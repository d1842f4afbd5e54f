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

// TestPastedLines runs the lines that "vtoken token show" gives people to paste, with a
// key of each kind, and verifies what they signed. Only the PIN is put in where a program
// would ask for it.
func TestPastedLines(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.NewUser(me(t)))
	for _, key := range []string{"rsa:2048", "P-256"} {
		t.Run(key, func(t *testing.T) { pasteLines(t, d, key) })
	}
}

const pastePIN = "12345678"

func pasteLines(t *testing.T, d *harness.Daemon, key string) {
	dir := t.TempDir()
	require.NoError(t, harness.PFX{Key: key, Subject: "/CN=alice", Name: "alice's key", Password: "sesame"}.Write(dir, "alice"))
	for name, text := range map[string]string{"pin": pastePIN + "\n", "password": "sesame\n", "message": "to be signed\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	id, err := d.Vtoken("token", "create", "--user", me(t), "--label", "it's "+key, "--user-pin-file", filepath.Join(dir, "pin"))
	require.NoError(t, err)
	_, err = d.Vtoken("token", "import", id, "--pfx", filepath.Join(dir, "alice.pfx"), "--pfx-password-file", filepath.Join(dir, "password"))
	require.NoError(t, err)
	_, err = d.Vtoken("token", "complete", id)
	require.NoError(t, err)
	shown, err := d.Vtoken("token", "show", id)
	require.NoError(t, err)
	newerOpenSSL(t, filepath.Join(dir, "newer"))

	script := pasted(t, shown, d.Module())
	sh := exec.Command("sh", "-eux", "-c", script)
	sh.Dir = dir
	sh.Env = append(os.Environ(), "HOME="+dir)
	out, err := sh.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{"Private Key Object", "Type: X.509 Certificate"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing says %q in:\n%s", want, out)
		}
	}
	if !strings.Contains(string(out), "ssh-rsa AAAA") && !strings.Contains(string(out), "ecdsa-sha2-nistp256 AAAA") {
		t.Errorf("ssh-keygen prints no key:\n%s", out)
	}
	for _, signature := range []string{"1.sig", "2.sig", "3.sig"} {
		verify := exec.Command("openssl", "dgst", "-sha256", "-verify", "alice.pub", "-signature", signature, "message")
		verify.Dir = dir
		if out, err := verify.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", signature, err, out)
		}
	}
}

// newerOpenSSL makes a folder with an OpenSSL that has pkcs11-provider.
func newerOpenSSL(t *testing.T, dir string) {
	t.Helper()
	root, err := harness.Root()
	require.NoError(t, err)
	cache, err := harness.Cache()
	require.NoError(t, err)
	out, err := exec.Command(filepath.Join(root, "tools/sh/openssl.sh"), dir, cache).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// pasted are the lines to paste, with the names and the PIN of the test in
// them. The line that needs a host to log in to is left out, and the ones that
// change the machine's configuration.
func pasted(t *testing.T, shown, module string) string {
	t.Helper()
	_, lines, ok := strings.Cut(shown, "# The daemon is not at the usual place")
	require.True(t, ok, "nothing to paste in:\n%s", shown)
	lines = strings.NewReplacer(
		"--login", "--login --pin "+pastePIN,
		";type=private'", ";type=private?pin-value="+pastePIN+"'",
		"p11tool --list-all", "p11tool --batch --provider "+module+" --list-all",
		"-out FILE.sig FILE", "-out 2.sig message",
		"-out FILE.sig -sign", "-out 3.sig -sign",
		"vtoken-provider.cnf openssl", "vtoken-provider.cnf newer/openssl",
		"FILE.sig", "1.sig",
		"FILE", "message",
	).Replace("#" + lines)
	var kept []string
	for line := range strings.SplitSeq(lines, "\n") {
		if !strings.HasPrefix(line, "ssh -I ") && !strings.Contains(line, "pkcs11/modules") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
