package native_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
)

func roots(t *testing.T, s *nativetest.Server) *x509.CertPool {
	t.Helper()
	pool, err := client.ReadRoots(s.CAFile)
	require.NoError(t, err)
	return pool
}

// raw sends a request on the admin socket as it is given.
func raw(t *testing.T, s *nativetest.Server, method, path, mediaType string, body io.Reader) (int, []byte) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", s.Socket)
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path, body)
	require.NoError(t, err)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, answer
}

func get(t *testing.T, s *nativetest.Server, path string, status int, into any) {
	t.Helper()
	got, body := raw(t, s, http.MethodGet, path, "", nil)
	if got != status {
		t.Fatalf("%s: %d %s", path, got, body)
	}
	require.NoError(t, json.Unmarshal(body, into))
}

// TestBadRequests sends what no client of ours would.
func TestBadRequests(t *testing.T) {
	s := nativetest.Start(t)
	c := s.Client(t)
	_, err := c.CreateUser(t.Context(), "", api.NewUser{Login: "alice"})
	require.NoError(t, err)
	token, err := c.CreateToken(t.Context(), "", api.NewToken{User: "alice"})
	require.NoError(t, err)
	id := token.ID
	const unknown = "00000000-0000-4000-8000-000000000000"
	form := "multipart/form-data; boundary=x"
	for _, x := range []struct {
		name, method, path, mediaType, body string
		status                              int
		kind                                string
	}{
		{"unknown path", "GET", "/v1/nothing", "", "", 404, ""},
		{"unknown method", "PUT", "/v1/tokens", "", "", 405, ""},
		{"malformed id", "GET", "/v1/tokens/1", "", "", 400, "badInput"},
		{"unknown token", "GET", "/v1/tokens/" + unknown, "", "", 404, "tokenNotFound"},
		{"unknown tenant", "GET", "/v1/users?tenant=x", "", "", 404, "tenantNotFound"},
		{"no tenant", "DELETE", "/v1/tenants/", "", "", 404, "tenantNotFound"},
		{"default tenant", "DELETE", "/v1/tenants/default", "", "", 409, "wrongState"},
		{"unknown user", "GET", "/v1/users/bob", "", "", 404, "userNotFound"},
		{"unknown key", "DELETE", "/v1/apikeys/x", "", "", 404, "keyNotFound"},
		{"unknown KEK", "DELETE", "/v1/keks/x", "", "", 404, "keyNotFound"},
		{"unknown application", "DELETE", "/v1/sessions/x", "", "", 404, "keyNotFound"},
		{"sessions with a bad token", "GET", "/v1/sessions?token=x", "", "", 400, "badInput"},
		{"sessions of a bad process", "GET", "/v1/sessions?pid=-1", "", "", 400, "badInput"},
		{"sessions of no tenant", "GET", "/v1/sessions?tenant=x", "", "", 404, "tenantNotFound"},
		{"bad KEK", "POST", "/v1/keks", "application/json", `{"uri":"x"}`, 400, "badInput"},
		{"no KEK", "POST", "/v1/keks", "application/json", `{}`, 400, "badInput"},
		{"KEK that is not there", "POST", "/v1/keks", "application/json", `{"uri":"tpm2:unix=/none"}`, 409, "wrongState"},
		{"bad limit", "GET", "/v1/users?limit=0", "", "", 400, "badInput"},
		{"great limit", "GET", "/v1/tokens?limit=1001", "", "", 400, "badInput"},
		{"bad cursor", "GET", "/v1/tokens?cursor=x", "", "", 400, "badInput"},
		{"bad place", "GET", "/v1/tokens/" + id + "/objects?cursor=-1", "", "", 400, "badInput"},
		{"bad switch", "DELETE", "/v1/tenants/default?withTokens=perhaps", "", "", 400, "badInput"},
		{"no body", "POST", "/v1/users", "application/json", "", 400, "badInput"},
		{"not JSON", "POST", "/v1/users", "text/plain", "x", 415, ""},
		{"two values", "POST", "/v1/users", "application/json", `{"login":"a"}{}`, 400, "badInput"},
		{"unknown member", "POST", "/v1/users", "application/json", `{"login":"a","osusers2":[]}`, 400, "badInput"},
		{"wrong type", "POST", "/v1/users", "application/json", `{"login":1}`, 400, "badInput"},
		{"taken login", "POST", "/v1/users", "application/json", `{"login":"alice"}`, 409, "conflict"},
		{"long login", "POST", "/v1/users", "application/json", `{"login":"` + strings.Repeat("a", 256) + `"}`, 400, "badInput"},
		{"bad role", "POST", "/v1/apikeys", "application/json", `{"name":"a","role":"god"}`, 400, "badInput"},
		{"expired key", "POST", "/v1/apikeys", "application/json", `{"name":"a","expiresAt":"2020-01-01T00:00:00Z"}`, 400, "badInput"},
		{"two changes", "PATCH", "/v1/tokens/" + id, "application/json", `{"label":"a","enabled":true}`, 400, "badInput"},
		{"empty label", "PATCH", "/v1/tokens/" + id, "application/json", `{"label":""}`, 400, "badInput"},
		{"long label", "PATCH", "/v1/tokens/" + id, "application/json", `{"label":"` + strings.Repeat("a", 256) + `"}`, 400, "badInput"},
		{"PIN of nobody", "POST", "/v1/tokens/" + id + "/pin", "application/json", `{"role":"x","pin":"12345678"}`, 400, "roleNotFound"},
		{"short PIN", "POST", "/v1/tokens/" + id + "/pin", "application/json", `{"role":"user","pin":"1"}`, 400, "badInput"},
		{"no PIN", "POST", "/v1/tokens/" + id + "/pin", "application/json", `{"role":"user"}`, 400, "badInput"},
		{"PIN that is a number", "POST", "/v1/tokens/" + id + "/pin", "application/json", `{"role":"user","pin":12345678}`, 400, "badInput"},
		{"nothing to unlock", "POST", "/v1/tokens/" + id + "/unlock", "application/json", `{"role":"user"}`, 409, "wrongState"},
		{"complete without PIN", "POST", "/v1/tokens", "application/json", `{"user":"alice","complete":true}`, 400, "badInput"},
		{"PFX as JSON", "POST", "/v1/tokens/" + id + "/pfx", "application/json", `{}`, 400, "badInput"},
		{"form without PFX", "POST", "/v1/tokens/" + id + "/pfx", form, "--x--\r\n", 400, "badInput"},
		{"broken form", "POST", "/v1/tokens/" + id + "/pfx", form, "--x\r\nContent-Disposition: form-data; name=\"pfx\"\r\n\r\nabc", 400, "badInput"},
		{"another field", "POST", "/v1/tokens/" + id + "/pfx", form, "--x\r\nContent-Disposition: form-data; name=\"y\"\r\n\r\nabc\r\n--x--\r\n", 400, "badInput"},
		{"not a PFX", "POST", "/v1/tokens/" + id + "/pfx", form, "--x\r\nContent-Disposition: form-data; name=\"pfx\"\r\n\r\nabc\r\n--x--\r\n", 400, "badInput"},
	} {
		status, body := raw(t, s, x.method, x.path, x.mediaType, strings.NewReader(x.body))
		var p api.Problem
		if err := json.Unmarshal(body, &p); err != nil {
			t.Errorf("%s: %v in %s", x.name, err, body)
		}
		if status != x.status || p.Status != x.status || p.Kind != x.kind || p.Detail == "" || p.RequestID == "" {
			t.Errorf("%s: %d, want %d %q: %s", x.name, status, x.status, x.kind, body)
		}
		if strings.Contains(string(body), "12345678") {
			t.Errorf("%s: the answer tells the PIN: %s", x.name, body)
		}
	}
	tokens, err := client.All(c.Tokens(t.Context(), "", client.TokenFilter{}))
	require.NoError(t, err)
	if n := len(tokens); n != 1 {
		t.Errorf("%d tokens afterwards, want 1", n)
	}
}

