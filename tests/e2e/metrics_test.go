package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/version"
)

// scraped reads metrics, and fails where they are not served with that status.
func scraped(t *testing.T, c *http.Client, url, key string, status int) string {
	t.Helper()
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, status, resp.StatusCode, "%s answers: %s", url, body)
	return string(body)
}

// overSocket is a client of the admin socket.
func overSocket(d *harness.Daemon) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", d.AdminSocket)
	}}}
}

// overTLS is a client of the API.
func overTLS(t *testing.T, d *harness.Daemon) *http.Client {
	t.Helper()
	text, err := os.ReadFile(d.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text), "the API has no certificate")
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
}

// value is the value of a line of metrics, -1 where there is none.
func value(t *testing.T, text, name string) float64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			require.NoError(t, err)
			return v
		}
	}
	return -1
}

// metricsURL is where the daemon says that it serves metrics.
func metricsURL(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	m := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindAllString(d.Log(), -1)
	require.NotEmpty(t, m, "the log does not tell where the metrics are:\n%s", d.Log())
	return m[len(m)-1]
}

// TestMetrics: what was done is counted, wherever the metrics are read, and by
// administrators only where they are not asked for on a port of their own.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d := start(t, "--metrics-listen", "127.0.0.1:0")
	works(t, d)
	require.NoError(t, d.Stop())
	require.NoError(t, d.Start("--metrics-listen", "127.0.0.1:0"))
	for range 3 {
		require.NoError(t, sign(d, "01", harness.PIN))
	}
	require.Error(t, sign(d, "01", "WRONGpin"), "a wrong PIN is taken")
	require.NoError(t, lock(d))
	vtoken(t, d, "token", "list")
	keys := map[string]string{}
	for _, role := range []string{"admin", "system"} {
		keys[role] = vtoken(t, d, "apikey", "create", role, "--role", role)
	}
	scraped(t, overTLS(t, d), d.API+"/v1/metrics", "", http.StatusUnauthorized)
	scraped(t, overTLS(t, d), d.API+"/v1/metrics", keys["admin"], http.StatusForbidden)
	for where, text := range map[string]string{
		"the port":         scraped(t, http.DefaultClient, metricsURL(t, d), "", http.StatusOK),
		"the admin socket": scraped(t, overSocket(d), "http://localhost/v1/metrics", "", http.StatusOK),
		"the API":          scraped(t, overTLS(t, d), d.API+"/v1/metrics", keys["system"], http.StatusOK),
	} {
		for name, least := range map[string]float64{
			`vtoken_signatures_total`:                                                              3,
			`vtoken_pkcs11_calls_total{function="C_Sign",result="CKR_OK"}`:                         3,
			`vtoken_pkcs11_call_seconds_count{function="C_Login"}`:                                 4,
			`vtoken_logins_total{result="ok",role="user"}`:                                         3,
			`vtoken_logins_total{result="CKR_PIN_INCORRECT",role="user"}`:                          1,
			`vtoken_pin_locks_total{role="user"}`:                                                  1,
			`vtoken_store_commits_total{result="ok"}`:                                              2,
			`vtoken_store_commit_seconds_count`:                                                    2,
			`vtoken_audit_lines_total{event="login"}`:                                              4,
			`vtoken_api_requests_total{dialect="native",operation="GET /v1/tokens",status="200"}`:  1,
			`vtoken_api_requests_total{dialect="native",operation="GET /v1/metrics",status="401"}`: 1,
			`vtoken_applications`:                                                                  0, `vtoken_sessions`: 0,
			`vtoken_build_info{version="` + version.String() + `"}`: 1,
		} {
			if got := value(t, text, name); got < least {
				t.Errorf("%s says %s is %v, want %v or more", where, name, got, least)
			}
		}
		for name, want := range map[string]float64{
			`vtoken_audit_failures_total{reason="lost"}`: 0, `vtoken_rollback_protected`: 0,
			`vtoken_rollback_accepted_timestamp_seconds`: 0,
			`vtoken_pin_locks_total{role="user"}`:        1,
		} {
			if got := value(t, text, name); got != want {
				t.Errorf("%s says %s is %v, want %v", where, name, got, want)
			}
		}
		if !regexp.MustCompile(`(?m)^vtoken_kek_opens\{id="[0-9a-f-]{36}",kind="file",recovery="false"\} 1$`).MatchString(text) {
			t.Errorf("%s does not tell that the KEK opens the store", where)
		}
		for _, secret := range []string{"Card", me(t), d.DataDir} {
			if secret != "root" && strings.Contains(text, secret) {
				t.Errorf("%s tells %q", where, secret)
			}
		}
	}
}

// lock makes a token and enters wrong PINs until it is locked.
func lock(d *harness.Daemon) error {
	if err := d.NewToken("Locked", harness.PIN, harness.SOPIN); err != nil {
		return err
	}
	for i := range 20 {
		_, err := tool(d, append(login("Locked", fmt.Sprint("wrong", i)), "-O")...)
		if err != nil && strings.Contains(err.Error(), "CKR_PIN_LOCKED") {
			_, _ = tool(d, append(login("Locked", "another"), "-O")...) // it was locked before: that is no lock more
			return nil
		}
	}
	return fmt.Errorf("20 wrong PINs have not locked the token")
}

// TestMetricsOfRollback: an older copy of the data folder raises an alarm in the
// metrics while there is no daemon to ask; one that was accepted stays on record.
func TestMetricsOfRollback(t *testing.T) {
	t.Parallel()
	d := start(t, "--kek", tpm(t).URI())
	folder := t.TempDir()
	file := filepath.Join(folder, "vtokend.prom")
	alarm := func(want float64) {
		t.Helper()
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if got := value(t, string(text), "vtoken_rollback_detected"); got != want {
			t.Errorf("vtoken_rollback_detected is %v, want %v:\n%s", got, want, text)
		}
	}
	require.NoError(t, d.Stop())
	older := filepath.Join(d.Dir, "older")
	require.NoError(t, os.CopyFS(older, os.DirFS(d.DataDir)))
	require.NoError(t, os.Chmod(older, 0o700))
	require.NoError(t, d.Start("--metrics-file", file))
	alarm(0)
	require.NoError(t, d.Stop())
	exchange(t, d, older)
	require.Error(t, d.Start("--metrics-file", file), "an older copy was taken")
	alarm(1)
	offline(t, d, "accept-rollback")
	require.NoError(t, d.Start("--metrics-file", file, "--metrics-listen", "127.0.0.1:0"))
	alarm(0)
	text := scraped(t, http.DefaultClient, metricsURL(t, d), "", http.StatusOK)
	if value(t, text, "vtoken_rollback_accepted_timestamp_seconds") <= 0 || value(t, text, "vtoken_rollback_protected") != 1 ||
		value(t, text, "vtoken_rollback_counter_works") != 1 {
		t.Errorf("the metrics do not tell that an older copy was accepted:\n%s", text)
	}
}
