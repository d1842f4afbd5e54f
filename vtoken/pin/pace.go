package pin

import "time"

// The first wrong PINs cost nothing, as people mistype. Each one after them doubles
// the wait up to the longest. Tries that come at the same time wait in a row, not
// longer than a client waits for an answer.
const (
	freeWrong    = 2
	firstDelay   = 250 * time.Millisecond
	longestDelay = 2 * time.Second
	longestQueue = 5 * time.Second
	// wrongFor is how long a wrong PIN is remembered.
	wrongFor = 5 * time.Minute
)

// delay is the wait after so many wrong PINs.
func delay(wrong int) time.Duration {
	switch n := wrong - freeWrong; {
	case n < 0:
		return 0
	case n < 3:
		return firstDelay << n
	}
	return longestDelay
}

// Pace is how fast one source may try the PINs of one token, or other secrets that can
// be guessed: after wrong ones it waits before the next is compared, longer each time.
// The zero value has had no wrong one. Whoever keeps a Pace guards it, and lets one
// comparison follow the other.
type Pace struct {
	wrong int       // none of them longer than wrongFor after another
	until time.Time // when they are forgotten
	next  time.Time // when the next comparison may be
}

// Over reports whether the wrong PINs are forgotten, or there were none.
func (p *Pace) Over(now time.Time) bool { return p.wrong == 0 || now.After(p.until) }

// Until is when the wrong PINs are forgotten.
func (p *Pace) Until() time.Time { return p.until }

// Turn is how long the next try waits before it is compared, and takes that place in
// the row. Where too many wait already, ok is false, and the wait is what it would have
// been.
func (p *Pace) Turn(now time.Time) (wait time.Duration, ok bool) {
	if p.Over(now) || !now.Before(p.next) {
		return 0, true
	}
	if wait = p.next.Sub(now); wait > longestQueue {
		return wait, false
	}
	p.next = p.next.Add(delay(p.wrong))
	return wait, true
}

// Wrong notes that a PIN was wrong.
func (p *Pace) Wrong(now time.Time) {
	if p.Over(now) {
		*p = Pace{}
	}
	p.wrong, p.until = p.wrong+1, now.Add(wrongFor)
	if next := now.Add(delay(p.wrong)); next.After(p.next) {
		p.next = next
	}
}

// SavedPace is a [Pace] as values, for the next process.
type SavedPace struct {
	Wrong       int
	Until, Next time.Time
}

// Saved returns the pace as values.
func (p *Pace) Saved() SavedPace { return SavedPace{Wrong: p.wrong, Until: p.until, Next: p.next} }

// Pace returns the pace that was saved.
func (s SavedPace) Pace() Pace { return Pace{wrong: s.Wrong, until: s.Until, next: s.Next} }
