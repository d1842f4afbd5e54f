package abi

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOtherFile: a child is served by the file that was loaded, or not at all; what has
// the same name by then is not loaded.
func TestOtherFile(t *testing.T) {
	p := startPeer(t)
	program := host(t, "otherfile")
	for _, how := range []string{"folder", "replace", "replace later", "replace and close"} {
		t.Run(how, func(t *testing.T) {
			loaded, other := filepath.Join(t.TempDir(), "module.so"), filepath.Join(t.TempDir(), "module.so")
			copyFile(t, module(t), loaded)
			out, err := exec.Command("cc", "-shared", "-fPIC", "-o", other, filepath.Join("testdata", "other.c")).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Empty(t, run(t, p.environment(), program, loaded, other, how))
		})
	}
}

// TestOtherFileSpeaks: the test's other library does tell when it is loaded.
func TestOtherFileSpeaks(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "module.so")
	out, err := exec.Command("cc", "-shared", "-fPIC", "-o", other, filepath.Join("testdata", "other.c")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	c := exec.Command("/bin/true")
	c.Env = append(os.Environ(), "LD_PRELOAD="+other)
	said, err := c.Output()
	require.NoError(t, err)
	require.NotEmpty(t, said)
}
