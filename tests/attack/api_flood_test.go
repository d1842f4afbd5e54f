package attack

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// auditSize is how many bytes the files of the audit log have.
func auditSize(t *testing.T, d *harness.Daemon) (size int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.DataDir, "audit", "audit-*.log"))
	require.NoError(t, err)
	for _, file := range files {
		info, err := os.Stat(file)
		require.NoError(t, err)
		size += info.Size()
	}
	return size
}

// TestRefusedFlood: an API key floods the daemon with requests that are refused, of many
// paths, while another one works. The audit log grows by some lines and not by the flood,
// and everything that the other one did is in it.
func TestRefusedFlood(t *testing.T) {
	const connections, window = 4, 5 * time.Second
	d := start(t, "--api-rate", "0", "--api-rate-tenant", "0")
	mallory, admin := newKey(t, d, "mallory", "view"), newKey(t, d, "worker", "system")
	paths := []string{"/v1/check", "/v1/keks", "/v1/tokens/none", "/v1/users/nobody", "/v1/tenants/nothing"}
	before := auditSize(t, d)
	var refused atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for i := range connections {
		all.Go(func() {
			for n := i; time.Since(began) < window; n++ {
				a, err := mallory.call("GET", paths[n%len(paths)], nil)
				if err != nil || a.status < http.StatusBadRequest {
					t.Errorf("%s was answered %d %s, %v", paths[n%len(paths)], a.status, a.text, err)
					return
				}
				refused.Add(1)
			}
		})
	}
	worked := 0
	for time.Since(began) < window {
		require.Equal(t, http.StatusOK, admin.must("GET", "/v1/tenants", nil).status)
		worked++
	}
	all.Wait()
	took := time.Since(began)
	require.NoError(t, d.Stop()) // the counts are written
	grown := auditSize(t, d) - before
	files, err := filepath.Glob(filepath.Join(d.DataDir, "audit", "audit-*.log"))
	require.NoError(t, err)
	var lines, others, counted int
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		lines += strings.Count(string(text), `"caller":"mallory"`)
		counted += strings.Count(string(text), `"repeated":`)
		others += strings.Count(string(text), `"detail":"GET /v1/tenants",`)
	}
	t.Logf("%d refused requests in %v: %d lines of the audit log, %d of which count others; %d of the other caller, %d requests; the log grew by %d bytes",
		refused.Load(), took.Round(time.Millisecond), lines, counted, others, worked, grown)
	require.Greater(t, refused.Load(), int64(200), "nobody flooded")
	require.LessOrEqual(t, lines, 120)
	require.NotZero(t, counted)
	require.Equal(t, worked, others, "a line of a success is missing")
	require.Less(t, grown, int64(lines+worked+20)*1024)
}
