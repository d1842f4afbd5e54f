package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestInstall installs into a folder and runs what is there.
func TestInstall(t *testing.T) {
	t.Parallel()
	build(t)
	root, err := harness.Root()
	require.NoError(t, err)
	dest := t.TempDir()
	c := exec.Command("make", "install", "DESTDIR="+dest, "PREFIX=/opt/vtoken")
	c.Dir = root
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	prefix := filepath.Join(dest, "opt", "vtoken")
	for _, name := range []string{"lib/pkcs11/vtoken-pkcs11.so", "share/man/man1/vtoken.1",
		"share/man/man7/vtoken-pkcs11.7", "share/man/man8/vtokend.8",
		"share/doc/vtoken/vtokend.yaml", "share/bash-completion/completions/vtoken"} {
		if info, err := os.Stat(filepath.Join(prefix, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s is not there or empty: %v", name, err)
		}
	}
	for _, program := range []string{"sbin/vtokend", "bin/vtoken", "bin/p11bench"} {
		if out, err := exec.Command(filepath.Join(prefix, program), "--help").CombinedOutput(); err != nil {
			t.Errorf("%s --help: %v\n%s", program, err, out)
		}
	}
}
