package scale

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// restartSize is how many of each there are where a daemon is restarted. make soak has the numbers of a
// large machine: RESTART_APPLICATIONS, RESTART_SESSIONS and RESTART_TOKENS.
func restartSize(t *testing.T) (applications, sessions, tokens int) {
	t.Helper()
	for _, n := range []struct {
		name string
		to   *int
		is   int
	}{{"RESTART_APPLICATIONS", &applications, 200}, {"RESTART_SESSIONS", &sessions, 1000}, {"RESTART_TOKENS", &tokens, 1000}} {
		*n.to = n.is
		if text := os.Getenv(n.name); text != "" {
			var err error
			*n.to, err = strconv.Atoi(text)
			require.NoError(t, err, n.name)
		}
	}
	return applications, sessions, tokens
}

// patron is one application, with sessions of one login.
type patron struct {
	*remote.Client
	sessions []ck.SessionHandle
}

// newPatron is an application that has opened its sessions and logged in.
func newPatron(d *harness.Daemon, slot ck.SlotID, sessions int) (p patron, err error) {
	p.Client = remote.New(remote.Options{Socket: func() string { return d.P11Socket }, Timeout: hangsAfter})
	for range sessions {
		h, err := p.OpenSession(slot, ck.CKF_SERIAL_SESSION)
		if err != nil {
			return p, err
		}
		p.sessions = append(p.sessions, h)
	}
	return p, p.Login(p.sessions[0], ck.CKU_USER, secret.Bytes(harness.PIN))
}

// check expects every session as it was.
func (p patron) check() error {
	for _, h := range p.sessions {
		info, err := p.GetSessionInfo(h)
		if err != nil {
			return err
		}
		if info.State != ck.CKS_RO_USER_FUNCTIONS {
			return fmt.Errorf("session %d is in state %d", h, info.State)
		}
	}
	return nil
}

// each does something for all numbers below n, some at a time.
func each(t *testing.T, n, atOnce int, do func(i int) error) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1) - 1); i < n && !t.Failed(); i = int(next.Add(1) - 1) {
				if err := do(i); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	require.False(t, t.Failed())
}

// traffic calls with all applications in turn until it is stopped, and returns the longest call.
func traffic(t *testing.T, patrons []patron) (stop func() (longest time.Duration, calls int)) {
	const atOnce = 8
	over := make(chan struct{})
	var mu sync.Mutex
	var longest time.Duration
	var calls int
	var wg sync.WaitGroup
	for first := range atOnce {
		wg.Go(func() {
			for i := first; ; i += atOnce {
				select {
				case <-over:
					return
				default:
				}
				p := patrons[i%len(patrons)]
				began := time.Now()
				err := p.GenerateRandom(p.sessions[0], make([]byte, 32))
				took := time.Since(began)
				mu.Lock()
				longest, calls = max(longest, took), calls+1
				mu.Unlock()
				if err != nil {
					t.Errorf("application %d: %v", i%len(patrons), err)
					return
				}
			}
		})
	}
	return func() (time.Duration, int) { close(over); wg.Wait(); return longest, calls }
}

// parts are what the daemon's log tells of a restart.
var parts = regexp.MustCompile(`took the place of a daemon" (.*)`)

// TestRestartOfMany: a planned restart with many applications, sessions and tokens loses none of
// them. It prints how long calls waited, and for what.
func TestRestartOfMany(t *testing.T) {
	applications, sessions, tokens := restartSize(t)
	d := startWith(t, "--max-connections", "4096", "--max-connections-user", "4096", "--max-memory", "1024",
		"--max-memory-user", "512", "--log-level", "info")
	me, err := user.Current()
	require.NoError(t, err)
	_, err = d.NewTokenFor(me.Username, "Card", harness.PIN, harness.SOPIN)
	require.NoError(t, err)
	began := time.Now()
	admin := client.Unix(d.AdminSocket)
	const holder = "holder"
	require.NoError(t, d.NewUser(holder))
	each(t, tokens-1, 32, func(i int) error {
		_, err := admin.CreateToken(context.Background(), "", api.NewToken{User: holder, Label: fmt.Sprintf("card-%06d", i)})
		return err
	})
	t.Logf("%d tokens took %v", tokens, time.Since(began).Round(time.Millisecond))

	one := remote.New(remote.Options{Socket: func() string { return d.P11Socket }, Timeout: hangsAfter})
	defer one.Close()
	slots, err := one.GetSlotList(true)
	require.NoError(t, err)
	patrons := make([]patron, applications)
	t.Cleanup(func() {
		for _, p := range patrons {
			if p.Client != nil {
				p.Close()
			}
		}
	})
	began = time.Now()
	each(t, applications, 16, func(i int) (err error) {
		patrons[i], err = newPatron(d, slots[0], sessions/applications)
		return err
	})
	t.Logf("%d applications with %d sessions took %v", applications, sessions, time.Since(began).Round(time.Millisecond))

	for range 3 {
		stop := traffic(t, patrons)
		_, err := d.Vtoken("restart")
		longest, calls := stop()
		require.NoError(t, err)
		each(t, applications, 16, func(i int) error { return patrons[i].check() })
		load, err := os.ReadFile("/proc/loadavg")
		require.NoError(t, err)
		told := parts.FindAllStringSubmatch(d.Log(), -1)
		require.NotEmpty(t, told)
		t.Logf("the longest of %d calls took %v, at a load of %.14s; %s", calls, longest.Round(time.Millisecond), load, told[len(told)-1][1])
	}
	require.Len(t, parts.FindAllString(d.Log(), -1), 3)
	require.NotContains(t, d.Log(), "did not survive")
	require.NotContains(t, d.Log(), "left out")
}
