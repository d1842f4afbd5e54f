package p11server

import (
	"io"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// A client that has its answer often sends the next request within
// microseconds, while to put a thread to sleep and wake it costs several times
// as much. So a reader asks again for a short time before it goes to sleep. Where several
// clients, or threads of one, have requests at about the same time, there is no processor for
// that: the time is better spent on their requests.

// pollFor is how long a reader polls after its last byte.
const pollFor = 40 * time.Microsecond

// pollBudget keeps polling readers from taking processors from requests. All connections of a
// server share it.
type pollBudget struct {
	limit   int32
	polling atomic.Int32 // readers that ask again
	working atomic.Int32 // requests being worked on

	last  atomic.Pointer[pollReader] // that had data last
	until atomic.Int64               // several readers have data, as of time.UnixNano
}

// crowdLasts is how long after another reader had data nobody polls.
const crowdLasts = 2 * time.Millisecond

// note records that a reader has data.
func (b *pollBudget) note(p *pollReader) {
	if b.last.Load() != p && b.last.Swap(p) != nil {
		b.until.Store(time.Now().Add(crowdLasts).UnixNano())
	}
}

func newPollBudget() *pollBudget {
	return &pollBudget{limit: int32(runtime.GOMAXPROCS(0) / 2)}
}

// isCrowded reports whether several readers have data at about that time.
func (b *pollBudget) isCrowded(now time.Time) bool { return now.UnixNano() < b.until.Load() }

// allows reports whether a reader may go on polling.
func (b *pollBudget) allows() bool { return b.working.Load() == 0 }

// pollReader reads a socket, and polls for a short time before it sleeps.
type pollReader struct {
	raw    syscall.RawConn
	budget *pollBudget
	try    func(fd uintptr) bool // readPolling, bound once

	// waited tells whether the first Read after expect had to wait.
	waited   bool
	expected bool

	// begun is whether a frame has begun and its rest is missing. Before the reader
	// waits for that, arm sets a deadline, which armed says.
	begun bool
	armed bool
	arm   func()

	first []byte    // read before the socket
	given func(int) // told of bytes of first that are gone

	asked bool // again, in this Read
	into  []byte
	n     int
	err   error
}

func newPollReader(raw syscall.RawConn, budget *pollBudget, arm func()) *pollReader {
	p := &pollReader{raw: raw, budget: budget, arm: arm}
	p.try = p.readPolling
	return p
}

// expect is called before the first Read for a request.
func (p *pollReader) expect() { p.expected = true }

// Read implements io.Reader.
func (p *pollReader) Read(into []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(into, p.first)
		clear(p.first[:n])
		p.first = p.first[n:]
		p.given(n)
		return n, nil
	}
	p.into, p.n, p.err, p.asked = into, 0, nil, false
	err := p.raw.Read(p.try)
	p.into = nil
	if p.expected {
		p.expected, p.waited = false, p.asked
	}
	switch {
	case err != nil:
		return 0, err
	case p.err != nil:
		return 0, p.err
	case p.n == 0:
		return 0, io.EOF
	}
	return p.n, nil
}

// readPolling reads what is there. It returns false to be called again when there is more.
func (p *pollReader) readPolling(fd uintptr) (done bool) {
	if p.readOnce(fd) {
		return true
	}
	first := !p.asked
	p.asked = true
	if first && p.askAgain(fd) {
		return true
	}
	if p.begun && !p.armed {
		p.armed = true
		p.arm()
	}
	return false
}

func (p *pollReader) askAgain(fd uintptr) (done bool) {
	b := p.budget
	if !b.allows() {
		return false
	}
	defer b.polling.Add(-1)
	if b.polling.Add(1) > b.limit {
		return false
	}
	start := time.Now()
	if b.isCrowded(start) {
		return false
	}
	for b.allows() && time.Since(start) < pollFor {
		if p.readOnce(fd) {
			return true
		}
	}
	return false
}

func (p *pollReader) readOnce(fd uintptr) (done bool) {
	n, err := read(fd, p.into)
	switch err {
	case 0:
		p.n = n
		p.budget.note(p)
		return true
	case syscall.EAGAIN, syscall.EINTR:
		return false
	}
	p.err = err
	return true
}
