package observe

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// text is a log that timers write to as well.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *text) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(b)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// pass lets the clock of the bubble go on, and what was due then be done.
func pass(long time.Duration) {
	<-time.After(long)
	synctest.Wait()
}

// TestPeerLog: a user fills no log, the others have their lines, and what was left out is
// told.
func TestPeerLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out text
		log := slog.New(NewPeerLog(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		mallory, alice := log.With("uid", 62003, "pid", 1), log.With("uid", uint32(62001), "pid", 2)
		count := func(what string) int { return strings.Count(out.String(), what) }
		for range 1000 {
			mallory.Warn("nonsense")
		}
		alice.Warn("hers")
		log.Warn("the daemon's own")
		mallory.Debug("asked for")
		require.Equal(t, peerBurst, count("nonsense"))
		require.Equal(t, 1, count("hers"))
		require.Equal(t, 1, count("own"))
		require.Equal(t, 1, count("asked for"))

		pass(peerEvery)
		require.Contains(t, out.String(), `msg="dropped log lines about this user, who causes too many" uid=62003 pid=1 lines=980`)
		for range 10 {
			log.With("uid", 62003, "pid", 3).Warn("nonsense")
		}
		require.Equal(t, peerBurst+1, count("nonsense"), "another process of hers has no share of its own")
		pass(time.Hour)
		require.Equal(t, 2, count("dropped log lines"))
		for range 1000 {
			mallory.Warn("nonsense")
		}
		require.Equal(t, 2*peerBurst+1, count("nonsense"))
		pass(time.Hour)
	})
}

// TestPeerLogIsBounded: a user with many uids fills no memory, and has one share with all
// beyond the bound.
func TestPeerLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shares{now: time.Now, of: map[string]*share{}}
		written := 0
		for uid := range 20 * maxPeers {
			if s.take(fmt.Sprint(uid), func(int) {}) {
				written++
			}
		}
		require.LessOrEqual(t, len(s.of), maxPeers+1)
		require.LessOrEqual(t, written, maxPeers+peerBurst)
		pass(time.Hour)
		require.True(t, s.take("new", func(int) {}))
		require.Len(t, s.of, 1)
	})
}
