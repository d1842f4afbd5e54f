package process

import (
	"runtime"
	"time"
)

// pauses are the times before each collection of a sweep: in the first the request
// that had the secret ends, and other notes gather; in the others those run who
// clean up after a collection, as the caches of Go's cryptography do, and after the
// last nothing holds on to anything any more.
var pauses = [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second}

// restTimes is how many times as long as a collection the pause after it is, at least.
const restTimes = 20

// Sweeper runs the garbage collector after secrets were released, so that they are overwritten
// soon.
type Sweeper struct{ noted, done chan struct{} }

// NewSweeper returns a sweeper. The caller runs Run.
func NewSweeper() *Sweeper {
	return &Sweeper{noted: make(chan struct{}, 1), done: make(chan struct{})}
}

// Note asks for a sweep. It never blocks.
func (s *Sweeper) Note() {
	select {
	case s.noted <- struct{}{}:
	default:
	}
}

// Stop ends Run.
func (s *Sweeper) Stop() { close(s.done) }

// Run sweeps when asked, until Stop.
func (s *Sweeper) Run() {
	for s.wait(s.noted) && s.sweep() {
	}
}

// sweep returns false if the sweeper was stopped.
func (s *Sweeper) sweep() bool {
	var took time.Duration
	for _, pause := range pauses {
		if !s.pause(max(pause, restTimes*took)) {
			return false
		}
		began := time.Now()
		runtime.GC()
		took = time.Since(began)
	}
	return true
}

func (s *Sweeper) wait(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-s.done:
		return false
	}
}

func (s *Sweeper) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.done:
		return false
	}
}
