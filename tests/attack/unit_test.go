package attack

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

// TestUnitIsConfined has systemd judge the unit: 2.5 of 10 with an API, 1.8 with the drop-in
// for a daemon without a network.
func TestUnitIsConfined(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unit := filepath.Join(dir, "vtokend.service")
	require.NoError(t, os.WriteFile(unit, []byte(harness.Packaged(t, "vtokend.service")), 0o644))
	judge := func(most int) {
		t.Helper()
		c := exec.Command("systemd-analyze", "security", "--offline=true", fmt.Sprintf("--threshold=%d", most), "vtokend.service")
		c.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "SYSTEMD_PAGER=")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		t.Logf("%s", out[strings.LastIndex(string(out), "Overall"):])
	}
	judge(25)
	require.NoError(t, os.Mkdir(unit+".d", 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(unit+".d", "no-network.conf"), []byte(harness.Packaged(t, "no-network.conf")), 0o644))
	judge(18)
	for _, setting := range []string{"MemoryMax=", "TasksMax=", "SystemCallFilter=", "ProtectProc=", "DeviceAllow="} {
		require.Contains(t, harness.Packaged(t, "vtokend.service"), "\n"+setting)
	}
}
