package e2e

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// reloading is a daemon with a configuration file, an application and a client of the API that
// stay connected.
type reloading struct {
	*harness.Daemon
	t      *testing.T
	file   string
	client *http.Client
	roots  *x509.CertPool
	key    string // of the API
	app    *remote.Client
	slot   ck.SlotID
}

func startReloading(t *testing.T, text string) *reloading {
	t.Helper()
	r := &reloading{t: t, file: filepath.Join(t.TempDir(), "vtokend.yaml"), roots: x509.NewCertPool()}
	r.write(text)
	r.Daemon = start(t, "--config", r.file)
	r.trust(r.CA)
	r.client = r.newClient()
	r.key = vtoken(t, r.Daemon, "apikey", "create", "reload", "--role", "system")
	require.NoError(t, r.NewToken("Card", harness.PIN, harness.SOPIN))
	r.app = dialDaemon(r.Daemon)
	t.Cleanup(func() { r.app.Close() })
	slots, err := r.app.GetSlotList(true)
	require.NoError(t, err)
	require.NotEmpty(t, slots)
	r.slot = slots[0]
	return r
}

// newClient is one without connections.
func (r *reloading) newClient() *http.Client {
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.roots}}}
	r.t.Cleanup(c.CloseIdleConnections)
	return c
}

func (r *reloading) trust(file string) {
	r.t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(r.t, err)
	require.True(r.t, r.roots.AppendCertsFromPEM(text))
}

// write replaces the configuration.
func (r *reloading) write(text string) {
	r.t.Helper()
	require.NoError(r.t, os.WriteFile(r.file+".new", []byte(text), 0o600))
	require.NoError(r.t, os.Rename(r.file+".new", r.file))
}

// reload has the daemon read another configuration, and returns what it logged.
func (r *reloading) reload(text string) string {
	r.t.Helper()
	r.write(text)
	return r.again()
}

func (r *reloading) again() string {
	r.t.Helper()
	said, err := r.Reload()
	require.NoError(r.t, err)
	return said
}

// ask asks the API. again is whether it used a connection that was there.
func (r *reloading) ask(c *http.Client, path string) (status int, again bool, body string, err error) {
	ctx := httptrace.WithClientTrace(r.t.Context(), &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { again = got.Reused },
	})
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, r.API+path, nil)
	if err != nil {
		return 0, false, "", err
	}
	q.Header.Set("Authorization", "Bearer "+r.key)
	answer, err := c.Do(q)
	if err != nil {
		return 0, false, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, again, string(text), err
}

// get is ask without an error.
func (r *reloading) get(c *http.Client, path string) (status int, again bool, body string) {
	r.t.Helper()
	status, again, body, err := r.ask(c, path)
	require.NoError(r.t, err)
	return status, again, body
}

// status is that of a request over the connection that was there at the start.
func (r *reloading) status(path string) int {
	r.t.Helper()
	status, again, _ := r.get(r.client, path)
	require.True(r.t, again, "the connection to the API was dropped")
	return status
}

// served is the names of the dialects.
func (r *reloading) served() (names []string) {
	r.t.Helper()
	_, _, body := r.get(r.client, "/v1/status")
	var status struct{ Dialects []string }
	require.NoError(r.t, json.Unmarshal([]byte(body), &status))
	return status.Dialects
}

// certificate makes a certificate for the API.
func certificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-subj", "/CN="+name, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30", "-keyout", key, "-out", cert).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return cert, key
}

