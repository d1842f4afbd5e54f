package audit

import (
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRefusalsAreCounted: a flood of refusals by one caller is some lines and a count,
// whatever the caller varies; another caller, successes and changes have all their lines.
func TestRefusalsAreCounted(t *testing.T) {
	const flood = 5000
	dir, k := filepath.Join(t.TempDir(), "audit"), &keeper{}
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	l, err := Open(Options{
		Dir: dir, Key: ed25519.NewKeyFromSeed(seed), Head: k.head, Anchor: k.anchor, Now: func() time.Time { return now },
		Failed: func(err error) { t.Error(err) },
	})
	require.NoError(t, err)
	end := func(r Record) {
		t.Helper()
		e, err := l.Begin(r)
		require.NoError(t, err)
		e.End(r)
	}
	for i := range flood {
		end(Record{Event: "api", Result: "forbidden", Caller: "mallory", From: fmt.Sprint("127.0.0.1:", i), Token: fmt.Sprint("t", i), Request: fmt.Sprint(i), Detail: fmt.Sprint("GET /", i%7)})
		end(Record{Event: "login", Result: "CKR_PIN_LOCKED", Role: "user", Locked: true, Token: "t", Process: &Process{UID: 7, PID: int32(i), Executable: fmt.Sprint("/tmp/", i)}})
	}
	for range 50 {
		end(Record{Event: "api", Result: "ok", Caller: "mallory"})
		end(Record{Event: "login", Result: "CKR_PIN_INCORRECT", Process: &Process{UID: 7}})
		end(Record{Event: "api", Result: "forbidden", Caller: "mallory", Tries: "SO PIN wrong"})
		end(Record{Event: "api", Result: "internal", Caller: "mallory"})
	}
	end(Record{Event: "api", Result: "forbidden", Caller: "alice"})
	now = now.Add(repeatWindow)
	l.tellRepeats(false)
	closeLog(t, l)
	require.Empty(t, verify(t, dir, k).Problems)
	counts := map[string]uint64{}
	lines := map[string]int{}
	for _, event := range []string{"api", "login"} {
		for _, r := range told(t, dir, event) {
			name := fmt.Sprint(event, " ", r.Result, " ", r.Caller, r.Tries)
			lines[name]++
			counts[name] += max(1, r.Repeated)
		}
	}
	require.Equal(t, map[string]int{
		"api forbidden mallory": mostPlain + 1, "login CKR_PIN_LOCKED ": mostPlain + 1, "api ok mallory": 50, "login CKR_PIN_INCORRECT ": 50,
		"api forbidden mallorySO PIN wrong": 50, "api internal mallory": 50, "api forbidden alice": 1,
	}, lines)
	require.EqualValues(t, flood, counts["api forbidden mallory"])
	require.EqualValues(t, flood, counts["login CKR_PIN_LOCKED "])
}

// TestTheLockingTryHasALine: though an attacker had a locked PIN refused many times, the
// try that locks it again after it was unlocked has a line.
func TestTheLockingTryHasALine(t *testing.T) {
	var c repeats
	now := time.Now()
	locked := Record{Event: "login", Result: "CKR_PIN_LOCKED", Locked: true, Token: "t"}
	for range 2 * mostPlain {
		c.count(locked, now)
	}
	require.True(t, c.count(locked, now))
	require.False(t, c.count(Record{Event: "api", Result: "ok", Token: "t", Tries: "user PIN unlocked"}, now))
	require.False(t, c.count(locked, now))
}

// TestManyKinds: callers without number, such as addresses, do not make many kinds.
func TestManyKinds(t *testing.T) {
	var c repeats
	now := time.Now()
	lines := 0
	for i := range 100_000 {
		if !c.count(Record{Event: "api", Result: "unauthenticated", From: fmt.Sprintf("[2001:db8::%x]:1", i)}, now) {
			lines++
		}
	}
	require.LessOrEqual(t, len(c.kinds), mostKinds+1)
	require.LessOrEqual(t, lines, mostKinds+mostPlain)
	more := uint64(0)
	for _, r := range c.due(now, true) {
		more += r.Repeated
	}
	require.EqualValues(t, 100_000-lines, more)
	require.Empty(t, c.kinds)
}
