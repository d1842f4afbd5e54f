package continuity

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

const (
	// enough is how many operations each worker does between two interruptions at least.
	enough = 3
	// hangsAfter is how long no operation may take. It is not a measure of speed: only one
	// that hangs reaches it.
	hangsAfter = 2 * time.Minute
	// recoversWithin is how long a program that had a failure is watched. It has failed the
	// test already, if that was not a failure that may be.
	recoversWithin = 30 * time.Second
	// mostFailures is how many are remembered.
	mostFailures = 10
	// looksEach is how often a condition is looked at.
	looksEach = 2 * time.Millisecond
)

// operation has a program do something with a key of the token, and checks the result.
type operation func() error

// traffic is a program under work: each operation is done again and again by a worker.
type traffic struct {
	over    chan struct{}
	workers sync.WaitGroup

	mu      sync.Mutex
	era     int       // counts the interruptions, each with what follows it
	since   time.Time // when this era began: the daemon was back
	good    []int     // operations of each worker that began in this era
	first   time.Duration
	tally   tally
	failure []error
}

// tally counts operations.
type tally struct {
	done     int
	through  int // that were under way while the daemon was interrupted
	excused  int // of these, that failed and may
	recovery time.Duration
}

func newTraffic(list []operation) *traffic {
	f := &traffic{over: make(chan struct{}), good: make([]int, len(list)), since: time.Now()}
	for n, op := range list {
		f.workers.Go(func() { f.work(n, op) })
	}
	return f
}

// work does an operation until the traffic is over. After a failure it waits a moment, so
// that a program that fails at once for ever does not take the machine.
func (f *traffic) work(n int, op operation) {
	for {
		select {
		case <-f.over:
			return
		default:
		}
		f.mu.Lock()
		era := f.era
		f.mu.Unlock()
		if err := op(); !f.note(n, era, err) {
			select {
			case <-f.over:
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// during is an error of an operation that was under way when the daemon was interrupted.
type during struct{ error }

func (d during) Unwrap() error { return d.error }

// note counts an operation that began in an era, and reports whether it succeeded.
func (f *traffic) note(n, era int, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tally.done++
	through := era != f.era || f.era%2 == 1
	if through {
		f.tally.through++
	}
	switch {
	case err != nil && len(f.failure) == mostFailures && through:
	case err != nil && len(f.failure) == mostFailures:
		f.failure[mostFailures-1] = err // which no program may have
	case err != nil && through:
		f.failure = append(f.failure, during{err})
	case err != nil:
		f.failure = append(f.failure, err)
	case era == f.era:
		f.good[n]++
		if f.first == 0 {
			f.first = time.Since(f.since)
		}
	}
	return err == nil
}

// next begins another era: an odd one is an interruption, an even one is peace.
func (f *traffic) next() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.era++
	f.since, f.first = time.Now(), 0
	clear(f.good)
}

// interrupt has the daemon go and come back. What begins afterwards must succeed; so must
// what is under way, unless mayFail says that the daemon may have had a part of it, or a login.
func (f *traffic) interrupt(t *testing.T, s *stage, kind harness.Interruption, mayFail bool) {
	f.await(t, "before")
	f.next()
	require.NoError(t, kind.Do(s.daemon))
	f.next()
	f.await(t, "after")
	f.excuse(t, mayFail && !kind.Planned)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tally.recovery = max(f.tally.recovery, f.first)
}

// await waits until every worker has done enough since the last interruption.
func (f *traffic) await(t *testing.T, when string) {
	t.Helper()
	looks := time.NewTicker(looksEach)
	defer looks.Stop()
	late := time.After(hangsAfter)
	var failed <-chan time.Time // it is given a moment to recover, for the report
	for {
		enoughDone, err := f.look()
		if enoughDone {
			return
		}
		if err != nil && failed == nil {
			failed = time.After(recoversWithin)
		}
		select {
		case <-looks.C:
		case <-failed:
			require.NoError(t, err, "%s an interruption; it does not recover", when)
		case <-late:
			require.FailNow(t, "the program does nothing more", "%s an interruption", when)
		}
	}
}

func (f *traffic) look() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.good {
		if n < enough {
			return false, errors.Join(f.failure...)
		}
	}
	return true, errors.Join(f.failure...)
}

// excuse fails the test for what failed, but for what may.
func (f *traffic) excuse(t *testing.T, mayFail bool) {
	t.Helper()
	for _, one := range f.failures() {
		if _, is := one.(during); mayFail && is {
			f.mu.Lock()
			f.tally.excused++
			f.mu.Unlock()
			continue
		}
		require.NoError(t, one)
	}
}

// failures are those since the last time that somebody asked.
func (f *traffic) failures() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.failure
	f.failure = nil
	return list
}

// report logs what was done since the last report.
func (f *traffic) report(t *testing.T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d operations, %d of them through an interruption (%d failed there, as they may); the first after it within %v",
		f.tally.done, f.tally.through, f.tally.excused, f.tally.recovery.Round(time.Millisecond))
	f.tally = tally{}
}

func (f *traffic) stop() {
	close(f.over)
	f.workers.Wait()
}
