package e2e

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
	"vtoken/vtoken/version"
)

// TestVersion asks every program and document which version it is of: they agree with the
// file VERSION, and the newest section of the list of changes is about it.
func TestVersion(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for _, program := range []string{"vtokend", "vtoken", "p11bench"} {
		out, err := exec.Command(filepath.Join(bin, program), "--version").Output()
		require.NoError(t, err)
		require.Equal(t, program+" v"+version.String()+"\n", string(out))
	}

	d := start(t, "--dialect", "idprime", "--dialect", "entrust", "--dialect", "surepassid", "--dialect", "securid", "--dialect", "dualshield")
	require.Contains(t, vtoken(t, d, "status", "-o", "json"), `"version": "`+version.String()+`"`)
	list := get(t, overTLS(t, d), d.API+"/docs")
	paths := regexp.MustCompile(`/docs/[a-z]+/openapi.yaml`).FindAllString(list, -1)
	require.Len(t, paths, 6)
	for _, path := range paths {
		require.Contains(t, get(t, overTLS(t, d), d.API+path), "\n  version: \""+version.String()+"\"\n", path)
	}
	require.NoError(t, d.NewToken("Card", harness.PIN, harness.SOPIN))
	info, err := tool(d, "--show-info")
	require.NoError(t, err)
	require.Contains(t, info, "(ver "+version.Library().String()+")")

	root, err := harness.Root()
	require.NoError(t, err)
	changes, err := os.ReadFile(filepath.Join(root, "CHANGELOG.md"))
	require.NoError(t, err)
	section := regexp.MustCompile(`(?m)^## (.*)$`).FindSubmatch(changes)
	require.NotNil(t, section, "CHANGELOG.md has no section")
	require.Equal(t, version.String(), string(section[1]), "the newest section of CHANGELOG.md")
}

// get is the body of an answer 200.
func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	resp, err := c.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode, url)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

// TestUserAgent has the command ask another server, which sees how it names itself.
func TestUserAgent(t *testing.T) {
	t.Parallel()
	agents := make(chan string, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents <- r.UserAgent()
		w.WriteHeader(http.StatusTeapot)
	}))
	defer s.Close()
	ca, key := filepath.Join(t.TempDir(), "ca.crt"), filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(key, []byte("a key"), 0o600))
	err := exec.Command(filepath.Join(build(t), "vtoken"), "status", "--api", s.URL, "--ca-file", ca, "--api-key-file", key).Run()
	require.Error(t, err, "a teapot is no daemon")
	require.Len(t, agents, 1, "nobody asked the server")
	require.Equal(t, "vtoken/"+version.String(), <-agents)
}
