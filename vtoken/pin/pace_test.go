package pin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The first wrong PINs cost nothing, each later one twice as long up to the longest, and
// five minutes after the last one all is as it was.
func TestPaceGrows(t *testing.T) {
	var p Pace
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var waits []time.Duration
	for range 7 {
		wait, ok := p.Turn(now)
		require.True(t, ok)
		waits = append(waits, wait)
		now = now.Add(wait)
		p.Wrong(now)
	}
	const ms = time.Millisecond
	require.Equal(t, []time.Duration{0, 0, 250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 2000 * ms}, waits)
	require.False(t, p.Over(p.Until()))
	now = p.Until().Add(1)
	require.True(t, p.Over(now))
	p.Wrong(now)
	wait, ok := p.Turn(now)
	require.True(t, ok)
	require.Zero(t, wait)
}

// Who takes his time does not wait, and tries at the same time wait in a row that ends.
func TestPaceQueue(t *testing.T) {
	var p Pace
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 6 {
		p.Wrong(now)
	}
	wait, ok := p.Turn(now.Add(longestDelay))
	require.True(t, ok)
	require.Zero(t, wait)
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second} {
		wait, ok := p.Turn(now)
		require.True(t, ok)
		require.Equal(t, want, wait)
	}
	wait, ok = p.Turn(now)
	require.False(t, ok)
	require.Equal(t, 6*time.Second, wait)
}

// A PIN is unlocked three times in any 24 hours. One that has all its tries is not.
func TestUnlocks(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := State{Policy: Policy{MaxTries: 3}, Verifier: []byte{1}}
	unlock := func(want time.Duration) {
		t.Helper()
		s.Failed = 3
		var wait time.Duration
		s, wait = s.Unlock(now)
		require.Equal(t, want, wait)
		require.Equal(t, want > 0, s.Locked())
	}
	for range 10 {
		next, wait := s.Unlock(now)
		require.Zero(t, wait)
		require.Equal(t, s, next)
	}
	const hour = time.Hour
	unlock(0)
	now = now.Add(6 * hour)
	unlock(0)
	now = now.Add(6 * hour)
	unlock(0)
	unlock(12 * hour)
	now = now.Add(12*hour - time.Second)
	unlock(time.Second)
	now = now.Add(time.Second)
	unlock(0)
	unlock(6 * hour)
	s = s.Change([]byte{2}, now)
	unlock(6 * hour) // another PIN does not start the day again
	now = now.Add(-2 * hour)
	unlock(8 * hour) // nor does a clock that is set back a little
	now = now.Add(-365 * 24 * hour)
	unlock(0)
}