// presented is the name in the certificate that a new connection gets.
func (r *reloading) presented() string {
	r.t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(r.API, "https://"), &tls.Config{RootCAs: r.roots})
	require.NoError(r.t, err)
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestReload changes what a reload may change, and sees each in effect for the next request,
// while an application and a connection to the API go on.
func TestReload(t *testing.T) {
	t.Parallel()
	require.Zero(t, os.Getuid(), "this test acts as another user: run it as root (sudo make test)")
	r := startReloading(t, "log-level: info\nmax-sessions: 1\n")
	r.get(r.client, "/v1/status")
	session, err := r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	require.NoError(t, r.app.Login(session, ck.CKU_USER, secret.Bytes(harness.PIN)))
	_, err = r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
	require.Equal(t, ck.CKR_SESSION_COUNT, ck.CodeOf(err))

	require.Contains(t, r.again(), `changed=""`)
	require.Contains(t, r.reload("max-sessions: 2\n"), "changed=--max-sessions")
	second, err := r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	require.NoError(t, r.app.CloseSession(second))

	// The certificate: another one, and other contents under the same names.
	files := t.TempDir()
	cert, key := certificate(t, files, "first")
	r.trust(cert)
	require.Equal(t, "vtoken API", r.presented())
	with := fmt.Sprintf("max-sessions: 2\ntls-cert: %s\ntls-key: %s\n", cert, key)
	require.Contains(t, r.reload(with), "--tls-cert --tls-key")
	require.Equal(t, "first", r.presented())
	renewed, renewedKey := certificate(t, files, "second")
	r.trust(renewed)
	require.NoError(t, os.Rename(renewedKey, key))
	require.NoError(t, os.Rename(renewed, cert))
	require.Contains(t, r.again(), "changed=--tls-cert")
	require.Equal(t, "second", r.presented())

	// The log.
	require.NotContains(t, r.Log(), "level=DEBUG")
	r.reload(with + "log-level: debug\n")
	before := len(r.Log())
	_, err = r.app.OpenSession(9999, ck.CKF_SERIAL_SESSION)
	require.Error(t, err)
	require.Eventually(t, func() bool { return strings.Contains(r.Log()[before:], "level=DEBUG") }, time.Minute, time.Millisecond,
		"a refused call has a line at the level debug")
	require.Contains(t, r.reload(with+"log-format: json\n"), `"msg":"read the configuration again"`)

	// A dialect that stays keeps its sessions.
	require.Equal(t, []string{"idprime"}, r.served())
	require.Equal(t, http.StatusNotFound, r.status("/docs/entrust/openapi.yaml"))
	r.reload(with + "dialects: [entrust, securid]\n")
	require.Equal(t, []string{"entrust", "securid"}, r.served())
	require.Equal(t, http.StatusOK, r.status("/docs/entrust/openapi.yaml"))
	require.Equal(t, http.StatusNotFound, r.status("/docs/idprime/openapi.yaml"))

	// Rates.
	r.reload(with + "api-rate: 1\n")
	statuses := map[int]bool{}
	for range 2100 { // the burst before
		if statuses[r.status("/v1/status")] = true; statuses[http.StatusTooManyRequests] {
			break
		}
	}
	require.True(t, statuses[http.StatusTooManyRequests], "the rate does not apply: %v", statuses)
	r.reload(with + "api-rate: 0\n")
	require.Equal(t, http.StatusOK, r.status("/v1/status"))

	// Limits of connections: the first is there and stays.
	r.reload(with + "api-rate: 0\napi-connections-source: 1\n")
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.API+"/v1/status", nil)
	require.NoError(t, err)
	_, err = r.newClient().Do(q)
	require.Error(t, err, "a second connection is refused")
	r.reload(with + "api-rate: 0\n")
	answer, err := r.newClient().Do(q)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, r.status("/v1/status"))

	// The group of administrators: the socket and who is admitted.
	list := []string{"setpriv", "--reuid", alice, "--regid", alice, "--groups", "1", "--", public(t, r.Daemon, r.Bin("vtoken")), "status"}
	_, err = command(r.Daemon, "", list...)
	require.Error(t, err, "the group daemon has no rights yet")
	r.reload(with + "admin-group: daemon\n")
	_, err = command(r.Daemon, "", list...)
	require.ErrorContains(t, err, "is no administrator", "the kernel tells the primary group, and the user has no entry")
	list[4] = "1"
	_, err = command(r.Daemon, "", list...)
	require.NoError(t, err)
	r.reload(with)
	_, err = command(r.Daemon, "", list...)
	require.Error(t, err)

	// The application is still logged in, on the connection that it had.
	info, err := r.app.GetSessionInfo(session)
	require.NoError(t, err)
	require.Equal(t, ck.CKS_RO_USER_FUNCTIONS, info.State)
	require.Equal(t, http.StatusOK, r.status("/v1/status"))
	require.NoError(t, r.Stop())
}

// TestReloadNeedsARestart names what a reload cannot change, each time, and goes on with what
// it had. The audit log says what did change.
func TestReloadNeedsARestart(t *testing.T) {
	t.Parallel()
	r := startReloading(t, "")
	other := t.TempDir()
	text := fmt.Sprintf("metrics-file: %s/m.prom\naudit-dir: %s\nkek: [\"file:other\"]\nlog-level: debug\n", other, other)
	said := r.reload(text)
	require.Contains(t, said, "needs a restart: --audit-dir, --metrics-file, --kek")
	require.Contains(t, said, "changed=--log-level")
	said = r.again()
	require.Contains(t, said, "needs a restart: --audit-dir, --metrics-file, --kek")
	require.Contains(t, said, `changed=""`)
	entries, err := os.ReadDir(other)
	require.NoError(t, err)
	require.Empty(t, entries)
	var recorded []string
	for line := range strings.Lines(vtoken(t, r.Daemon, "audit", "tail", "-o", "json")) {
		if strings.Contains(line, `"reload"`) {
			recorded = append(recorded, line)
		}
	}
	require.Len(t, recorded, 2)
	require.Contains(t, recorded[0], "--log-level")
	require.NotContains(t, recorded[0], "--kek")
	require.Contains(t, recorded[1], "nothing changed")
	require.NoError(t, r.Stop())
}

