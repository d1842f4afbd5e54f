package p11server

import (
	"errors"
	"runtime/debug"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

// task is one request, and the memory in which it is read and answered. Several requests in a
// row may use one task, which collects their answers.
type task struct {
	code    uint32
	call    p11rpc.CallID
	session ck.SessionHandle // 0 where the call has none
	body    []byte
	begun   time.Time
	refused bool // there was no memory for it, and its body is not there

	own []byte // memory of the task's own for a body
	dec p11rpc.Decoder
	out answers
	req request

	purse   *meter.Purse // pays for the task
	charged int          // for it, without its answers
}

// load makes f the request of the task, without copying the body.
func (t *task) load(f p11rpc.Frame) {
	t.code, t.body, t.refused = f.Code, f.Body, false
	t.call, t.session = p11rpc.Peek(f.Body)
}

// largeBody is the size in bytes from which any request may take long.
const largeBody = 64 << 10

// takesLong reports whether the request may take long: by its nature, its size or the key that
// its session uses.
func (c *conn) takesLong(t *task) bool {
	return t.call.Valid() && len(t.body) > largeBody || c.isSlow(t)
}

// isSlow reports whether the request may take long by its nature or by the key that its
// session uses. It waits for much of that time.
func (c *conn) isSlow(t *task) bool {
	if !t.call.Valid() {
		return false
	}
	r := &routes[t.call]
	if r.slow || !r.byKey {
		return r.slow
	}
	return c.app.Load().slow.has(t.session)
}

// copyFrom takes over the request of another task, with a copy of its body.
func (t *task) copyFrom(from *task) {
	t.code, t.call, t.session = from.code, from.call, from.session
	t.own = append(t.own[:0], from.body...)
	t.body = t.own
}

// maxKept is the largest body memory that a task keeps for the next request.
const maxKept = 64 << 10

// wipe overwrites the request, which may contain a PIN or a key.
func (t *task) wipe() {
	clear(t.body)
	t.body = nil
	t.req = request{}
	if cap(t.own) > maxKept {
		t.own = nil
	}
}

func (s *Server) newTask(version byte) *task {
	t := s.tasks.Get().(*task)
	t.dec.Version, t.out.Version = version, version
	return t
}

func (s *Server) freeTask(t *task) {
	t.wipe()
	t.out.Reset()
	t.giveBack()
	t.refused = false
	s.tasks.Put(t)
}

// errPanicked is returned for a request that panicked. It has been logged.
var errPanicked = ck.Errorf(ck.CKR_GENERAL_ERROR, "panic in the handler")

// doGated runs do when the gate admits the request. A request whose connection has ended is
// dropped.
func (c *conn) doGated(g *gate, t *task) {
	t.begun = time.Now()
	now := t.begun.UnixNano()
	c.used.Store(now)
	if t.refused {
		c.endAfterError(t, errNoMemory)
		t.out.Error(t.code, ck.CKR_DEVICE_MEMORY)
		return
	}
	if c.srv.freezing.Load() {
		c.hand(t)
		t.wipe()
		return
	}
	c.srv.contention.note(c.ownerState, now)
	for {
		l := c.life.Load()
		if g.enter(l.ctx, now) == nil {
			break
		}
		if c.srv.freezing.Load() {
			c.hand(t)
			t.wipe()
			return
		}
		if c.life.Load() != l {
			continue // the server was frozen, and goes on
		}
		t.wipe()
		t.out.Error(t.code, ck.CKR_FUNCTION_CANCELED)
		return
	}
	defer g.leave()
	c.do(t)
}

// do handles the task's request, and adds the answer to the task's output. A request that
// breaks the protocol ends the connection.
func (c *conn) do(t *task) {
	c.calls.Add(1)
	c.srv.poll.working.Add(1)
	err := c.answer(t)
	c.srv.poll.working.Add(-1)
	if err != nil {
		c.finish(err)
		c.stopReading()
	}
}

// answer handles the request and writes its answer, or the answer for its error. If the
// request breaks the protocol, it writes nothing and returns an error.
func (c *conn) answer(t *task) error {
	err := c.handle(t)
	if err == nil {
		err = t.out.End()
	}
	if c.wasHanded(t, err) {
		t.wipe()
		t.out.Abandon()
		return nil
	}
	t.wipe()
	if err != nil {
		c.endAfterError(t, err)
	}
	if !errors.Is(err, p11rpc.ErrMalformed) {
		c.srv.opts.Observer.Called(t.call, ck.CodeOf(err), time.Since(t.begun))
	}
	if err == nil {
		return nil
	}
	t.out.Abandon()
	if errors.Is(err, p11rpc.ErrMalformed) {
		return err
	}
	rv := ck.CodeOf(err)
	c.logFailure(t, rv, err)
	t.out.Error(t.code, rv)
	return nil
}

// endAfterError ends the operation that an error of the request ends (PKCS#11 section 5.2). The
// engine does so itself with its own errors; here it is about requests that it does not hear
// of, and answers that cannot be sent.
func (c *conn) endAfterError(t *task, err error) {
	flags, client := t.call.Ends(), c.app.Load().get()
	if flags == 0 || t.session == 0 || client == nil || ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL || errors.Is(err, p11rpc.ErrMalformed) {
		return
	}
	_ = client.EndAfterError(t.session, flags) // an error says that there is no session
}

// handle decodes the request, calls the client and encodes the answer, except for its end.
func (c *conn) handle(t *task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic in a PKCS#11 call", "call", t.call.String(), "panic", p, "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	call, err := t.dec.Request(t.body)
	if err != nil {
		return err
	}
	t.out.BeginResponse(t.code, call)
	switch call {
	case p11rpc.CallInitialize:
		return c.initialize(&t.dec)
	case p11rpc.CallFinalize:
		return c.finalize(&t.dec)
	case p11rpc.CallJoin:
		how, err := c.join(&t.dec)
		if err == nil {
			t.out.Ulong(uint64(how))
		}
		return err
	}
	run := routes[call].run
	if run == nil {
		return ck.CKR_FUNCTION_NOT_SUPPORTED
	}
	app := c.app.Load()
	t.req = request{
		Decoder: &t.dec, out: &t.out.Encoder, answers: &t.out, purse: c.purse, app: app, client: app.get(), ctx: c.ctx(),
	}
	if t.req.client == nil {
		return ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	if routes[call].secret {
		secret.OnOwnStack(func() { err = run(&t.req) })
		return err
	}
	return run(&t.req)
}

// initialize is C_Initialize: it connects the application.
func (c *conn) initialize(d *p11rpc.Decoder) error {
	magic, _, _ := d.Data(), d.Byte(), d.Data()
	if err := d.Done(); err != nil {
		return err
	}
	if string(magic) != p11rpc.Magic {
		return ck.Errorf(ck.CKR_GENERAL_ERROR, "C_Initialize without the text that p11-kit clients begin with")
	}
	err := c.app.Load().begin(c.srv.numbers.Add(1), func() (Client, error) { return c.srv.connect(peerOf(c.peer)), nil })
	if c.ctx().Err() != nil {
		c.cancelCalls() // it began after the end
	}
	return err
}

// finalize is C_Finalize: it ends the application, which may initialize again.
func (c *conn) finalize(d *p11rpc.Decoder) error {
	if err := d.Done(); err != nil {
		return err
	}
	a := c.app.Load()
	c.srv.dropApplication(a)
	if !a.end() {
		return ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	switch {
	case a.joined == nil:
		c.calls.Store(0) // the next one on this connection is another application
	case a.joined.finalized != nil:
		a.joined.finalized()
	}
	return nil
}
