package attack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// evilLabel would be two lines and several columns of a table, and shows its end first.
const evilLabel = "ok  admin\nroot\x1b[2K \u202e1234 \u0661"

// relabelAttacker gives its token that label, which C_InitToken takes, and logs in as the
// SO, so that the token is seen to work.
func relabelAttacker(args []string) error {
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
		info, err := c.GetTokenInfo(slot)
		if err != nil {
			return err
		}
		if !info.Flags.Has(ck.CKF_TOKEN_INITIALIZED) {
			continue
		}
		if err := c.InitToken(slot, []byte(args[0]), evilLabel); err != nil {
			return err
		}
		h, err := c.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
		if err != nil {
			return err
		}
		return c.Login(h, ck.CKU_SO, []byte(args[0]))
	}
	return errors.New("there is no token")
}

// TestForgedFields: no label, path or name of mallory's looks like a field, a column or a
// line of its own to who reads listings and the audit log.
func TestForgedFields(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "mallory", mallory, "card-of-mallory")
	_, err := run(t, d, mallory, "relabel", harness.SOPIN)
	require.NoError(t, err, "what applications make works as before")
	list, err := d.Vtoken("token", "list", "--user", "mallory")
	require.NoError(t, err)
	require.Len(t, strings.Split(list, "\n"), 2, "a heading and one token:\n%s", list)
	for _, bad := range []string{"\x1b", "\u202e", "\u0661"} {
		require.NotContains(t, list, bad)
	}
	require.Contains(t, list, `"ok  admin\nroot\u001b[2K \u202e1234 \u0661"`)

	// The name of her program has the look of fields of the log.
	program, err := os.ReadFile(self(t, d))
	require.NoError(t, err)
	const name = "ssh  ok  caller=root  token=1\n2026-11-30 12:00:00  login  ok  uid=0"
	evil := filepath.Join(open(t, d, "tmp"), name)
	require.NoError(t, harness.WriteProgram(evil, program))
	said := victim(t, mallory, []string{attackerVariable + "=login", "VTOKEN_P11_SOCKET=" + d.P11Socket}, evil, "wrong-PIN")
	require.Contains(t, said, "CKR_")
	log, err := d.Vtoken("audit", "tail", "-n", "100")
	require.NoError(t, err)
	found := false
	for line := range strings.SplitSeq(log, "\n") {
		require.False(t, strings.HasPrefix(line, "2026-11-30 12:00:00  login"), line)
		if before, rest, ok := strings.Cut(line, ` exe="`); ok && strings.Contains(rest, "uid=0") {
			found = true
			require.Contains(t, before, fmt.Sprintf("uid=%d", mallory))
			exe, after, ok := strings.Cut(rest, `"`)
			require.True(t, ok, "the path ends where its quotes do: %s", line)
			require.Contains(t, exe, `token=1\n2026-11-30`)
			require.NotContains(t, after, "uid=")
		}
	}
	require.True(t, found, log)
}

// TestDeceptiveNames: an administrator of a tenant makes no name that reads as another.
func TestDeceptiveNames(t *testing.T) {
	t.Parallel()
	d := start(t)
	for _, name := range []string{"root\u202e", "ro\u200bot", "root\ufe0f", "user-\u0661", "user-\uff11", "a\nb", "a\x1b[2Kb", "ro\u00adot"} {
		for _, command := range [][]string{
			{"user", "create", name}, {"tenant", "create", name}, {"apikey", "create", name}, {"group", "create", name},
			{"token", "create", "--user", "root", "--label", name},
		} {
			_, err := d.Vtoken(command...)
			require.ErrorContains(t, err, "leave it out", "%+q", command)
			require.NotContains(t, err.Error()[strings.Index(err.Error(), "\n"):], name, "the refusal does not show it")
		}
	}
}

// nonsenseAttacker opens so many connections that do not keep the protocol. Each is waited
// for to end.
func nonsenseAttacker(args []string) error {
	var n int
	if _, err := fmt.Sscan(args[0], &n); err != nil {
		return err
	}
	for range n {
		c, err := net.Dial("unix", os.Getenv("VTOKEN_P11_SOCKET"))
		if err != nil {
			return err
		}
		_, _ = c.Write([]byte("\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
	return nil
}

// TestNoisyNeighbour: mallory's warnings do not push those of others out of the log.
func TestNoisyNeighbour(t *testing.T) {
	t.Parallel()
	d := start(t)
	const connections = 500
	_, err := run(t, d, mallory, "nonsense", fmt.Sprint(connections))
	require.NoError(t, err)
	_, err = run(t, d, trudy, "nonsense", "1")
	require.NoError(t, err)
	// A connection is logged before the daemon has ended.
	require.NoError(t, d.Stop())
	lines := strings.Count(d.Log(), fmt.Sprintf("uid=%d", mallory))
	require.Positive(t, lines)
	require.Less(t, lines, 50, "of %d", connections)
	require.Contains(t, d.Log(), fmt.Sprintf("uid=%d", trudy))
}
