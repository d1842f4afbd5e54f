package attack

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// client is an application of the OS user that this process runs as.
func client() (*remote.Client, error) {
	c := remote.New(remote.FromEnvironment(os.Getenv))
	if _, err := c.GetInfo(); err != nil {
		return nil, err
	}
	return c, nil
}

// loginAttacker tries to log in to every token that it sees, with the PIN that it is given.
func loginAttacker(args []string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	slots, err := c.GetSlotList(true)
	if err != nil {
		return err
	}
	for _, slot := range slots {
		h, err := c.OpenSession(slot, ck.CKF_SERIAL_SESSION)
		if err != nil {
			return err
		}
		fmt.Println(slot, ck.CodeOf(c.Login(h, ck.CKU_USER, []byte(args[0]))))
	}
	return nil
}

// TestStrangersSeeNothing: a user without a token sees none, not even with its PIN.
func TestStrangersSeeNothing(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "alice", alice, "card-of-alice")
	out, err := run(t, d, alice, "login", harness.PIN)
	require.NoError(t, err)
	require.Contains(t, out, "CKR_OK")
	out, err = run(t, d, trudy, "login", harness.PIN)
	require.NoError(t, err)
	require.Empty(t, out)
}
