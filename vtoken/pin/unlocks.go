package pin

import "time"

// MaxUnlocks is how often in 24 hours the tries of a PIN, or of a token's one-time
// passwords, are started anew without another PIN or seed. With the tries that it has
// in between, so many PINs can be guessed in a day and no more.
const MaxUnlocks = 3

const day = 24 * time.Hour

// Unlocks are the last times when tries were reset, in Unix seconds, the newest first; 0 is never.
type Unlocks [MaxUnlocks]int64

// Add notes one more. Where there were as many as there may be, wait is how long until
// the next one may be, and nothing is noted. A time that is more than a day ahead is of
// a clock that was set back, and does not count.
func (u Unlocks) Add(now time.Time) (next Unlocks, wait time.Duration) {
	oldest := time.Unix(u[MaxUnlocks-1], 0)
	if since := now.Sub(oldest); -day < since && since < day {
		return u, day - max(0, since)
	}
	copy(next[1:], u[:])
	next[0] = now.Unix()
	return next, 0
}

// Unlock returns the state with the tries reset, for an administrator who does not know the PIN.
// It does not change a state that has all its tries. If that was done too often, wait is how
// long until it may be done again.
func (s State) Unlock(now time.Time) (unlocked State, wait time.Duration) {
	if s.Failed == 0 {
		return s, 0
	}
	if s.Unlocks, wait = s.Unlocks.Add(now); wait == 0 {
		s.Failed = 0
	}
	return s, wait
}
