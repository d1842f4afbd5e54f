package attack

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
)

// stampedeAttacker has many applications at once, each of which lists the slots, opens
// a session with the token in one slot and lists its objects. It prints what they saw:
// slots, objects and the code of the first call that failed.
func stampedeAttacker(args []string) error {
	applications, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	slot, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	lines := make([]string, applications)
	for i := range lines {
		c := remote.New(remote.FromEnvironment(os.Getenv))
		defer c.Close()
		all.Go(func() { lines[i] = look(c, ck.SlotID(slot)) })
	}
	all.Wait()
	fmt.Println(strings.Join(lines, "\n"))
	return nil
}

// look is what one application of stampedeAttacker sees.
func look(c *remote.Client, slot ck.SlotID) string {
	slots, err := c.GetSlotList(true)
	if err != nil {
		return fmt.Sprint("slots: ", ck.CodeOf(err))
	}
	h, err := c.OpenSession(slot, ck.CKF_SERIAL_SESSION)
	if err == nil {
		err = c.FindObjectsInit(h, nil)
	}
	objects := 0
	for err == nil {
		var found []ck.ObjectHandle
		found, err = c.FindObjects(h, 1000)
		if objects += len(found); len(found) == 0 {
			break
		}
	}
	return fmt.Sprintf("%d slots, %d objects, %v", len(slots), objects, ck.CodeOf(err))
}

// manyTokens gives a user tokens for one-time passwords besides what the user has.
func manyTokens(t *testing.T, d *harness.Daemon, login string, n int) {
	t.Helper()
	var file strings.Builder
	file.WriteString("serial,seed,loginName\n")
	for i := range n {
		fmt.Fprintf(&file, "stampede%06d,3132333435363738393031323334353637383930,%s\n", i, login)
	}
	path := filepath.Join(d.Dir, "many.csv")
	require.NoError(t, os.WriteFile(path, []byte(file.String()), 0o600))
	_, err := d.Vtoken("import", "csv", path)
	require.NoError(t, err)
}

// slotOf is the slot of a token.
func slotOf(t *testing.T, d *harness.Daemon, uid uint32) string {
	t.Helper()
	out, err := run(t, d, uid, "login", harness.PIN)
	require.NoError(t, err)
	slot, _, _ := strings.Cut(out, " ")
	return slot
}

// fillAttacker logs in to the token in a slot and makes objects on it, until there are
// so many or one is refused. It prints how many it made and the last code.
func fillAttacker(args []string) error {
	c, err := client()
	if err != nil {
		return err
	}
	defer c.Close()
	slot, _ := strconv.ParseUint(args[0], 10, 64)
	n, _ := strconv.Atoi(args[1])
	var all sync.WaitGroup
	made, last := make([]int, 16), make([]error, 16)
	for i := range made {
		h, err := c.OpenSession(ck.SlotID(slot), ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
		if err != nil {
			return err
		}
		all.Go(func() {
			for last[i] == nil && made[i] < n/len(made) {
				if _, last[i] = c.CreateObject(h, thing("filled", true)); last[i] == nil {
					made[i]++
				}
			}
		})
	}
	all.Wait()
	total := 0
	for _, n := range made {
		total += n
	}
	code := ck.CKR_OK
	for _, err := range last {
		if err != nil {
			code = ck.CodeOf(err)
		}
	}
	fmt.Println(total, code)
	return nil
}

// thing is a public data object.
func thing(label string, onToken bool) ck.Template {
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA), ck.Bool(ck.CKA_TOKEN, onToken), ck.Bool(ck.CKA_PRIVATE, false),
		ck.String(ck.CKA_LABEL, label), ck.String(ck.CKA_VALUE, "a value of some bytes"),
	}
}

// crowdAttacker opens sessions and makes session objects in them, until there are so
// many or one is refused. It says how many and waits to be killed.
func crowdAttacker(args []string) error {
	c, err := client()
	if err != nil {
		return err
	}
	slot, _ := strconv.ParseUint(args[0], 10, 64)
	most, _ := strconv.Atoi(args[1])
	objects, _ := strconv.Atoi(args[2])
	var sessions []ck.SessionHandle
	for len(sessions) < most {
		h, err := c.OpenSession(ck.SlotID(slot), ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
		if err != nil {
			break
		}
		sessions = append(sessions, h)
	}
	made := 0
	for err == nil && len(sessions) > 0 && made < objects {
		if _, err = c.CreateObject(sessions[made%len(sessions)], thing("crowd", false)); err == nil {
			made++
		}
	}
	fmt.Println(len(sessions), made)
	_, err = os.Stdin.Read(make([]byte, 1)) // the end of the test
	return err
}

// measured is a number that the daemon's metrics tell; see metric.
func measured(t *testing.T, d *harness.Daemon, name string) float64 {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", d.AdminSocket)
	}}}
	resp, err := c.Get("http://localhost/v1/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(t, err)
			return v
		}
	}
	t.Logf("there is no metric %s", name)
	return math.NaN()
}

// peakMiB is the most memory that the daemon had in this run.
func peakMiB(t *testing.T, d *harness.Daemon) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.PID()))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			require.NoError(t, err)
			return kib >> 10
		}
	}
	require.Fail(t, "the kernel tells no VmHWM")
	return 0
}

// tick is the unit of processor time in /proc.
const tick = 10 * time.Millisecond

// untilIdle waits until the daemon has used nearly nothing for a second, and returns
// what it used until then.
func untilIdle(t *testing.T, d *harness.Daemon) time.Duration {
	t.Helper()
	begun := processorTime(t, d)
	last := begun
	for range time.Tick(time.Second) {
		now := processorTime(t, d)
		if now-last <= 5*tick {
			return now - begun
		}
		last = now
	}
	return 0
}

