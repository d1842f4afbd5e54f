package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/daemon/audit"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// text is what the set tells.
func text(t *testing.T, s *Set) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, "%d %s", w.Code, w.Body)
	return w.Body.String()
}

// has looks for lines.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		require.Contains(t, "\n"+text, "\n"+line+"\n", "the metrics have no line %q", line)
	}
}

// busy is a set that was told of everything once or twice.
func busy() *Set {
	s := New("1.2")
	s.Calls.Called(p11rpc.CallSign, ck.CKR_OK, 70*time.Microsecond)
	s.Calls.Called(p11rpc.CallSign, ck.CKR_OK, 2*time.Millisecond)
	s.Calls.Called(p11rpc.CallSign, ck.CKR_KEY_HANDLE_INVALID, time.Microsecond)
	s.Calls.Called(p11rpc.CallWaitForSlotEvent, ck.CKR_OK, time.Hour)
	s.Calls.Called(p11rpc.NumCalls+7, ck.CKR_FUNCTION_NOT_SUPPORTED, 0)
	s.Calls.Signed()
	s.Logins.Locked("user")
	s.Audit.Wrote(audit.Record{Event: audit.EventLogin, Role: "user", Result: "CKR_PIN_LOCKED"})
	s.Audit.Wrote(audit.Record{Event: audit.EventResume, Token: "t", Result: "ok"})
	s.Audit.Wrote(audit.Record{Event: audit.EventResume, Token: "t", Result: "CKR_PIN_LOCKED"})
	s.Audit.Wrote(audit.Record{Event: audit.EventResume, Result: "CKR_ACTION_PROHIBITED"})
	s.Audit.Wrote(audit.Record{Event: audit.EventResume, Result: "CKR_ACTION_PROHIBITED", Repeated: 6})
	s.Audit.Wrote(audit.Record{Event: "api", Result: "ok"})
	s.Audit.Refused(errors.Join(audit.ErrFull))
	s.Audit.Refused(audit.ErrBroken)
	s.Audit.Failed(errors.New("sync"))
	s.Store.Committed(3, 2*time.Millisecond, nil)
	s.Store.Committed(1, 2*time.Millisecond, errors.New("full"))
	s.Tries.Counted("SO PIN", "wrong")
	s.Store.Tampered()
	s.Requests.Served("native", "GET /v1/tokens/{tokenId}", 404, time.Millisecond)
	s.Watch(State{
		Usage:   func() (int, int) { return 2, 5 },
		Limits:  func() []Limit { return []Limit{{Kind: "memory", Used: 7, Limit: 100, Refused: 3}} },
		Counted: func() Counted { return Counted{Loads: 7, OverQuota: 3} },
		KEKs: func() ([]KEK, error) {
			return []KEK{
				{ID: "a", Kind: "tpm2", Opens: true, Tried: time.Unix(100, 0)},
				{ID: "b", Kind: "passphrase", Recovery: true, Tried: time.Unix(101, 0)},
				{ID: "c", Kind: "pkcs11"},
			}, nil
		},
		Rollback: func() (Rollback, error) { return Rollback{Protected: true, Accepted: time.Unix(50, 0)}, nil },
	})
	return s
}

func TestEveryMetric(t *testing.T) {
	got := text(t, busy())
	has(t, got,
		`vtoken_build_info{version="1.2"} 1`,
		`vtoken_pkcs11_calls_total{function="C_Sign",result="CKR_OK"} 2`,
		`vtoken_pkcs11_calls_total{function="C_Sign",result="CKR_KEY_HANDLE_INVALID"} 1`,
		`vtoken_pkcs11_calls_total{function="C_WaitForSlotEvent",result="CKR_OK"} 1`,
		`vtoken_pkcs11_call_seconds_bucket{function="C_Sign",le="0.0001"} 2`,
		`vtoken_pkcs11_call_seconds_count{function="C_Sign"} 3`,
		`vtoken_signatures_total 1`,
		`vtoken_logins_total{result="CKR_PIN_LOCKED",role="user"} 1`,
		`vtoken_pin_locks_total{role="user"} 1`, `vtoken_pin_locks_total{role="SO"} 0`,
		`vtoken_resumptions_total{result="ok"} 1`, `vtoken_resumptions_total{result="ended"} 1`,
		`vtoken_resumptions_total{result="refused"} 7`,
		`vtoken_audit_lines_total{event="api"} 1`,
		`vtoken_audit_failures_total{reason="full"} 1`, `vtoken_audit_failures_total{reason="broken"} 1`,
		`vtoken_audit_failures_total{reason="lost"} 1`,
		`vtoken_store_commits_total{result="ok"} 1`, `vtoken_store_commits_total{result="failed"} 1`,
		`vtoken_store_updates_total 3`, `vtoken_store_commit_seconds_count 2`,
		`vtoken_api_requests_total{dialect="native",operation="GET /v1/tokens/{tokenId}",status="404"} 1`,
		`vtoken_api_request_seconds_count{dialect="native"} 1`,
		`vtoken_api_tries_total{result="wrong",secret="SO PIN"} 1`,
		`vtoken_applications 2`, `vtoken_sessions 5`, `vtoken_loads_total 7`, `vtoken_quota_refusals_total 3`,
		`vtoken_limit_used{kind="memory"} 7`, `vtoken_limit{kind="memory"} 100`, `vtoken_limit_refused_total{kind="memory"} 3`,
		`vtoken_kek_info{id="c",kind="pkcs11",recovery="false"} 1`,
		`vtoken_kek_opens{id="a",kind="tpm2",recovery="false"} 1`,
		`vtoken_kek_opens{id="b",kind="passphrase",recovery="true"} 0`,
		`vtoken_kek_tried_timestamp_seconds{id="a",kind="tpm2",recovery="false"} 100`,
		`vtoken_rollback_protected 1`, `vtoken_rollback_counter_works 0`, `vtoken_rollback_accepted_timestamp_seconds 50`,
	)
	for _, never := range []string{`vtoken_kek_opens{id="c"`, `call_seconds_count{function="C_WaitForSlotEvent"`} {
		require.NotContains(t, got, never, "the metrics have %s", never)
	}
	if !strings.Contains(got, "go_goroutines ") || !strings.Contains(got, "process_start_time_seconds ") {
		t.Error("the metrics of the process are missing")
	}
}

