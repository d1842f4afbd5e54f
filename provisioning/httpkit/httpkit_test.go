package httpkit_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// keys knows one API key.
type keys struct{}

const goodKey = "vtk_good"

func (keys) Authenticate(_ context.Context, key secret.Bytes) (provisioning.Caller, error) {
	if string(key) != goodKey {
		return provisioning.Caller{}, provisioning.Errorf(provisioning.Unauthenticated, "no")
	}
	return provisioning.Caller{Name: "key", Tenant: "t", Role: record.RoleEdit}, nil
}

// buffer is a log that can be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// handler is a small API: it tells the caller, reads bodies, fails, panics.
func handler(log io.Writer) http.Handler {
	kit := &httpkit.Kit{
		Keys: keys{},
		Admin: func(p record.Peer) (provisioning.Caller, error) {
			if int(p.UID) != os.Getuid() || int(p.PID) != os.Getpid() {
				return provisioning.Caller{}, provisioning.Errorf(provisioning.Forbidden, "not you")
			}
			return provisioning.System("me"), nil
		},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	routes := []httpkit.Route{
		{Method: "GET", Path: "/who/{what}", Serve: func(w http.ResponseWriter, r *http.Request, c provisioning.Caller) error {
			return httpkit.WriteJSON(w, 200, []string{c.Name, r.PathValue("what"), r.Header.Get("Authorization")})
		}},
		{Method: "POST", Path: "/json", Serve: func(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
			var v struct {
				Name string `json:"name"`
				N    int    `json:"n"`
			}
			if err := httpkit.ReadJSON(w, r, &v); err != nil {
				return err
			}
			return httpkit.WriteJSON(w, 200, v)
		}},
		{Method: "POST", Path: "/file", Serve: func(w http.ResponseWriter, r *http.Request, _ provisioning.Caller) error {
			data, err := httpkit.ReadFile(w, r, "file", 1<<20)
			if err != nil {
				return err
			}
			return httpkit.WriteJSON(w, 200, len(data))
		}},
		{Method: "GET", Path: "/panic", Serve: func(http.ResponseWriter, *http.Request, provisioning.Caller) error { panic("canary") }},
		{Method: "GET", Path: "/fault", Serve: func(http.ResponseWriter, *http.Request, provisioning.Caller) error {
			return errors.New("canary")
		}},
	}
	statuses := httpkit.StatusTable{
		provisioning.Unauthenticated: 401, provisioning.Forbidden: 403, provisioning.BadInput: 400, provisioning.TooLarge: 413,
	}
	return kit.Wrap(kit.Router(routes, httpkit.Problems(statuses)))
}

func do(t testing.TB, h http.Handler, method, path, body string, header ...string) (*httptest.ResponseRecorder, httpkit.Problem) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", goodKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p httpkit.Problem
	if w.Code >= 400 {
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.RequestID != w.Header().Get("X-Request-Id") || p.Detail == "" {
			t.Errorf("%s %s: %d with the problem %s (%v)", method, path, w.Code, w.Body, err)
		}
	}
	return w, p
}

func TestAuthentication(t *testing.T) {
	h := handler(io.Discard)
	for value, status := range map[string]int{
		goodKey: 200, "Bearer " + goodKey: 200, "bearer  " + goodKey: 200, " " + goodKey + " ": 200,
		"": 401, "Bearer": 401, "Basic " + goodKey: 401, goodKey + "x": 401, "vtk_": 401,
	} {
		w, _ := do(t, h, "GET", "/who/x", "", "Authorization", value)
		if w.Code != status {
			t.Errorf("%q: %d, want %d", value, w.Code, status)
		}
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: 401 does not say how to authenticate", value)
		}
		if strings.Contains(w.Body.String(), goodKey) {
			t.Error("the handler saw the key")
		}
	}
}

func TestRoutes(t *testing.T) {
	h := handler(io.Discard)
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/WHO/a%2Fb%20c", 200, `["key","a/b c",""]`},
		{"GET", "/who/", 200, `["key","",""]`},
		{"HEAD", "/who/x", 200, ""},
		{"POST", "/who/x", 405, ""},
		{"GET", "/who", 404, ""},
		{"GET", "/who/x/y", 404, ""},
		{"GET", "/", 404, ""},
		{"GET", "/json", 405, ""},
	} {
		w, _ := do(t, h, c.method, c.path, "")
		if w.Code != c.status || c.body != "" && strings.TrimSpace(w.Body.String()) != c.body {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
		if w.Code == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
}

func TestJSONBodies(t *testing.T) {
	h := handler(io.Discard)
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	for _, c := range []struct {
		body, contentType string
		status            int
		detail            string
	}{
		{`{"name":"x","n":1}`, "application/json", 200, ""},
		{`{"name":"[[[[[[[[[[[[[[[[[[[[[[[[[[\"{{{{{"}`, "application/json", 200, ""},
		{`{}`, "text/json; charset=utf-8", 200, ""},
		{` {} `, "application/vnd.x+json", 200, ""},
		{`{}`, "", 200, ""},
		{`{}`, "text/plain", 415, "application/json"},
		{`{}`, "application/x-www-form-urlencoded", 415, ""},
		{``, "", 400, "empty"},
		{`{"name":1}`, "", 400, `"name" cannot be a number`},
		{`{"n":1e99}`, "", 400, `"n"`},
		{`{"other":1}`, "", 400, `"other"`},
		{`{} {}`, "", 400, "something after"},
		{`{"name":"x"`, "", 400, ""},
		{"[1,2]", "", 400, ""},
		{deep, "", 400, "nested"},
		{`{"name":"` + strings.Repeat("x", 64<<10) + `"}`, "", 413, "larger"},
	} {
		w, p := do(t, h, "POST", "/json", c.body, "Content-Type", c.contentType)
		if w.Code != c.status || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%.40q as %q: %d %s", c.body, c.contentType, w.Code, w.Body)
		}
	}
}

