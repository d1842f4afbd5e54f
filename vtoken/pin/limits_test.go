package pin

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// Tokens made by C_InitToken have these limits.
func TestDefaultPolicy(t *testing.T) {
	s := State{Policy: Default, Verifier: []byte{1}}
	require.NoError(t, Default.Check([]byte("1234")))
	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(Default.Check([]byte("123"))))
	require.NoError(t, Default.Check(make([]byte, 255)))
	require.Equal(t, ck.CKR_PIN_LEN_RANGE, ck.CodeOf(Default.Check(make([]byte, 256))))
	require.Equal(t, 10, s.TriesLeft())
}

// Tries that wait up to the longest time in the row wait; the next one does not.
func TestLongestQueue(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := Pace{wrong: 1, until: now.Add(wrongFor), next: now.Add(longestQueue)}
	wait, ok := p.Turn(now)
	require.True(t, ok)
	require.Equal(t, longestQueue, wait)
	p.next = now.Add(longestQueue + 1)
	_, ok = p.Turn(now)
	require.False(t, ok)
}

// An unlock that is a day ahead, or more, is of a clock that was set back, and does not count.
func TestUnlockOfAnotherClock(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	full := func(at time.Time) Unlocks { return Unlocks{at.Unix(), at.Unix(), at.Unix()} }
	for _, c := range []struct {
		at   time.Time
		wait time.Duration
	}{
		{now.Add(day), 0},
		{now.Add(day - time.Second), day},
		{now, day},
		{now.Add(-day + time.Second), time.Second},
		{now.Add(-day), 0},
	} {
		next, wait := full(c.at).Add(now)
		require.Equal(t, c.wait, wait, c.at)
		if c.wait == 0 {
			require.Equal(t, Unlocks{now.Unix(), c.at.Unix(), c.at.Unix()}, next)
		} else {
			require.Equal(t, full(c.at), next)
		}
	}
}

// A wrong PIN is remembered for five minutes, the last nanosecond of them included.
func TestWrongIsForgotten(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var p Pace
	require.True(t, p.Over(now))
	p.Wrong(now)
	require.Equal(t, now.Add(5*time.Minute), p.Until())
	require.False(t, p.Over(now.Add(5*time.Minute)))
	require.True(t, p.Over(now.Add(5*time.Minute+1)))
}