// TestUpload sends a body of 80 MB, which is refused and not read.
func TestUpload(t *testing.T) {
	s := nativetest.Start(t)
	c := s.Client(t)
	_, err := c.CreateUser(t.Context(), "", api.NewUser{Login: "alice"})
	require.NoError(t, err)
	token, err := c.CreateToken(t.Context(), "", api.NewToken{User: "alice"})
	require.NoError(t, err)
	id := token.ID
	_, err = c.ImportPFX(t.Context(), id, bytes.Repeat([]byte{1}, 2<<20), api.Secret("p"))
	if kindOf(err) != "tooLarge" {
		t.Errorf("2 MiB: %v", err)
	}
	begin := "--x\r\nContent-Disposition: form-data; name=\"pfx\"\r\n\r\n"
	status, body := raw(t, s, http.MethodPost, "/v1/tokens/"+id+"/pfx", "multipart/form-data; boundary=x",
		io.MultiReader(strings.NewReader(begin), io.LimitReader(zeroes{}, 80<<20)))
	if status != http.StatusRequestEntityTooLarge {
		t.Errorf("80 MB: %d %s", status, body)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestStoreFull fills the disk below the store.
func TestStoreFull(t *testing.T) {
	s := nativetest.Start(t)
	s.Store.FillDisk()
	if _, err := s.Client(t).CreateTenant(t.Context(), "x"); kindOf(err) != "storageFull" {
		t.Errorf("full disk: %v", err)
	}
}
