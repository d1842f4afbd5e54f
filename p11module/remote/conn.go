package remote

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vtoken/vtoken/p11rpc"
)

// conn is one connection. Callers send their frames and wait; the first that
// waits leads: it reads the socket and hands every answer to its owner until it
// has its own, and then gives the lead to another that still waits. Mostly there is one
// caller (see pool.go).
type conn struct {
	client  *Client
	sock    socket
	reader  *p11rpc.Reader
	version byte
	life    uint64 // of the daemon, as the client counts them

	busy   atomic.Int32 // calls that took it
	used   atomic.Int64 // when the last of them began, as of time.UnixNano
	isDead atomic.Bool

	yielded atomic.Int64 // when a call last called the scheduler, as of time.UnixNano

	sending sync.Mutex    // one frame, or several in a row, at a time
	last    atomic.Uint32 // code of the last frame that was written, or is being written

	mu      sync.Mutex
	code    uint32 // of the last request
	pending map[uint32]*exchange
	leading bool
	users   int   // callers that may touch the socket
	dead    error // why the connection is lost; nil while it is not
}

// What an exchange's state says to the thread that waits for it.
const (
	stateWaiting uint32 = iota
	stateDone           // the answer is in body, or fate says why there is none
	stateLead           // nobody reads: do
)

// lost reports whether the connection is of no more use.
func (c *conn) lost() bool { return c.isDead.Load() }

// up reports whether the daemon still has its end of the connection.
func (c *conn) up() bool {
	c.mu.Lock() // the socket stays meanwhile
	defer c.mu.Unlock()
	return c.dead == nil && c.sock.ours() && !hungUp(c.sock.fd)
}

// why is why the connection is lost.
func (c *conn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// lose gives the connection up. Threads that wait on it get no answer.
func (c *conn) lose(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return
	}
	c.dead = why
	c.isDead.Store(true)
	if c.sock.ours() {
		shutdown(c.sock.fd) // wakes the thread that reads
	}
	// The kernel says so if and only if the daemon left something unread, and that is the
	// end of what was written last.
	unread := errors.Is(why, syscall.ECONNRESET)
	last := c.last.Load()
	for code, x := range c.pending {
		delete(c.pending, code)
		if unread && code == last {
			x.finish(unsent)
		} else {
			x.finish(lost)
		}
	}
	c.closeUnused()
}

// retire keeps new calls from the connection. Those that are on it may still be answered; with
// the last of them it is given up.
func (c *conn) retire() { c.isDead.Store(true) }

// closeUnused closes the socket of a lost connection after its last user. Until
// then the number must not mean another file. Where it does, because the host closed it, it
// is the host's.
func (c *conn) closeUnused() {
	if c.dead == nil || c.users > 0 || c.sock.fd < 0 {
		return
	}
	if c.sock.ours() {
		c.client.options.Descriptors.Close(c.sock.fd)
	} else {
		c.client.options.Descriptors.Forget(c.sock.fd)
	}
	c.sock.fd = -1
}

// roundTrip sends the frames of the exchanges in one write and waits until each
// has its answer or another fate, which is when the last has its, as the daemon keeps the
// order.
func (c *conn) roundTrip(deadline time.Time, list []*exchange) {
	if !c.join(list) {
		return
	}
	defer c.leave()
	written, err := c.write(list, deadline)
	if err != nil {
		c.failed(list, written, err)
	}
	for i := len(list) - 1; i >= 0; i-- {
		c.wait(list[i], deadline)
	}
	if err != nil {
		markUnsent(list, written, err)
	}
}

// failed gives the connection up after a write that failed, unless it has merely no room for
// the first byte.
func (c *conn) failed(list []*exchange, written int, err error) {
	if written == 0 && errors.Is(err, errTimeout) && c.version == p11rpc.Joined {
		for _, x := range list {
			c.expire(x)
		}
		return
	}
	c.lose(lostError(err))
}

// markUnsent says of exchanges that were not written whole that the daemon did not get them.
func markUnsent(list []*exchange, written int, err error) {
	for _, x := range list {
		written -= len(x.frame())
		switch {
		case written >= 0 || x.fate == answered:
		case errors.Is(err, errTimeout):
			x.fate = late
		default:
			x.fate = unsent
		}
	}
}

