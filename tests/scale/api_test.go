package scale

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/tests/harness"
)

// administrators is how many API clients work at a time.
const administrators = 200

// TestManyAdministrators has many clients read and write through several APIs, each
// over a connection of its own that it keeps: every answer is the one that is
// documented. How long answers take is told, and measured by make soak.
func TestManyAdministrators(t *testing.T) {
	d := startWith(t, "--api-rate", "0", "--api-rate-tenant", "0", "--dialect", "idprime", "--dialect", "entrust", "--dialect", "dualshield", "--dialect", "securid", "--dialect", "surepassid", "--log-level", "warn")
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the two cores are for the daemon
	clients := admit(t, d)
	var wg sync.WaitGroup
	pace, stop := paceOf(t), time.Now().Add(loadFor(t))
	before, began := processorTime(t, d.PID()), time.Now()
	for i, c := range clients {
		wg.Go(func() { c.work(i, pace, stop) })
	}
	wg.Wait()
	took := time.Since(began)
	var reads, writes []time.Duration
	for i, c := range clients {
		if c.err != nil {
			t.Errorf("client %d (%s): %v", i, c.name, c.err)
		}
		reads, writes = append(reads, c.reads...), append(writes, c.writes...)
	}
	require.GreaterOrEqual(t, len(writes), 10*administrators/len(lives), "%d clients did %d writes only", len(clients), len(writes))
	load, err := os.ReadFile("/proc/loadavg")
	require.NoError(t, err)
	t.Logf("%d clients for %v, load %s", len(clients), took.Round(time.Millisecond), strings.TrimSpace(string(load)))
	for name, list := range map[string][]time.Duration{"reads": reads, "writes": writes, "all": slices.Concat(reads, writes)} {
		slices.Sort(list)
		at := func(of float64) time.Duration { return list[int(of*float64(len(list)-1))].Round(10 * time.Microsecond) }
		t.Logf("%-6s %7d, %6.0f/s: half within %v, 90%% %v, 99%% %v, all %v", name, len(list), float64(len(list))/took.Seconds(), at(0.5), at(0.9), at(0.99), at(1))
	}
	used := (processorTime(t, d.PID()) - before).Seconds()
	t.Logf("the daemon took %.2f ms of a processor for each, %.0f%% of one; it has %s", 1000*used/float64(len(reads)+len(writes)), 100*used/took.Seconds(), resident(t, d.PID()))
}

// processorTime is how long a process has run on processors.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the name of the program
	ticks := 0
	for _, field := range strings.Fields(rest)[11:13] { // utime and stime, in hundredths of a second
		n, err := strconv.Atoi(field)
		require.NoError(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// resident is how much memory a process has now, and had at most.
func resident(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	var list []string
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") {
			list = append(list, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(list, ", ")
}

// loadFor is how long the clients work: LOAD_TIME, as in make soak, or a few seconds.
func loadFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("LOAD_TIME")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// paceOf is the time between two requests of a client: LOAD_RATE is how many a second
// all of them make, and without it they are as fast as they can.
func paceOf(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("LOAD_RATE")
	if text == "" {
		return 0
	}
	rate, err := strconv.Atoi(text)
	require.NoError(t, err)
	return administrators * time.Second / time.Duration(rate)
}

// work lives one life after another until stop. With a pace, client i of all begins
// in its turn.
func (c *administrator) work(i int, pace time.Duration, stop time.Time) {
	if pace > 0 {
		<-time.After(pace * time.Duration(i) / administrators)
		ticker := time.NewTicker(pace)
		defer ticker.Stop()
		c.pace = ticker.C
	}
	for n := 0; time.Now().Before(stop) && c.err == nil; n++ {
		c.life(c, n)
	}
}

// administrator is one client of an API.
type administrator struct {
	name          string
	life          func(c *administrator, n int)
	http          *http.Client
	base          string // of paths
	authorization string
	user          who
	device        string           // serial number of the token that a client of SecurID has
	err           error            // the first answer that was not right
	pace          <-chan time.Time // of its requests, nil is as fast as it can
	reads, writes []time.Duration
}

// who is a user of the store.
type who struct{ login, id string }

// lives are the lives of tokens in each API, and what clients need for it.
var lives = []struct {
	name, base string
	enter      func(t *testing.T, d *harness.Daemon, c *administrator)
	life       func(c *administrator, n int)
}{
	{"native", "/v1/", enterByKey, nativeLife},
	{"idprime", "/IDPrimeVirtual/Provisioning/V2.0/Tenants/TENANT/Users/", enterByKey, idprimeLife},
	{"entrust", "/api/web/v1/", enterEntrust, entrustLife},
	{"dualshield", "/das5/rest/", enterDualShield, dualshieldLife},
	{"securid", "/AdminInterface/restapi/", enterSecurID, securidLife},
	{"surepassid", "/AuthServer/REST/U2F/", enterSurePassID, surepassidLife},
}

// admit makes the clients and connects each.
func admit(t *testing.T, d *harness.Daemon) []*administrator {
	t.Helper()
	pem, err := os.ReadFile(d.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem), "%s has no certificate", d.CA)
	tenant, err := d.Tenant()
	require.NoError(t, err)
	users := holders(t, d)
	clients := make([]*administrator, administrators)
	shared := map[string]string{} // by API: clients of a kind have one credential
	for i := range clients {
		l := lives[i%len(lives)]
		c := &administrator{
			name: l.name, life: l.life, base: d.API + strings.Replace(l.base, "TENANT", tenant, 1), authorization: shared[l.name],
			http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, MaxIdleConnsPerHost: 1}},
		}
		if c.authorization == "" {
			l.enter(t, d, c)
			shared[l.name] = c.authorization
		}
		c.user = users[i%len(users)]
		clients[i] = c
		t.Cleanup(c.http.CloseIdleConnections)
	}
	devices(t, d, clients)
	for _, c := range clients { // the handshake is no part of an answer
		c.life(c, 0)
		require.NoError(t, c.err, "%s: %v", c.name, c.err)
		c.reads, c.writes = nil, nil
	}
	return clients
}

// holders makes fifty users.
func holders(t *testing.T, d *harness.Daemon) (list []who) {
	t.Helper()
	admin := client.Unix(d.AdminSocket)
	defer admin.Close()
	for i := range 50 {
		u, err := admin.CreateUser(t.Context(), "", api.NewUser{Login: fmt.Sprintf("holder%d", i)})
		require.NoError(t, err)
		list = append(list, who{u.Login, u.ID})
	}
	return list
}

// ask sends a request, notes how long the answer took, and keeps the first that is
// none of the wanted ones. out may be nil.
func (c *administrator) ask(write bool, method, path string, in, out any, want int) {
	if c.err != nil {
		return
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			c.err = err
			return
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		c.err = err
		return
	}
	r.Header.Set("Authorization", c.authorization)
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.pace != nil {
		<-c.pace
	}
	began := time.Now()
	status, answer, err := c.send(r)
	took := time.Since(began)
	switch {
	case err != nil:
		c.err = fmt.Errorf("%s %s: %w", method, path, err)
	case status != want:
		c.err = fmt.Errorf("%s %s answers %d, not %d: %s", method, path, status, want, answer)
	case out != nil:
		c.err = json.Unmarshal(answer, out)
	}
	if write {
		c.writes = append(c.writes, took)
	} else {
		c.reads = append(c.reads, took)
	}
}

func (c *administrator) send(r *http.Request) (status int, answer []byte, err error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
