package main

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Go's heap keeps what was in it until the memory is used again: numbers that the
// standard library copied, requests that were decoded, records that were opened.
// The runtime has a setting that makes its garbage collector overwrite what it
// frees ("Environment Variables" of package runtime). It was made for finding
// faults, and costs a write to each freed byte. It has to be there when the process
// starts.
const (
	clobber        = "clobberfree="
	clobberSetting = clobber + "1"
)

// The runtime interrupts goroutines by signals, and the system then writes the
// processor's registers, which may hold half of a private number, to a stack for
// signals, where they stay until the next one. This setting has goroutines interrupted
// where they call functions instead, which those of the daemon do often enough.
const (
	preempt        = "asyncpreemptoff="
	preemptSetting = preempt + "1"
)

// overwriteFreed starts this program again, in the same process, with the settings,
// but for those that GODEBUG names already. Where that fails, the daemon goes on, and
// says so.
func overwriteFreed() {
	had := os.Getenv("GODEBUG")
	want := withSettings(had)
	path, err := os.Executable()
	if err != nil || want == had {
		return
	}
	_ = os.Setenv("GODEBUG", want)
	_ = syscall.Exec(path, os.Args, os.Environ()) // returns only where it failed
	_ = os.Setenv("GODEBUG", had)
}

// withSettings is a GODEBUG with the settings that it says nothing of.
func withSettings(godebug string) string {
	for name, setting := range map[string]string{clobber: clobberSetting, preempt: preemptSetting} {
		if !strings.Contains(godebug, name) {
			godebug = strings.TrimPrefix(godebug+","+setting, ",")
		}
	}
	return godebug
}

// overwritesFreed reports whether the process has the settings.
func overwritesFreed() bool {
	has := os.Getenv("GODEBUG")
	return strings.Contains(has, clobberSetting) && strings.Contains(has, preemptSetting)
}

// pauses are the times before each collection of a sweep: in the first the request
// that had the secret ends, and other notes gather; in the others those run who
// clean up after a collection, as the caches of Go's cryptography do, and after the
// last nothing holds on to anything any more.
var pauses = [...]time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second}

// restTimes is how many times as long as a collection the pause after it is, at
// least.
const restTimes = 20

// sweeper runs the garbage collector after secrets were let go of, so that they
// are overwritten soon and not when memory happens to be short.
type sweeper struct{ noted, done chan struct{} }

func newSweeper() *sweeper {
	return &sweeper{noted: make(chan struct{}, 1), done: make(chan struct{})}
}

// note asks for a sweep. It never waits.
func (s *sweeper) note() {
	select {
	case s.noted <- struct{}{}:
	default:
	}
}

// stop ends run.
func (s *sweeper) stop() { close(s.done) }

// run sweeps when it is asked to, until it is stopped.
func (s *sweeper) run() {
	for s.wait(s.noted) && s.sweep() {
	}
}

// sweep is false where the sweeper was stopped.
func (s *sweeper) sweep() bool {
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

func (s *sweeper) wait(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-s.done:
		return false
	}
}

func (s *sweeper) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.done:
		return false
	}
}