// TestTrouble: panics and faults are 500, tell nothing, and the log has them
// under the request's id.
func TestTrouble(t *testing.T) {
	for path, inLog := range map[string]string{"/panic": "httpkit_test.go", "/fault": "canary"} {
		var log buffer
		w, p := do(t, handler(&log), "GET", path, "")
		if w.Code != 500 || p.Kind != "internal" || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if !strings.Contains(log.String(), inLog) || !strings.Contains(log.String(), p.RequestID) || !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%s: the log does not help: %s", path, log.String())
		}
	}
}

// TestLog: one line, without headers, query and the parts of the path that are
// no ids.
func TestLog(t *testing.T) {
	var log buffer
	do(t, handler(&log), "GET", "/who/canary1?x=canary2", "", "X-Secret", "canary3")
	line := log.String()
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "canary") || strings.Contains(line, goodKey) ||
		!strings.Contains(line, "route=/who/{what}") || !strings.Contains(line, "status=200") || !strings.Contains(line, "caller=key") {
		t.Error(line)
	}
}

// TestKindNames: every kind has a stable name, each its own.
func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range provisioning.Kinds() {
		name := httpkit.KindName(k)
		if name == "" || seen[name] {
			t.Errorf("%v is called %q", k, name)
		}
		seen[name] = true
	}
}

// serve starts a server on a listener and stops it with the test.
func serve(t *testing.T, l net.Listener, log io.Writer) {
	t.Helper()
	s := httpkit.NewServer(handler(log), slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

// TestAdminSocket: the kernel says who calls, and a key goes before that.
func TestAdminSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	var log buffer
	serve(t, l, &log)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	for key, want := range map[string]string{"": `["me","x",""]`, goodKey: `["key","x",""]`, "vtk_bad": "401"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://vtoken/who/x", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", key)
		resp, err := client.Do(r)
		require.NoError(t, err)
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := strings.TrimSpace(string(body)); got != want && fmt.Sprint(resp.StatusCode) != want {
			t.Errorf("key %q: %d %s", key, resp.StatusCode, got)
		}
	}
	if !strings.Contains(log.String(), fmt.Sprintf("uid=%d pid=%d", os.Getuid(), os.Getpid())) {
		t.Errorf("the log does not say who: %s", log.String())
	}
}

// secure starts an HTTPS server with a self-signed certificate and returns its
// address and a client that trusts it.
func secure(t *testing.T, change func(*tls.Config)) (string, *http.Client) {
	t.Helper()
	dir := t.TempDir()
	cert, err := httpkit.SelfSigned(dir, &memoryStore{}, time.Now())
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", httpkit.TLSConfig(func() *tls.Certificate { return &cert }))
	require.NoError(t, err)
	serve(t, l, io.Discard)
	pem, err := os.ReadFile(filepath.Join(dir, httpkit.CertFile))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	cc := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}
	change(cc)
	// The names are for TLS; not every machine can look up localhost.
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: cc, DialContext: dial}}
	t.Cleanup(client.CloseIdleConnections)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port, client
}

func TestTLS(t *testing.T) {
	port, client := secure(t, func(*tls.Config) {})
	for _, host := range []string{"127.0.0.1", "localhost"} {
		resp, err := client.Get("https://" + host + ":" + port + "/who/x")
		if err != nil {
			t.Error(err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != 401 || resp.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s: %d over %x", host, resp.StatusCode, resp.TLS.Version)
		}
	}
	port, old := secure(t, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 })
	if resp, err := old.Get("https://localhost:" + port + "/who/x"); err == nil {
		resp.Body.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// endless is a body of n bytes.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.n))
	e.n -= int64(n)
	return n, nil
}

// TestHugeUpload: a client that sends 80 MB over a real connection gets its 413,
// whether it says the length before or not.
func TestHugeUpload(t *testing.T) {
	port, client := secure(t, func(*tls.Config) {})
	const head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n"
	for _, length := range []int64{80<<20 + int64(len(head)), -1} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://localhost:"+port+"/file", io.MultiReader(strings.NewReader(head), &endless{80 << 20}))
		require.NoError(t, err)
		r.ContentLength = length
		r.Header.Set("Authorization", goodKey)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
		resp, err := client.Do(r)
		if err != nil {
			t.Errorf("length %d: %v", length, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("length %d: %d", length, resp.StatusCode)
		}
	}
}

// FuzzReadJSON: no body is more than refused.
func FuzzReadJSON(f *testing.F) {
	seeds := []string{`{"name":"x","n":1}`, `[[[[`, `"\`, ``, "{\"\xff\":0}", `{"name":{"name":{}}}`}
	for _, s := range seeds {
		f.Add(s, "application/json")
	}
	h := handler(io.Discard)
	f.Fuzz(func(t *testing.T, body, contentType string) {
		if w, _ := do(t, h, "POST", "/json", body, "Content-Type", contentType); w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