// counted is how often each line came.
func counted(lines []string) map[string]int {
	n := map[string]int{}
	for _, line := range lines {
		n[line]++
	}
	return n
}

// stampede has a user's applications come at the same time after a restart: so many
// processes with so many applications each.
func stampede(t *testing.T, d *harness.Daemon, uid uint32, processes, applications int, slot string) (seen map[string]int, grown int, loads float64) {
	t.Helper()
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start())
	before, loadsBefore := peakMiB(t, d), measured(t, d, "vtoken_loads_total")
	all := make([]*attacker, processes)
	for i := range all {
		all[i] = launch(t, d, uid, "stampede", strconv.Itoa(applications), slot)
	}
	var lines []string
	for _, a := range all {
		for range applications {
			lines = append(lines, a.line(t))
		}
	}
	return counted(lines), peakMiB(t, d) - before, measured(t, d, "vtoken_loads_total") - loadsBefore
}

// TestStampedeOfAUser: a hundred applications of a user with thousands of tokens, who
// come at once after a restart, have them read once and all see them.
func TestStampedeOfAUser(t *testing.T) {
	t.Parallel()
	const tokens, processes, each = 3000, 10, 10
	d := start(t)
	newToken(t, d, "mallory", mallory, "card")
	slot := slotOf(t, d, mallory)
	manyTokens(t, d, "mallory", tokens)
	seen, grown, loads := stampede(t, d, mallory, processes, each, slot)
	t.Logf("%d applications with %d tokens: %v, memory grew by %d MiB, %v sets read", processes*each, tokens+1, seen, grown, loads)
	require.Equal(t, map[string]int{fmt.Sprintf("%d slots, 0 objects, CKR_OK", tokens+1): processes * each}, seen)
	require.Less(t, grown, 200)
	require.EqualValues(t, 2, loads, "the tokens of one user and the objects of one token")
}

// TestStampedeOnAToken: likewise with a token of many objects.
func TestStampedeOnAToken(t *testing.T) {
	t.Parallel()
	const objects, processes, each = 9600, 10, 10
	d := start(t)
	newToken(t, d, "mallory", mallory, "card")
	slot := slotOf(t, d, mallory)
	out, err := run(t, d, mallory, "fill", slot, strconv.Itoa(objects))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprint(objects, " CKR_OK\n"), out)
	seen, grown, loads := stampede(t, d, mallory, processes, each, slot)
	t.Logf("%d applications with %d objects: %v, memory grew by %d MiB, %v sets read", processes*each, objects, seen, grown, loads)
	require.Equal(t, map[string]int{fmt.Sprintf("1 slots, %d objects, CKR_OK", objects): processes * each}, seen)
	require.Less(t, grown, 200)
	require.EqualValues(t, 2, loads)
}

// TestCrowdEnds: an application with as many sessions and session objects as it may
// have is killed. The daemon is through with that soon, and says so when it is.
func TestCrowdEnds(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "mallory", mallory, "card")
	slot := slotOf(t, d, mallory)
	a := launch(t, d, mallory, "crowd", slot, "20000", "60000")
	held := a.line(t)
	untilIdle(t, d)
	a.kill()
	used := untilIdle(t, d)
	t.Logf("its sessions and objects: %s; their end took %v of the processors", held, used)
	require.Zero(t, measured(t, d, "vtoken_applications"))
	require.Less(t, used, 5*time.Second)
}

// TestTokensHaveAQuota: mallory's token takes 10,000 objects, where nobody has set a quota.
func TestTokensHaveAQuota(t *testing.T) {
	t.Parallel()
	d := start(t)
	newToken(t, d, "mallory", mallory, "card")
	out, err := run(t, d, mallory, "fill", slotOf(t, d, mallory), "10400")
	require.NoError(t, err)
	require.Equal(t, "10000 CKR_DEVICE_MEMORY\n", out)
	require.Positive(t, measured(t, d, "vtoken_quota_refusals_total"))
}

// TestQuotaOfTwoProcesses: two processes of a user that fill a token at the same time
// make as many objects as the token may hold, and then get CKR_DEVICE_MEMORY. Another
// user's token has room.
func TestQuotaOfTwoProcesses(t *testing.T) {
	t.Parallel()
	const most, tries = 100, 160
	d := start(t)
	newToken(t, d, "mallory", mallory, "card")
	newToken(t, d, "alice", alice, "card")
	_, err := d.Vtoken("tenant", "policy", "default", "--max-objects", strconv.Itoa(most))
	require.NoError(t, err)
	slot := slotOf(t, d, mallory)
	both := []*attacker{
		launch(t, d, mallory, "fill", slot, strconv.Itoa(tries)),
		launch(t, d, mallory, "fill", slot, strconv.Itoa(tries)),
	}
	total, full := 0, false
	for _, a := range both {
		var made int
		var code string
		_, err := fmt.Sscan(a.line(t), &made, &code)
		require.NoError(t, err)
		total += made
		full = full || code == "CKR_DEVICE_MEMORY"
	}
	t.Logf("of %d objects, two processes made %d", 2*tries, total)
	require.Equal(t, most, total)
	require.True(t, full)
	require.Positive(t, measured(t, d, "vtoken_quota_refusals_total"))
	out, err := run(t, d, alice, "fill", slotOf(t, d, alice), "16")
	require.NoError(t, err)
	require.Equal(t, "16 CKR_OK\n", out)
}
