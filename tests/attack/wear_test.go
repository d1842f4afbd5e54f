package attack

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/keystore/kek/kektest/swtpm"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// chip is a software TPM that ends with the test.
func chip(t *testing.T) *swtpm.TPM {
	t.Helper()
	dir, err := harness.TempDir()
	require.NoError(t, err)
	tpm, err := swtpm.New(dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, tpm.Stop())
		require.NoError(t, os.RemoveAll(dir))
	})
	return tpm
}

// wearAttacker changes the PIN of its only token again and again, and prints how often it
// did so far. Then it prints what a wrong PIN and the right one get.
func wearAttacker(args []string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	slots, err := c.GetSlotList(true)
	if err != nil || len(slots) != 1 {
		return fmt.Errorf("%d slots: %w", len(slots), err)
	}
	h, err := c.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	old := args[0]
	for i := range times {
		next := fmt.Sprintf("%08d", i)
		if err := c.SetPIN(h, []byte(old), []byte(next)); err != nil {
			return fmt.Errorf("change %d: %w", i, err)
		}
		old = next
		if i%20 == 0 {
			fmt.Println(i)
		}
	}
	wrong := c.Login(h, ck.CKU_USER, []byte("not the PIN"))
	right := c.Login(h, ck.CKU_USER, []byte(old))
	fmt.Println("done", ck.CodeOf(wrong), ck.CodeOf(right))
	return nil
}

// TestOneHolderWearsNothingOut: mallory changes her PIN more often than her budget
// allows. Meanwhile others log in for the first time without waiting; hers is refused
// a try, takes the PIN that was right before, and her changes are stored.
func TestOneHolderWearsNothingOut(t *testing.T) {
	t.Parallel()
	d := start(t, "--kek", chip(t).URI())
	newToken(t, d, "mallory", mallory, "card-of-mallory")
	newToken(t, d, "alice", alice, "card-of-alice")
	newToken(t, d, "bob", bob, "card-of-bob")
	const changes = 300 // of which 256 are counted
	attack := launch(t, d, mallory, "wear", harness.PIN, strconv.Itoa(changes))
	require.Equal(t, "0", attack.line(t))
	for line := ""; ; {
		line = attack.line(t)
		if line == "280" { // she is over her budget
			break
		}
	}
	for uid := range map[uint32]bool{alice: true, bob: true} {
		begun := time.Now()
		out, err := run(t, d, uid, "login", harness.PIN)
		require.NoError(t, err)
		require.Contains(t, out, "CKR_OK")
		t.Logf("a first login took %v", time.Since(begun))
		require.Less(t, time.Since(begun), 9*time.Second, "ten seconds were the wait of the shared budget")
	}
	require.Equal(t, "done CKR_FUNCTION_FAILED CKR_OK", attack.line(t))
	require.Contains(t, d.Log(), "has used up its increments of the rollback counter")
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
}

// TestTwoDisables: two administrators switch the same token off at the same time, and on
// again, many times. PINs are checked afterwards, and the store is the newest.
func TestTwoDisables(t *testing.T) {
	t.Parallel()
	d := start(t, "--kek", chip(t).URI())
	id := newToken(t, d, "alice", alice, "card-of-alice")
	for range 15 {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				_, err := d.Vtoken("token", "disable", id)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		_, err := d.Vtoken("token", "enable", id)
		require.NoError(t, err)
	}
	out, err := run(t, d, alice, "login", harness.PIN)
	require.NoError(t, err)
	require.Contains(t, out, "CKR_OK")
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
}
