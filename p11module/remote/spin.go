package remote

import (
	"runtime"
	"syscall"
	"time"
)

// A sleeping thread takes some 30 µs to come back after the answer arrived; one
// that asks again and again sees it at once. So reading first asks for a while,
// as long as that has been paying off: the time is a little above what answers
// took lately, and nothing while answers take longer than maxSpin. It does not
// give up the processor in between: on a busy machine it would get it back late.
const (
	maxSpin   = 150 * time.Microsecond
	retryEach = 64 // reads between two tries while spinning does not pay
)

type spinner struct {
	// off where other threads of the host want answers, too, or where the daemon
	// would have to wait for this processor.
	off    bool
	budget time.Duration
	reads  uint
}

// pays is how long to ask again and again for the next answer; 0 is to sleep at once.
func (s *spinner) pays() time.Duration {
	if s.off {
		return 0
	}
	s.reads++
	if s.budget == 0 && s.reads%retryEach == 1 {
		return maxSpin
	}
	return s.budget
}

// read reads at once or within the time; else EAGAIN.
func (s *spinner) read(fd int, p []byte, within time.Duration) (int, syscall.Errno) {
	n, errno := receive(fd, p)
	if errno != syscall.EAGAIN {
		return n, errno
	}
	start := time.Now()
	for {
		n, errno = receive(fd, p)
		took := time.Since(start)
		if errno != syscall.EAGAIN {
			s.budget = min(2*took+maxSpin/4, maxSpin)
			return n, errno
		}
		if took > within {
			s.budget = 0
			return n, errno
		}
	}
}

// yieldEach is how often a connection that is used all the time calls the Go scheduler.
const yieldEach = 4 * time.Millisecond

// yield calls the Go scheduler from time to time. A thread that calls from C and waits in system
// calls never does, and the runtime's monitor takes one that it has not seen for 10 ms for one
// that computes without end: it takes its processor away every 20 µs from then on, which costs
// a tenth of the machine. It does no harm to a thread with a call now and then: one each 6 ms was
// answered in half of the time with it.
func (c *conn) yield(now time.Time) {
	if now.UnixNano()-c.yielded.Load() < int64(yieldEach) {
		return
	}
	c.yielded.Store(now.UnixNano())
	runtime.Gosched()
}
