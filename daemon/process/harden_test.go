package process

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// hardenedEnv has TestHardened play the daemon.
const hardenedEnv = "VTOKEND_TEST_HARDENED"

// TestHardened: a hardened process writes no core dump, nobody of its user may
// attach to it, and it may lock as much memory as it may give itself. It is a
// process of its own, because none of it can be taken back.
func TestHardened(t *testing.T) {
	if os.Getenv(hardenedEnv) != "" {
		fmt.Print(hardened())
		os.Exit(0)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestHardened$")
	cmd.Env = append(os.Environ(), hardenedEnv+"=1")
	out, err := cmd.CombinedOutput()
	if want := "dumpable 0, core 0 0, locks all it may true, <nil>"; err != nil || string(out) != want {
		t.Errorf("%v, %s; want %s", err, out, want)
	}
}

// hardened says what became of this process.
func hardened() string {
	err := Harden()
	dumpable, dumpErr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var core, locked unix.Rlimit
	for resource, limit := range map[int]*unix.Rlimit{unix.RLIMIT_CORE: &core, unix.RLIMIT_MEMLOCK: &locked} {
		if e := unix.Getrlimit(resource, limit); e != nil {
			err = e
		}
	}
	if dumpErr != nil {
		err = dumpErr
	}
	return fmt.Sprintf("dumpable %d, core %d %d, locks all it may %v, %v", dumpable, core.Cur, core.Max, locked.Cur == locked.Max, err)
}
