package e2e

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

// offline runs a command of the daemon's program on the data folder.
func offline(t *testing.T, d *harness.Daemon, args ...string) {
	t.Helper()
	args = append(append(args, "--data-dir", d.DataDir), d.KEKs()...)
	out, err := exec.Command(d.Bin("vtokend"), args...).CombinedOutput()
	require.NoError(t, err, "vtokend %s\n%s", args, out)
}

// exchange puts a folder in the place of the data folder, which takes its place.
func exchange(t *testing.T, d *harness.Daemon, dir string) {
	t.Helper()
	require.NoError(t, os.Rename(d.DataDir, dir+".aside"))
	require.NoError(t, os.Rename(dir, d.DataDir))
	require.NoError(t, os.Rename(dir+".aside", dir))
}

// TestOlderDataFolder tries PINs, kills the daemon and puts an older copy of the
// data folder back: with a TPM, no tries come back with it. An administrator can
// accept it, and that is on record.
func TestOlderDataFolder(t *testing.T) {
	t.Parallel()
	chip := tpm(t)
	d := start(t, "--kek", chip.URI())
	works(t, d)
	out := vtoken(t, d, "status")
	require.Contains(t, out, "are refused, by the counter of "+chip.URI(), "the status does not tell")
	older := filepath.Join(d.Dir, "older")
	require.NoError(t, os.CopyFS(older, os.DirFS(d.DataDir)))
	require.NoError(t, os.Chmod(older, 0o700))
	for i := range 3 { // the same wrong PIN again would not count
		require.Error(t, sign(d, "01", fmt.Sprint("000", i)), "a wrong PIN is taken")
	}
	require.NoError(t, d.Kill())
	exchange(t, d, older)
	for range 2 {
		refused(t, d, "exit status 4", "ALARM", "the counter is at", "vtokend accept-rollback")
	}
	exchange(t, d, older)
	require.NoError(t, d.Start())
	out = vtoken(t, d, "token", "show", cardID(t, d), "-o", "json")
	require.Contains(t, out, `"triesLeft": 7`, "the tries are not those of the newest store")
	require.NoError(t, sign(d, "01", harness.PIN))
	require.NoError(t, d.Stop())

	exchange(t, d, older)
	offline(t, d, "accept-rollback")
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
	out = vtoken(t, d, "status")
	require.Contains(t, out, "one was accepted on", "the status does not tell that an older copy was accepted")
	if line := recorded(t, flat(auditLines(t, d)), map[string]any{"event": "accept-rollback", "result": "ok"}); line != nil {
		if exe, _ := line["process.exe"].(string); filepath.Base(exe) != "vtokend" || line["caller"] != me(t) {
			t.Errorf("the audit log does not tell who accepted it: %v", line)
		}
	}
	require.NoError(t, d.Stop())
	exchange(t, d, older)
	refused(t, d, "exit status 4", "ALARM")
}

// cardID is the id of the token "Card".
func cardID(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	for line := range strings.Lines(vtoken(t, d, "token", "list")) {
		if fields := strings.Fields(line); strings.Contains(line, "Card") {
			return fields[0]
		}
	}
	require.FailNow(t, "there is no Card")
	return ""
}

// TestOlderBackup restores a backup from before the last tries, on the same
// machine.
func TestOlderBackup(t *testing.T) {
	t.Parallel()
	d := start(t, "--kek", tpm(t).URI())
	works(t, d)
	file := filepath.Join(d.Dir, "backup")
	vtoken(t, d, "backup", file)
	require.Error(t, sign(d, "01", "0000"), "a wrong PIN is taken")
	require.NoError(t, d.Stop())
	require.NoError(t, os.RemoveAll(d.DataDir))
	restore := append([]string{file, "--data-dir", d.DataDir}, d.KEKs()...)
	refusedRestore(t, d, "--accept-rollback", restore...)
	vtoken(t, d, append([]string{"restore", "--accept-rollback"}, restore...)...)
	require.NoError(t, d.Start())
	require.NoError(t, sign(d, "01", harness.PIN))
	out := vtoken(t, d, "audit", "tail")
	require.Contains(t, out, "accept-rollback", "the audit log does not tell it")
}

// TestOlderCopiesWithoutTPM: nothing can be detected, and everybody is told.
func TestOlderCopiesWithoutTPM(t *testing.T) {
	t.Parallel()
	d := start(t)
	out := vtoken(t, d, "status")
	require.Contains(t, out, "of the data folder are not detected", "the status does not tell")
	require.Contains(t, d.Log(), "rollback detection is off: no KEK of the store has a counter", "the log does not tell")
}
