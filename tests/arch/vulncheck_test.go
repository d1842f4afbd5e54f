package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// vulnerabilities is a list as govulncheck reads it (go.dev/doc/security/vuln/database):
// it says that strings.TrimSpace is vulnerable in every version of Go, or nothing.
func vulnerabilities(t *testing.T, some bool) (url string) {
	t.Helper()
	const id, modified = "GO-2026-0000", "2026-11-30T00:00:00Z"
	type object = map[string]any
	affected := []object{{
		"package":            object{"name": "stdlib", "ecosystem": "Go"},
		"ranges":             []object{{"type": "SEMVER", "events": []object{{"introduced": "0"}}}},
		"ecosystem_specific": object{"imports": []object{{"path": "strings", "symbols": []string{"TrimSpace"}}}},
	}}
	files := map[string]any{
		"index/db.json":      object{"modified": modified},
		"index/modules.json": []object{},
	}
	if some {
		files["index/modules.json"] = []object{{"path": "stdlib", "vulns": []object{{"id": id, "modified": modified}}}}
		files["ID/"+id+".json"] = object{"schema_version": "1.3.1", "id": id, "modified": modified, "summary": "made up", "affected": affected,
			"database_specific": object{"url": "https://localhost/" + id}}
	}
	dir := t.TempDir()
	for name, content := range files {
		text, err := json.Marshal(content)
		require.NoError(t, err)
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	return "file://" + dir
}

// TestVulncheck: the check of make lint fails where something is found, passes where
// nothing is, and says so where it cannot look.
func TestVulncheck(t *testing.T) {
	dir, err := root()
	require.NoError(t, err)
	check := func(environment string) (string, error) {
		c := exec.Command(filepath.Join(dir, "tools/sh/vulncheck.sh"), "./vtoken/version")
		c.Env = append(os.Environ(), environment)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	out, err := check("GOVULNDB=" + vulnerabilities(t, false))
	require.NoError(t, err, out)
	require.NotContains(t, out, "NOT CHECKED")
	out, err = check("GOVULNDB=" + vulnerabilities(t, true))
	require.Error(t, err, "a vulnerability passed: %s", out)
	require.Contains(t, out, "strings.TrimSpace")
	out, err = check("HTTPS_PROXY=http://127.0.0.1:1")
	require.NoError(t, err, out)
	require.Contains(t, out, "NOT CHECKED")
	out, err = check("GOVULNDB=nonsense")
	require.Error(t, err, "what is no network fault passed: %s", out)
}
