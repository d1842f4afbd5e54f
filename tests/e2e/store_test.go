package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// storeFile is the database in the data folder.
func storeFile(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.DataDir, "*.db"))
	require.NoError(t, err)
	require.Len(t, found, 1, "databases in the data folder")
	return found[0]
}

// refused starts the daemon, which must not start, and say why in words.
func refused(t *testing.T, d *harness.Daemon, words ...string) {
	t.Helper()
	err := d.Start()
	if err == nil {
		t.Error("the daemon started")
		require.NoError(t, d.Stop())
		return
	}
	sound(t, err.Error())
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the reason does not name %q: %v", w, err)
		}
	}
}

// sound fails where the daemon crashed rather than ended.
func sound(t *testing.T, log string) {
	t.Helper()
	for _, crash := range []string{"panic:", "goroutine ", "fatal error:", "SIGSEGV", "SIGBUS"} {
		if strings.Contains(log, crash) {
			t.Errorf("the daemon crashed:\n%s", log)
			return
		}
	}
}

// card makes a token with a key and a data object, and stops the daemon.
func card(t *testing.T) *harness.Daemon {
	t.Helper()
	d := start(t)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	_, err := tool(d, append(login("Card", harness.PIN), "--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "kept")...)
	require.NoError(t, err)
	require.NoError(t, d.Stop())
	return d
}

func TestTruncatedStoreIsRefused(t *testing.T) {
	t.Parallel()
	d := card(t)
	db := storeFile(t, d)
	whole, err := os.ReadFile(db)
	require.NoError(t, err)
	for _, size := range []int{0, 1, 100, 4096, len(whole) / 2, len(whole) - 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			require.NoError(t, os.WriteFile(db, whole[:size], 0o600))
			if size == 0 {
				refused(t, d, db)
			} else {
				survives(t, d)
			}
			after, err := os.ReadFile(db)
			require.NoError(t, err)
			if size > 0 && size < 4096 && !bytes.Equal(after, whole[:size]) {
				t.Error("the broken file was changed")
			}
		})
	}
	require.NoError(t, os.WriteFile(db, whole, 0o600))
	require.NoError(t, d.Start())
	_, err = tool(d, append(login("Card", harness.PIN), "-O")...)
	require.NoError(t, err)
}

// survives starts the daemon on a broken store. It may refuse, or find that
// nothing that counts is broken; it must not crash, or show anything wrong.
func survives(t *testing.T, d *harness.Daemon) {
	t.Helper()
	if err := d.Start(); err != nil {
		sound(t, err.Error())
		return
	}
	out, err := tool(d, append(login("Card", harness.PIN), "-O")...)
	if err == nil && !strings.Contains(out, "kept") {
		t.Errorf("the key is gone, and no one says why:\n%s", out)
	}
	require.NoError(t, d.Stop())
	sound(t, d.Log())
}

func TestFlippedBytesAreNoticed(t *testing.T) {
	t.Parallel()
	d := card(t)
	db := storeFile(t, d)
	whole, err := os.ReadFile(db)
	require.NoError(t, err)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var used []int // most of the file is room for more
	for i, b := range whole {
		if b != 0 {
			used = append(used, i)
		}
	}
	for range 24 {
		at := used[random.IntN(len(used))]
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			broken := bytes.Clone(whole)
			broken[at] ^= byte(1 + random.IntN(255))
			require.NoError(t, os.WriteFile(db, broken, 0o600))
			survives(t, d)
		})
	}
}

func TestOnlyOneDaemonPerStore(t *testing.T) {
	t.Parallel()
	d := start(t)
	second := harness.NewDaemon(filepath.Dir(d.Bin("vtokend")), filepath.Join(d.Dir, "2"))
	second.DataDir = d.DataDir
	refused(t, second, d.DataDir)
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN)) // the first one goes on
}

func TestDataFolderOpenToOthersIsRefused(t *testing.T) {
	t.Parallel()
	d := card(t)
	require.NoError(t, os.Chmod(d.DataDir, 0o755))
	refused(t, d, d.DataDir)
}

// TestFullDisk writes until the disk is full: what was acknowledged stays, what
// was refused is not there, a restart is no worse, and with space again the daemon
// goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := start(t)
	require.NoError(t, d.Stop())
	require.NoError(t, os.RemoveAll(d.DataDir))
	require.NoError(t, os.Mkdir(d.DataDir, 0o700))
	mount(t, d.DataDir, "size=4m,mode=0700")
	require.NoError(t, d.Start())
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	value := bytes.Repeat([]byte{0xa5}, 30_000)
	write := func(label string) error { // stock clients write 5,000 bytes at most
		c, h := loggedIn(t, d)
		defer c.Close()
		_, err := c.CreateObject(h, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_TOKEN, true), ck.String(ck.CKA_LABEL, label), ck.Bytes(ck.CKA_VALUE, value),
		})
		return err
	}
	var written []string
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		label := fmt.Sprintf("object-%03d", i)
		if err = write(label); err == nil {
			written = append(written, label)
		}
	}
	require.ErrorContains(t, err, "CKR_DEVICE_MEMORY", "after %d objects on a disk of 4 MiB", len(written))
	lists(t, d, written)
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start()) // a full disk keeps nobody from what is there
	lists(t, d, written)
	remount := exec.Command("mount", "-o", "remount,size=64m", d.DataDir)
	out, err := remount.CombinedOutput()
	require.NoError(t, err, "%v\n%s", remount, out)
	require.NoError(t, write("after"), "with space again")
	require.NoError(t, d.Kill())
	require.NoError(t, d.Start())
	lists(t, d, append(written, "after"))
}

// lists compares the objects on the card with those that were acknowledged.
func lists(t *testing.T, d *harness.Daemon, want []string) {
	t.Helper()
	out, err := tool(d, append(login("Card", harness.PIN), "-O")...)
	require.NoError(t, err)
	for _, label := range want {
		if !strings.Contains(out, label) {
			t.Errorf("%s was acknowledged and is gone", label)
		}
	}
	require.Equal(t, len(want), strings.Count(out, "Data object"), "data objects on the card")
}

// mount mounts a file system in memory for the time of the test.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput()
	require.NoError(t, err, "this test mounts a small file system, so run it as root (sudo make test)\n%s", out)
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("unmounting %s: %v\n%s", dir, err, out)
		}
	})
}
