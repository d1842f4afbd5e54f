package client_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
	"vtoken/vtoken/secret"
)

// serve is a client of a server that is not ours, over HTTPS.
func serve(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(file, text, 0o600))
	roots, err := client.ReadRoots(file)
	require.NoError(t, err)
	c, err := client.HTTPS(s.URL, secret.Bytes("vtk_canary"), roots)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// TestStrangeAnswers asks servers that are not vtokend.
func TestStrangeAnswers(t *testing.T) {
	for _, x := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"not JSON", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "does not answer like vtokend"},
		{"a page that says no", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, "502 Bad Gateway without saying why"},
		{"an empty problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, "{}")
		}, "409 Conflict without saying why"},
		{"a problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"kind":"conflict","detail":"there is one","requestId":"r1"}`)
		}, "there is one"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/status" {
				panic("the redirect was followed")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "307 Temporary Redirect without saying why"},
		{"without end", func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, 1<<20); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "longer than any answer of vtokend"},
		{"broken off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "{")
		}, "read the answer"},
	} {
		_, err := serve(t, x.answer).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// TestCircle lists from a server whose pages have no end.
func TestCircle(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"items":[],"next":"x"}`) })
	_, err := client.All(c.Tenants(t.Context()))
	require.ErrorContains(t, err, "lists in a circle")
}

// TestKeyIsSent checks how the key travels, and that it is in nothing printed.
func TestKeyIsSent(t *testing.T) {
	got := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		io.WriteString(w, "{}")
	})
	_, err := c.Status(t.Context())
	require.NoError(t, err)
	if h := <-got; h != "Bearer vtk_canary" {
		t.Errorf("Authorization: %s", h)
	}
	if s := fmt.Sprintf("%v %+v %#v", c, c, *c); strings.Contains(s, "canary") {
		t.Errorf("printed: %s", s)
	}
}

func TestBadAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"http://host":        "is like https://",
		"host:8443":          "is like https://",
		"https://":           "is like https://",
		"https://key@host":   "the key goes into a file",
		"https://host?key=1": "the key goes into a file",
		"https://ho st":      "read the address",
	} {
		_, err := client.HTTPS(address, secret.Bytes("k"), nil)
		require.ErrorContains(t, err, want)
	}
	if _, err := client.HTTPS("https://host", nil, nil); err == nil {
		t.Error("no key is taken")
	}
	if _, err := client.ReadRoots("/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("roots from nowhere: %v", err)
	}
}

// TestBasePath reaches an API that a proxy serves below a path of its own.
func TestBasePath(t *testing.T) {
	got := make(chan string, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.URL.EscapedPath()
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	roots, err := client.ReadRoots(file)
	require.NoError(t, err)
	c, err := client.HTTPS(s.URL+"/tokens/", secret.Bytes("k"), roots)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.RevokeAPIKey(t.Context(), "", "a/b c%"))
	if path := <-got; path != "/tokens/v1/apikeys/a%2Fb%20c%25" {
		t.Errorf("path %s", path)
	}
}

// TestUnreachable connects to sockets that nobody serves.
func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "dead")
	l, err := net.Listen("unix", dead)
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for _, socket := range []string{filepath.Join(dir, "missing"), dead, dir, strings.Repeat("x", 200)} {
		if _, err := client.Unix(socket).Status(t.Context()); !errors.Is(err, client.ErrUnreachable) {
			t.Errorf("%s: %v", socket, err)
		}
	}
}

// TestNamesWithEverything uses names that need escaping in paths and queries.
func TestNamesWithEverything(t *testing.T) {
	s := nativetest.Start(t)
	c := s.Client(t)
	const name = `a/b?c&d=e%2F#f g"ü`
	_, err := c.CreateTenant(t.Context(), name)
	require.NoError(t, err)
	users, err := client.All(c.Users(t.Context(), name))
	if err != nil || len(users) != 0 {
		t.Errorf("%v, %v", users, err)
	}
	require.NoError(t, c.DeleteTenant(t.Context(), name, false))
}
