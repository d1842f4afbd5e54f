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

// answers are the answers of a task that were not sent yet, and what was charged for
// them.
type answers struct {
	p11rpc.Encoder
	charged int
}

// pay charges n bytes of an answer, before they are made.
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

// settle charges the memory that is kept after Reset, or gives it up.
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

// pay charges n bytes of the answer, before they are made.
func (r *request) pay(n uint64) error {
	return r.answers.pay(r.purse, int(min(n, p11rpc.MaxBody)))
}

// detach is a task of its own for the request of t, for another goroutine. Where it is too
// much for the user's account, it returns nil and t has the answer.
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

// refuse answers a request that the daemon has no memory for.
func (c *conn) refuse(t *task, err error) {
	c.srv.opts.Observer.Called(t.call, ck.CKR_DEVICE_MEMORY, 0)
	c.log.Debug("PKCS#11 request refused", "call", t.call.String(), "error", err)
	t.wipe()
	t.out.Error(t.code, ck.CKR_DEVICE_MEMORY)
}

// giveBack ends the charge for a task that is not used any more. Its answers are sent.
func (t *task) giveBack() {
	if t.purse != nil {
		t.purse.Give(t.charged + t.out.charged)
	}
	t.purse, t.charged, t.out.charged = nil, 0, 0
}

// Take pays for a buffer of the reader.
func (c *conn) Take(n int) error { return c.purse.Take(n) }

// Give gives back what Take took.
func (c *conn) Give(n int) { c.purse.Give(n) }

// Begun keeps the deadline of a frame that has begun.
func (c *conn) Begun(begun bool) {
	c.polls.begun = begun
	if !begun && c.polls.armed {
		c.polls.armed = false
		_ = c.sock.SetReadDeadline(time.Time{})
	}
}

// armFrame begins the time that the rest of a frame has.
func (c *conn) armFrame() { _ = c.sock.SetReadDeadline(time.Now().Add(c.srv.opts.FrameTime)) }

// answerSkipped answers a frame that was refused and passed over. It reports whether err was
// about such a frame.
func (c *conn) answerSkipped(t *task, err error) bool {
	if err == nil {
		return false
	}
	var refused *p11rpc.Refused
	if !errors.As(err, &refused) {
		return false
	}
	t.code, t.call, t.session = refused.Code, 0, 0
	c.refuse(t, err)
	return true
}
