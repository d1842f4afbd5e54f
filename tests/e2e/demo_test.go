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

// TestDemo runs what make demo shows, from a PFX file to a signature that verifies, with
// each kind of KEK, and looks that it leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, kek := range []string{"file", "passphrase", "tpm2", "tpm2-pcrs", "pkcs11", "pkcs11-rsa"} {
		t.Run(kek, func(t *testing.T) {
			t.Parallel()
			demo(t, kek)
		})
	}
}

func demo(t *testing.T, kek string) {
	build(t)
	root, err := harness.Root()
	require.NoError(t, err)
	tmp := t.TempDir()
	c := exec.Command(filepath.Join(root, "tools", "sh", "demo.sh"))
	c.Env = append(os.Environ(), "TMPDIR="+tmp, "KEK="+kek)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{"Verified OK", "Private Key Object", "What to type next"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not show %q:\n%s", want, out)
		}
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left, "the demo left something behind")
}
