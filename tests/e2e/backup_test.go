package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// TestBackupWhileSigningRestoresElsewhere takes backups while clients sign, and
// restores one into another folder with the same KEK: slots, labels, objects and
// the count of wrong PINs are as they were, and the key signs.
func TestBackupWhileSigningRestoresElsewhere(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.NewToken("Tried", harness.PIN, harness.SOPIN))
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	_, err := tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "kept")...)
	require.NoError(t, err)
	_, err = tool(d, append(login("Tried", "wrong-pin"), "-O")...)
	require.Error(t, err, "a wrong PIN was right")
	tokens := listed(t, d)
	require.Contains(t, tokens, `"triesLeft": 9`, "the wrong PIN was not counted")

	stop := make(chan struct{})
	var signers sync.WaitGroup
	for i := range 2 {
		signers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if out, err := signature(d, filepath.Join(d.Dir, "digest"+string(rune('0'+i)))); err != nil {
					t.Errorf("%v\n%s", err, out)
					return
				}
			}
		})
	}
	files := []string{"one.backup", "two.backup", "three.backup"}
	for _, name := range files {
		_, err := d.Vtoken("backup", filepath.Join(d.Dir, name))
		require.NoError(t, err)
	}
	_, err = d.Vtoken("check")
	require.NoError(t, err)
	close(stop)
	signers.Wait()
	require.NoError(t, d.Stop())

	file := filepath.Join(d.Dir, files[0])
	info, err := os.Stat(file)
	require.NoError(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	kek := "file:" + filepath.Join(d.DataDir, "kek.key")
	refusedRestore(t, d, "vtoken.db", file, "--data-dir", d.DataDir)
	d.DataDir = filepath.Join(d.Dir, "elsewhere")
	d.CA = filepath.Join(d.DataDir, "api.crt")
	refusedRestore(t, d, "no KEK opens the store", file, "--data-dir", d.DataDir)
	cut := filepath.Join(d.Dir, "cut.backup")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-1], 0o600))
	refusedRestore(t, d, "cut off", cut, "--data-dir", d.DataDir, "--kek", kek)
	whole[len(whole)/2] ^= 1
	require.NoError(t, os.WriteFile(cut, whole, 0o600))
	refusedRestore(t, d, "damaged", cut, "--data-dir", d.DataDir, "--kek", kek)

	_, err = d.Vtoken("restore", file, "--data-dir", d.DataDir, "--kek", kek)
	require.NoError(t, err)
	require.NoError(t, d.Start("--kek", kek))
	require.Equal(t, tokens, listed(t, d), "the tokens")
	_, err = signature(d, filepath.Join(d.Dir, "digest"))
	require.NoError(t, err)
}

// listed is what the daemon tells of its tokens and what the card holds.
func listed(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	tokens, err := d.Vtoken("token", "list", "-o", "json")
	require.NoError(t, err)
	objects, err := tool(d, append(login("Card", harness.PIN), "-O")...)
	require.NoError(t, err)
	return tokens + "\n" + objects
}

// signature has the key on the card sign.
func signature(d *harness.Daemon, file string) (string, error) {
	if err := os.WriteFile(file, make([]byte, 32), 0o600); err != nil {
		return "", err
	}
	return tool(d, append(login("Card", harness.PIN), "--sign", "--mechanism", "ECDSA", "--id", "01",
		"--input-file", file, "--output-file", file+".signed")...)
}

// refusedRestore has a restore fail and say why.
func refusedRestore(t *testing.T, d *harness.Daemon, why string, args ...string) {
	t.Helper()
	out, err := exec.Command(d.Bin("vtoken"), append([]string{"restore"}, args...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), why) {
		t.Errorf("vtoken restore %s: %v\n%s", args, err, out)
	}
}

// TestCheckOffline: the daemon's program checks a store that no daemon uses, and
// names what is wrong.
func TestCheckOffline(t *testing.T) {
	t.Parallel()
	d := card(t)
	out, err := exec.Command(d.Bin("vtokend"), "check", "--data-dir", d.DataDir).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "0 problems") {
		t.Errorf("%v\n%s", err, out)
	}
	empty := filepath.Join(d.Dir, "empty")
	require.NoError(t, os.Mkdir(empty, 0o700))
	for _, command := range []string{"check", "accept-rollback"} {
		out, err := exec.Command(d.Bin("vtokend"), command, "--data-dir", empty).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "there is no store in "+empty+"; name the data folder with --data-dir") {
			t.Errorf("vtokend %s of an empty folder: %v\n%s", command, err, out)
		}
	}
	if made, err := os.ReadDir(empty); err != nil || len(made) > 0 {
		t.Errorf("a store was made: %v, %v", made, err)
	}
	for _, args := range [][]string{{"check", "--data-dir", d.Dir + "/nothing"}, {"check", "x"}, {"restore"}} {
		if out, err := exec.Command(d.Bin("vtokend"), args...).CombinedOutput(); err == nil {
			t.Errorf("vtokend %s: %s", args, out)
		}
	}
}