// post sends the frame of an exchange that nobody waits for, and reports whether it went.
func (c *conn) post(x *exchange, deadline time.Time) bool {
	list := []*exchange{x}
	if !c.join(list) {
		return false
	}
	defer c.leave()
	c.mu.Lock()
	delete(c.pending, x.code)
	c.mu.Unlock()
	if _, err := c.write(list, deadline); err != nil {
		c.lose(lostError(err))
		return false
	}
	return true
}

// join gives the exchanges their codes and registers them, so that their answers find them.
// It reports false where the connection is lost.
func (c *conn) join(list []*exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		for _, x := range list {
			x.conn, x.fate = c, unsent
		}
		return false
	}
	c.users++
	for _, x := range list {
		if c.code++; c.code == 0 {
			c.code++ // which no request may have
		}
		x.conn, x.hasWaiter = c, false
		x.state.Store(stateWaiting)
		x.setCode(c.code)
		c.pending[c.code] = x
	}
	return true
}

func (c *conn) leave() {
	c.mu.Lock()
	c.users--
	c.closeUnused()
	c.mu.Unlock()
}

// write sends the frames, and returns how much of them it could. All but the last stand in
// front of the last one's.
func (c *conn) write(list []*exchange, deadline time.Time) (int, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	if !c.sock.ours() {
		return 0, errNotOurs
	}
	c.last.Store(list[len(list)-1].code)
	if len(list) == 1 {
		return c.sock.write(list[0].frame(), deadline)
	}
	var frames []byte
	for _, x := range list {
		frames = append(frames, x.frame()...)
	}
	defer clear(frames)
	return c.sock.write(frames, deadline)
}

// wait returns when x is done.
func (c *conn) wait(x *exchange, deadline time.Time) {
	for x.state.Load() != stateDone {
		if c.takeLead(x) {
			inTime := c.lead(x, deadline)
			c.passLead()
			if !inTime {
				c.expire(x)
			}
			continue
		}
		futexWait(&x.state, stateWaiting, deadline)
		if !deadline.IsZero() && x.state.Load() != stateDone && !time.Now().Before(deadline) {
			c.expire(x)
		}
	}
}

// expire ends the wait of x. Its answer is dropped when it comes.
func (c *conn) expire(x *exchange) {
	c.mu.Lock()
	if c.pending[x.code] != x { // somebody is finishing it
		c.mu.Unlock()
		for state := x.state.Load(); state != stateDone; state = x.state.Load() {
			futexWait(&x.state, state, time.Time{})
		}
		return
	}
	delete(c.pending, x.code)
	x.fate = late
	offered := x.state.Swap(stateDone) == stateLead
	if c.version != p11rpc.Joined {
		defer c.lose(lostError(errTimeout))
	}
	c.mu.Unlock()
	if offered {
		c.passLead()
	}
}

// takeLead reports whether x's thread leads now. If it does not, it waits at x from
// now on and can be given the lead there; not sooner, as a thread that still writes
// may wait for the daemon, which may wait for somebody to read. An offer of the lead
// is used up either way.
func (c *conn) takeLead(x *exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x.state.CompareAndSwap(stateLead, stateWaiting)
	if c.leading {
		x.hasWaiter = true
		return false
	}
	c.leading = true
	c.sock.spin.off = c.users > 1 || runtime.NumCPU() == 1
	return true
}

// passLead ends the lead and wakes one that waits to take it.
func (c *conn) passLead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leading = false
	for _, x := range c.pending {
		if x.hasWaiter && x.state.CompareAndSwap(stateWaiting, stateLead) {
			futexWake(&x.state)
			return
		}
	}
}

// lead reads until x is done. It reports false where the deadline has passed.
func (c *conn) lead(x *exchange, deadline time.Time) (inTime bool) {
	c.sock.deadline = deadline
	for x.state.Load() != stateDone {
		frame, err := c.reader.Next()
		if errors.Is(err, errTimeout) {
			return false
		}
		if err != nil {
			c.lose(lostError(err))
			return true
		}
		if owner := c.take(frame.Code); owner != nil {
			owner.body = append(owner.body[:0], frame.Body...)
			owner.finish(answered)
			if owner != x && !deadline.IsZero() && !time.Now().Before(deadline) {
				return x.state.Load() == stateDone
			}
		}
	}
	return true
}

// take finds the exchange that an answer belongs to. One that nobody waits for
// is dropped.
func (c *conn) take(code uint32) *exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.pending[code]
	delete(c.pending, code)
	return x
}