// TestWrite: what the API serves is what is served to Prometheus.
func TestWrite(t *testing.T) {
	s := busy()
	var out strings.Builder
	require.NoError(t, s.Write(&out))
	has(t, out.String(), `vtoken_signatures_total 1`, `vtoken_sessions 5`, `# TYPE vtoken_sessions gauge`)
}

// TestStateFails: what cannot be asked is an error, and no zero.
func TestStateFails(t *testing.T) {
	s := New("1")
	gone := errors.New("the store is closed")
	s.Watch(State{
		Usage:    func() (int, int) { return 0, 0 },
		Limits:   func() []Limit { return nil },
		KEKs:     func() ([]KEK, error) { return nil, gone },
		Rollback: func() (Rollback, error) { return Rollback{}, gone },
	})
	var out strings.Builder
	if err := s.Write(&out); !errors.Is(err, gone) && (err == nil || !strings.Contains(err.Error(), gone.Error())) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestCallsAllocateNothing holds the signing path to its word.
func TestCallsAllocateNothing(t *testing.T) {
	s := New("1")
	n := testing.AllocsPerRun(1000, func() {
		s.Calls.Called(p11rpc.CallSign, ck.CKR_OK, 30*time.Microsecond)
		s.Calls.Signed()
	})
	require.Zero(t, n, "allocations of a call that is counted")
}

func BenchmarkCalled(b *testing.B) {
	s := New("1")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Calls.Called(p11rpc.CallSign, ck.CKR_OK, 30*time.Microsecond)
			s.Calls.Signed()
		}
	})
}

func TestWriteStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vtokend.prom")
	for _, result := range []string{StartRollback, StartOK} {
		require.NoError(t, WriteStart(path, result, time.Unix(77, 0)))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		detected := map[bool]string{true: "1", false: "0"}[result == StartRollback]
		has(t, string(got), `vtoken_rollback_detected `+detected, `vtoken_start_timestamp_seconds 77`,
			`vtoken_start_result{result="`+result+`"} 1`, `vtoken_start_result{result="no-kek"} 0`)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	if rest, err := os.ReadDir(filepath.Dir(path)); err != nil || len(rest) != 1 {
		t.Errorf("the folder has %v, %v", rest, err)
	}
	require.Error(t, WriteStart(filepath.Join(path, "none"), StartOK, time.Now()), "a folder that is not there was written to")
}

// TestManual: docs/metrics.md names every metric, and none that there is not.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "start.prom")
	require.NoError(t, WriteStart(path, StartOK, time.Now()))
	start, err := os.ReadFile(path)
	require.NoError(t, err)
	served := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (vtoken_\w+)`).FindAllStringSubmatch(text(t, busy())+string(start), -1) {
		served[m[1]] = true
		require.Contains(t, string(page), "`"+m[1], "docs/metrics.md does not name %s", m[1])
	}
	require.GreaterOrEqual(t, len(served), 20, "only %d metrics were found", len(served))
	for _, name := range regexp.MustCompile(`vtoken_[a-z0-9_]+`).FindAllString(string(page), -1) {
		if base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, ""); !served[name] && !served[base] {
			t.Errorf("docs/metrics.md names %s, which there is not", name)
		}
	}
}