// TestReloadOfAWrongConfiguration changes nothing where anything is wrong, and says what.
func TestReloadOfAWrongConfiguration(t *testing.T) {
	t.Parallel()
	r := startReloading(t, "max-sessions: 1\n")
	cert, key := certificate(t, t.TempDir(), "good")
	_, otherKey := certificate(t, t.TempDir(), "other")
	_, err := r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	unchanged := func() {
		t.Helper()
		_, err := r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
		require.Equal(t, ck.CKR_SESSION_COUNT, ck.CodeOf(err), "something was applied")
		require.Equal(t, "vtoken API", r.presented())
		status, _, _ := r.get(r.client, "/v1/status")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, []string{"idprime"}, r.served())
	}
	for name, wrong := range map[string]string{
		"--log-level":     "log-level: loud\n",
		"--dialect":       "dialects: [esperanto]\n",
		"--admin-group":   "dialects: [entrust]\nadmin-group: no-such-group-here\n",
		"--tls-cert":      "tls-cert: /none.pem\ntls-key: /none.key\n",
		"--tls-key":       fmt.Sprintf("dialects: [entrust]\ntls-cert: %s\ntls-key: %s\n", cert, otherKey),
		"--max-memory":    fmt.Sprintf("max-memory: 1\ntls-cert: %s\ntls-key: %s\n", cert, key),
		"api-rate":        "api-rate: many\n",
		"log-levle":       "log-levle: debug\n",
		"did not find":    "log-level: [\n",
		"--oauth-issuer ": "oauth-issuer: https://issuer.example\n",
	} {
		said := r.reload("max-sessions: 5\n" + wrong)
		require.Contains(t, said, "nothing has changed")
		require.Contains(t, said, name)
		unchanged()
	}
	require.NoError(t, os.Remove(r.file))
	require.Contains(t, r.again(), "no such file")
	unchanged()
	require.NoError(t, os.Mkdir(r.file, 0o700))
	require.Contains(t, r.again(), "reading the configuration")
	unchanged()
	require.NoError(t, os.Remove(r.file))
	r.reload("max-sessions: 5\n")
	_, err = r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	require.NoError(t, r.Stop())
}

// TestManyReloads sends 100 SIGHUPs, each with another configuration, under traffic: no call
// and no request fails, and every connection lives on.
func TestManyReloads(t *testing.T) {
	t.Parallel()
	r := startReloading(t, "")
	r.get(r.client, "/v1/status")
	session, err := r.app.OpenSession(r.slot, ck.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	var over atomic.Bool
	var traffic sync.WaitGroup
	var calls, requests atomic.Int64
	failed := make(chan error, 2)
	traffic.Go(func() {
		for !over.Load() {
			if _, err := r.app.GetSessionInfo(session); err != nil {
				failed <- err
				return
			}
			calls.Add(1)
		}
	})
	traffic.Go(func() {
		for !over.Load() {
			status, again, body, err := r.ask(r.client, "/v1/status")
			if err != nil || status != http.StatusOK || !again {
				failed <- fmt.Errorf("%d, %w, on the same connection: %v\n%s", status, err, again, body)
				return
			}
			requests.Add(1)
		}
	})
	for i := range 100 {
		r.write(fmt.Sprintf("log-format: %s\nmax-sessions: %d\ndialects: [%s]\napi-rate: 0\napi-rate-tenant: 0\n",
			[]string{"text", "json"}[i%2], 10+i, []string{"idprime", "entrust"}[i/3%2]))
		if i%2 == 0 {
			require.NoError(t, syscall.Kill(r.PID(), syscall.SIGHUP)) // and another one at once
		}
		r.again()
	}
	over.Store(true)
	traffic.Wait()
	require.Empty(t, failed)
	require.Positive(t, calls.Load())
	require.Positive(t, requests.Load())
	require.NoError(t, r.Stop())
}

// TestHangupDuringTheStart sends SIGHUP while the daemon reads its configuration, from a pipe
// that blocks it: the daemon starts, and then reads it again.
func TestHangupDuringTheStart(t *testing.T) {
	t.Parallel()
	bin := build(t)
	dir := t.TempDir()
	pipe, log := filepath.Join(dir, "pipe"), filepath.Join(dir, "log")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	stderr, err := os.Create(log)
	require.NoError(t, err)
	defer stderr.Close()
	c := exec.Command(filepath.Join(bin, "vtokend"), "--config", pipe, "--data-dir", filepath.Join(dir, "data"),
		"--p11-socket", filepath.Join(dir, "p"), "--admin-socket", filepath.Join(dir, "a"))
	c.Stderr = stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended already where all went well
	write := func(text string, during func()) {
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // when the daemon reads
		require.NoError(t, err)
		during()
		_, err = w.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
	}
	write("log-level: info\n", func() {
		for range 3 {
			require.NoError(t, c.Process.Signal(syscall.SIGHUP))
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "vtokend ready")
	write("log-level: debug\n", func() {})
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "changed=--log-level")
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.Wait())
}
