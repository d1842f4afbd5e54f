package p11server

import (
	"errors"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
)

// What is charged to the account of a connection's user, in bytes.
const (
	// connAdvance is charged for a connection from its beginning to its end. It pays for
	// small requests and their answers, so that those charge nothing.
	connAdvance = 24 << 10
	connStep    = 16 << 10
	// taskWeight is a request that is not worked on by the reader: its structures, and
	// the stack of its worker.
	taskWeight = 8 << 10
	// smallAnswer is the size of an answer up to which only the memory counts that is
	// kept for the next one.
	smallAnswer = 4 << 10
)

// answers are the answers of a task that are not sent yet, and what was charged for them.
type answers struct {
	p11rpc.Encoder
	charged int
}

// pay charges n bytes of an answer, before it is made.
func (a *answers) pay(p *meter.Purse, n int) error {
	if n <= smallAnswer {
		return nil
	}
	err := p.Take(n)
	if err == nil {
		a.charged += n
	}
	return err
}

// settle charges for the memory that is kept after Reset, or drops it.
func (a *answers) settle(p *meter.Purse) {
	kept := a.Held()
	if kept > a.charged && p.Take(kept-a.charged) != nil {
		a.Encoder = p11rpc.Encoder{Version: a.Version}
		kept = 0
	}
	if kept < a.charged {
		p.Give(a.charged - kept)
	}
	a.charged = kept
}

// pay charges n bytes of the answer, before it is made.
func (r *request) pay(n uint64) error {
	return r.answers.pay(r.purse, int(min(n, p11rpc.MaxBody)))
}

// detach moves the request of t to a task of its own, for another goroutine. If the user's
// account does not allow it, it returns nil, and t has the answer.
func (c *conn) detach(t *task) *task {
	body, size, detached := c.in.Detach()
	weight := taskWeight
	if !detached {
		size, weight = 0, weight+len(t.body)
	}
	if err := c.purse.Take(weight); err != nil {
		c.purse.Give(size)
		c.refuse(t, err)
		return nil
	}
	own := c.srv.newTask(c.version)
	own.purse, own.charged = c.purse, weight+size
	if detached {
		own.code, own.call, own.session, own.body = t.code, t.call, t.session, body
		t.body = nil
	} else {
		own.copyFrom(t)
	}
	return own
}

// errNoMemory is what a request ends with for which the user's account has no memory.
var errNoMemory = ck.Errorf(ck.CKR_DEVICE_MEMORY, "no memory for the request")

// refuse answers a request for which the user's account has no memory. The operation that its
// error ends is that of the requests before it, so it waits for those.
func (c *conn) refuse(t *task, err error) {
	c.srv.opts.Observer.Called(t.call, ck.CKR_DEVICE_MEMORY, 0)
	c.log.Debug("PKCS#11 request refused", "call", t.call.String(), "error", err)
	t.wipe()
	if t.call.Ends() == 0 || !c.queues.has(t.session) {
		c.endAfterError(t, errNoMemory)
		t.out.Error(t.code, ck.CKR_DEVICE_MEMORY)
		return
	}
	if !c.queues.hasRoom(0) {
		c.flush(t) // before waiting
		defer c.watchHangup()()
	}
	own := c.srv.newTask(c.version)
	own.code, own.call, own.session, own.refused = t.code, t.call, t.session, true
	if c.queues.join(own) {
		c.srv.poll.working.Add(1)
		go c.runQueue(own)
	}
}

// giveBack refunds the charge for a task whose answers are sent.
func (t *task) giveBack() {
	if t.purse != nil {
		t.purse.Give(t.charged + t.out.charged)
	}
	t.purse, t.charged, t.out.charged = nil, 0, 0
}

// Take charges for a buffer of the reader.
func (c *conn) Take(n int) error { return c.purse.Take(n) }

// Give refunds what Take charged.
func (c *conn) Give(n int) { c.purse.Give(n) }

// Begun sets or clears the deadline for the rest of a frame.
func (c *conn) Begun(begun bool) {
	c.polls.begun = begun
	if !begun && c.polls.armed {
		c.polls.armed = false
		c.setReadDeadline(time.Time{})
	}
}

// armFrame starts the deadline for the rest of a frame.
func (c *conn) armFrame() { c.setReadDeadline(time.Now().Add(c.srv.opts.FrameTime)) }

// answerSkipped answers a frame that was refused and skipped. It reports whether err was about
// such a frame.
func (c *conn) answerSkipped(t *task, err error) bool {
	if err == nil {
		return false
	}
	var refused *p11rpc.Refused
	if !errors.As(err, &refused) {
		return false
	}
	t.code, t.call, t.session = refused.Code, 0, 0
	if refused.Call.Valid() {
		t.call, t.session = refused.Call, refused.Session
	}
	c.refuse(t, err)
	return true
}
