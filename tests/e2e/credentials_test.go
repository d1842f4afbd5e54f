package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// credentials are the fields that each vendor's clients are configured with, and the
// one of them that is secret.
var credentials = map[string]struct {
	fields []string
	secret string
}{
	"entrust":    {[]string{"applicationId", "sharedSecret"}, "sharedSecret"},
	"surepassid": {[]string{"spAccountLoginName", "spAccountLoginKey"}, "spAccountLoginKey"},
	"securid":    {[]string{"customerName", "accessID", "accessKey", "adminRestApiUrl", "description"}, "accessKey"},
	"dualshield": {[]string{"client_id", "client_secret"}, "client_secret"},
}

// TestCredentials makes the credential of each dialect and finds its secret nowhere
// else: not in a listing, the log or the data folder, and good for nothing on our API.
func TestCredentials(t *testing.T) {
	t.Parallel()
	d := start(t)
	for dialect, want := range credentials {
		var got map[string]string
		require.NoError(t, json.Unmarshal([]byte(vtoken(t, d, "apikey", "create", dialect+"-client", "--dialect", dialect, "--role", "view,add,edit", "-o", "json")), &got))
		for _, field := range want.fields {
			if got[field] == "" || len(got) != len(want.fields) {
				t.Errorf("%s: no %s in %d fields", dialect, field, len(got))
			}
		}
		secret := strings.TrimSpace(got[want.secret])
		if list := vtoken(t, d, "apikey", "list", "-o", "json"); strings.Contains(list, secret[:40]) || !strings.Contains(list, `"dialect": "`+dialect+`"`) {
			t.Errorf("%s: the listing is %s", dialect, list)
		}
		if strings.Contains(d.Log(), secret[len(secret)/2:]) {
			t.Errorf("%s: the secret is in the log", dialect)
		}
		if dialect == "securid" {
			usesPEM(t, secret)
			if got["adminRestApiUrl"] != d.API+"/AdminInterface/restapi/v1" {
				t.Errorf("the URL is %s", got["adminRestApiUrl"])
			}
			continue
		}
		scraped(t, overTLS(t, d), d.API+"/v1/tokens", secret, http.StatusUnauthorized)
	}
}

// usesPEM signs with a key, as openssl reads it.
func usesPEM(t *testing.T, key string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, []byte(key), 0o600))
	sign := exec.CommandContext(t.Context(), "openssl", "dgst", "-sha256", "-sign", file)
	sign.Stdin = strings.NewReader("header.payload")
	if signature, err := sign.Output(); err != nil || len(signature) != 256 {
		t.Errorf("openssl signs with %d bytes (%v)", len(signature), err)
	}
}

// TestClientCertificates: a client may show a certificate, that of vtoken apikey create
// or another one, and need not. A credential of the native API it is not.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	d := start(t)
	dir := filepath.Join(t.TempDir(), "agent")
	vtoken(t, d, "apikey", "create", "agent", "--dialect", "dualshield", "--tls", dir, "-o", "json")
	shown, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key"))
	require.NoError(t, err)
	key := vtoken(t, d, "apikey", "create", "plain")
	c := overTLS(t, d)
	scraped(t, c, d.API+"/v1/tokens", key, http.StatusOK)
	c.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{shown}
	scraped(t, c, d.API+"/v1/tokens", key, http.StatusOK)
	scraped(t, c, d.API+"/v1/tokens", "", http.StatusUnauthorized)
	if info, err := os.Stat(filepath.Join(dir, "client.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is %v (%v)", info.Mode(), err)
	}
}

// TestRateLimits: over a limit there is 429 and when to come again; the admin socket
// and good credentials from the same address are served all the same.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	d := start(t, "--api-rate", "2", "--api-rate-failed", "1")
	c := overTLS(t, d)
	get := func(key string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.API+"/v1/tokens", nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", key)
		answer, err := c.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		if answer.StatusCode != http.StatusTooManyRequests {
			return answer.StatusCode
		}
		if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || n < 1 || !bytes.Contains(body, []byte("rateLimited")) {
			t.Errorf("retry after %q: %s", answer.Header.Get("Retry-After"), body)
		}
		return answer.StatusCode
	}
	many := func(key string) (codes []int) {
		for range 60 {
			if code := get(key); !slices.Contains(codes, code) {
				codes = append(codes, code)
			}
		}
		return codes
	}
	first := vtoken(t, d, "apikey", "create", "first")
	got := many(first)
	require.Equal(t, []int{200, 429}, got, "one credential")
	got = many("vtk_wrong")
	require.Equal(t, []int{401, 429}, got, "no credential")
	require.Equal(t, 200, get(vtoken(t, d, "apikey", "create", "second")), "another credential")
	for range 10 {
		vtoken(t, d, "token", "list")
	}
}

// TestNobodyMakesMoreRights: a credential with a few rights, used over HTTPS.
func TestNobodyMakesMoreRights(t *testing.T) {
	t.Parallel()
	d := start(t)
	key := vtoken(t, d, "apikey", "create", "manager", "--role", "view,manage")
	post := func(body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.API+"/v1/apikeys", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := overTLS(t, d).Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		return answer.StatusCode
	}
	for body, want := range map[string]int{
		`{"name":"1","role":"view"}`: 201, `{"name":"2","role":"view,manage"}`: 201, `{"name":"3","role":"manage"}`: 201,
		`{"name":"4","role":"view+add"}`: 403, `{"name":"5"}`: 403, `{"name":"6","role":"system"}`: 403,
		`{"name":"7","role":"all"}`: 400, `{"name":"8","role":"view","dialect":"esperanto"}`: 400,
		`{"name":"9","role":"view","dialect":"entrust"}`: 201,
	} {
		if got := post(body); got != want {
			t.Errorf("%s: %d, want %d", body, got, want)
		}
	}
	require.Equal(t, 409, post(`{"name":"9","role":"view","dialect":"entrust"}`), "the same again")
}
