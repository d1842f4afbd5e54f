package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// buildPackage builds the package, and returns its file and its version.
func buildPackage(t *testing.T) (deb, version string) {
	t.Helper()
	_, err := harness.Build()
	require.NoError(t, err)
	root, err := harness.Root()
	require.NoError(t, err)
	out, err := exec.Command(filepath.Join(root, "tools", "sh", "deb.sh"), t.TempDir()).CombinedOutput()
	require.NoError(t, err, "%s", out)
	deb = strings.TrimSpace(string(out))
	field, err := exec.Command("dpkg-deb", "--field", deb, "Version").Output()
	require.NoError(t, err)
	return deb, strings.TrimSpace(string(field))
}

// repack makes a package of another version from one. change may change its files.
func repack(t *testing.T, deb, version string, change func(root string)) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	out, err := exec.Command("dpkg-deb", "--raw-extract", deb, root).CombinedOutput()
	require.NoError(t, err, "%s", out)
	control := filepath.Join(root, "DEBIAN", "control")
	text, err := os.ReadFile(control)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "Version: ") {
			lines[i] = "Version: " + version
		}
	}
	require.NoError(t, os.WriteFile(control, []byte(strings.Join(lines, "\n")), 0o644))
	change(root)
	made := filepath.Join(dir, "vtoken.deb")
	out, err = exec.Command("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", root, made).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return made
}

// install installs a package in the machine, and returns what its scripts say.
func install(m *machine, deb string) string {
	m.t.Helper()
	m.copyIn(deb, "/root/vtoken.deb")
	return m.run("dpkg", "--force-unsafe-io", "--install", "/root/vtoken.deb")
}
