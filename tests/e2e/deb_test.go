package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/version"
)

// TestDeb builds the Debian package, and installs, upgrades, removes and purges it
// in a folder: programs work, a configuration that was changed stays, and keys are
// never deleted.
func TestDeb(t *testing.T) {
	t.Parallel()
	build(t)
	root, err := harness.Root()
	require.NoError(t, err)
	out := t.TempDir()
	text, err := exec.Command(filepath.Join(root, "tools", "sh", "deb.sh"), out).CombinedOutput()
	require.NoError(t, err, "%s", text)
	deb := strings.TrimSpace(string(text))
	named, err := exec.Command("dpkg-deb", "--field", deb, "Version").Output()
	if err != nil || strings.TrimSpace(string(named)) != version.String() {
		t.Errorf("the package is of version %q, %v; want %s", named, err, version.String())
	}
	host := filepath.Join(out, "host")
	for _, dir := range []string{"var/lib/dpkg/updates", "var/lib/dpkg/info", "var/lib/vtoken", "etc"} {
		require.NoError(t, os.MkdirAll(filepath.Join(host, dir), 0o755))
	}
	for _, name := range []string{"status", "available"} {
		require.NoError(t, os.WriteFile(filepath.Join(host, "var/lib/dpkg", name), nil, 0o644))
	}
	dpkg := func(args ...string) string {
		t.Helper()
		args = append([]string{"--root=" + host, "--log=/dev/null", "--force-script-chrootless", "--force-depends"}, args...)
		text, err := exec.Command("dpkg", args...).CombinedOutput()
		require.NoError(t, err, "dpkg %q\n%s", args, text)
		return string(text)
	}
	said := dpkg("--install", deb)
	require.Contains(t, said, "choose what opens the store", "nobody is told what to do next")
	for _, program := range []string{"usr/sbin/vtokend", "usr/bin/vtoken", "usr/bin/p11bench"} {
		if text, err := exec.Command(filepath.Join(host, program), "--help").CombinedOutput(); err != nil {
			t.Errorf("%s --help: %v\n%s", program, err, text)
		}
	}
	groups, err := os.ReadFile(filepath.Join(host, "etc/group"))
	if err != nil || !strings.Contains(string(groups), "vtoken-admin:") {
		t.Errorf("the group of administrators is not there: %v", err)
	}
	checkUnit(t, host)
	checkModule(t, host)
	_, err = os.Stat(filepath.Join(host, "usr/share/vtoken/no-network.conf"))
	require.NoError(t, err, "the drop-in for a daemon without a network")

	config, key := filepath.Join(host, "etc/vtoken/vtokend.yaml"), filepath.Join(host, "var/lib/vtoken/vtoken.db")
	require.NoError(t, os.WriteFile(config, []byte("kek: [\"tpm2:device=/dev/tpmrm0\"]\n"), 0o644))
	require.NoError(t, os.WriteFile(key, []byte("keys"), 0o600))
	dpkg("--install", deb)
	if text, err := os.ReadFile(config); err != nil || !strings.Contains(string(text), "tpm2:") {
		t.Errorf("an upgrade changed the configuration: %s, %v", text, err)
	}
	dpkg("--remove", "vtoken")
	if _, err := os.Stat(filepath.Join(host, "usr/sbin/vtokend")); !os.IsNotExist(err) {
		t.Errorf("the daemon is there after the package was removed: %v", err)
	}
	said = dpkg("--purge", "vtoken")
	require.Contains(t, said, "the keys stay in /var/lib/vtoken", "nobody is told where the keys are")
	if text, err := os.ReadFile(key); err != nil || string(text) != "keys" {
		t.Errorf("purging deleted keys: %v", err)
	}
}

// checkUnit has systemd read the units, of the program where it was installed.
func checkUnit(t *testing.T, host string) {
	t.Helper()
	const program = "/usr/sbin/vtokend"
	dir, verify := t.TempDir(), []string{"verify", "--man=no"}
	for _, from := range []string{
		"lib/systemd/system/vtokend.service", "lib/systemd/system/vtokend.socket", "lib/systemd/system/vtokend-admin.socket",
		"share/vtoken/vtokend-api.socket",
	} {
		unit, err := os.ReadFile(filepath.Join(host, "usr", from))
		require.NoError(t, err)
		if strings.HasSuffix(from, ".service") {
			require.Contains(t, string(unit), "ExecStart="+program+"\n", "the unit starts another program")
			require.Contains(t, string(unit), "Also=vtokend.socket vtokend-admin.socket\n", "enabling the daemon does not enable its sockets")
		}
		here := filepath.Join(dir, filepath.Base(from))
		require.NoError(t, os.WriteFile(here, []byte(strings.Replace(string(unit), program, host+program, 1)), 0o644))
		verify = append(verify, here)
	}
	text, err := exec.Command("systemd-analyze", verify...).CombinedOutput()
	if err != nil || strings.Contains(string(text), "vtokend") {
		t.Errorf("the units: %v\n%s", err, text)
	}
}

// checkModule sees that p11-kit is told of the module that was installed. A name
// without a folder is one in Debian's folder of modules.
func checkModule(t *testing.T, host string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(host, "usr/share/p11-kit/modules/vtoken.module"))
	require.NoError(t, err)
	name := ""
	for line := range strings.Lines(string(text)) {
		if after, found := strings.CutPrefix(line, "module:"); found {
			name = strings.TrimSpace(after)
		}
	}
	modules, err := filepath.Glob(filepath.Join(host, "usr/lib/*/pkcs11", name))
	if err != nil || len(modules) != 1 || filepath.Base(modules[0]) != "vtoken-pkcs11.so" {
		t.Errorf("p11-kit is told of %q, which is %v, %v", name, modules, err)
	}
}
