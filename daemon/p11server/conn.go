package p11server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

const (
	// handshakeTime is how long a client may take for its first byte, and
	// farewellTime how long the last answers may take to leave.
	handshakeTime = 10 * time.Second
	farewellTime  = 2 * time.Second
)

// conn is one connection of an application.
type conn struct {
	srv        *Server
	sock       *net.UnixConn
	peer       peer.Process
	log        *slog.Logger
	version    byte
	app        atomic.Pointer[application]
	purse      *meter.Purse // pays for what the connection holds
	owner      string       // who has to answer for it
	ownerState *owner       // with the owner's other connections
	begun      time.Time
	used       atomic.Int64  // time of the last request, as of time.UnixNano; 0 before it
	calls      atomic.Uint64 // requests that were handled
	life       atomic.Pointer[life]

	// What a planned restart needs; see handover.go.
	greeted   bool          // the handshake is over
	froze     chan struct{} // closed when the connection is frozen or has ended; Server.mu
	hasFrozen bool          // froze is closed; Server.mu
	deadlines sync.Mutex    // held while a read deadline is set
	handed    secret.Bytes  // requests for who goes on; finishMu
	unread    secret.Bytes  // they, and what has arrived after them

	in      *p11rpc.Reader
	polls   *pollReader
	overlap overlap
	queues  sessionQueues

	out      *answerWriter
	finishMu sync.Mutex
	finished bool
	evicted  bool  // its place was given away; Server.mu
	reason   error // why the connection ended
}

// life is the time in which calls of a connection may wait. It ends with the connection, and
// when the server is frozen; a server that goes on begins another.
type life struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newLife() *life {
	ctx, cancel := context.WithCancel(context.Background())
	return &life{ctx, cancel}
}

func (c *conn) ctx() context.Context { return c.life.Load().ctx }
func (c *conn) cancel()              { c.life.Load().cancel() }

func newConn(s *Server, sock *net.UnixConn, who peer.Process) *conn {
	c := &conn{
		srv: s, sock: sock, peer: who, log: s.log.With("uid", who.UID, "pid", who.PID),
		owner: s.opts.Owner(who.UID), begun: time.Now(),
	}
	c.app.Store(new(application))
	c.purse, _ = meter.Open(nil, 0, 0) // until it is admitted
	c.life.Store(newLife())
	c.queues.init()
	return c
}

// serve runs the connection to its end.
func (c *conn) serve() {
	defer c.sock.Close()
	defer c.purse.End()
	defer c.cancel()
	for c.serveUntilFrozen() {
		c.srv.tellFrozen(c)
		c.srv.waitThawed()
	}
	c.cancel()
	if c.srv.stopsReading(c.app.Load()) {
		c.cancelCalls()
	}
	if c.out != nil {
		c.out.leave(farewellTime)
	}
	c.queues.workers.Wait()
	c.srv.leave(c)
	c.logEnd()
}

// serveUntilFrozen serves the connection until it ends, or until the server is frozen, which
// frozen reports.
func (c *conn) serveUntilFrozen() (frozen bool) {
	if !c.greeted {
		if err := c.handshake(); err != nil {
			if c.isFreezing(err) {
				return true
			}
			c.finish(fmt.Errorf("connection without a handshake: %w", err))
			return false
		}
	}
	if err := c.readOn(); err != nil {
		c.finish(err)
		return false
	}
	if !c.read() {
		return false
	}
	c.queues.workers.Wait()
	return c.keepUnread() && !c.isFinished()
}

func (c *conn) handshake() error {
	c.setReadDeadline(time.Now().Add(handshakeTime))
	version, err := p11rpc.Accept(c.sock)
	if err != nil {
		return err
	}
	c.setReadDeadline(time.Time{})
	c.greeted, c.version = true, version
	return nil
}

// read reads requests until the connection ends, or until the server is frozen, which frozen
// reports. It handles a request itself, if no other request is likely to wait meanwhile.
func (c *conn) read() (frozen bool) {
	t := c.srv.newTask(c.version)
	t.purse = c.purse
	defer c.srv.freeTask(t)
	for !c.isFinished() {
		together := c.in.Ready()
		if !together || len(t.out.Bytes()) > maxTogether {
			c.flush(t)
			c.polls.expect()
		}
		if c.srv.freezing.Load() {
			frozen = true
			break
		}
		f, err := c.in.Next()
		if c.answerSkipped(t, err) {
			continue
		}
		c.Begun(false)
		if c.isFreezing(err) {
			frozen = true
			break
		}
		if err != nil {
			c.finish(err)
			break
		}
		t.load(f)
		pending := c.queues.pending()
		if !together {
			c.overlap.observe(pending > 0 || !c.polls.waited && t.session != c.overlap.last)
		}
		c.overlap.last = t.session
		switch {
		case t.call == p11rpc.CallWaitForSlotEvent:
			c.startWaiting(t)
		case c.overlap.likely, pending > 0 && c.queues.has(t.session), c.takesLong(t):
			c.handOff(t)
		default:
			c.doGated(&c.ownerState.quick, t) // slow has said so
		}
	}
	c.flush(t)
	return frozen
}

// overlap estimates from recent requests whether calls overlap. If they do, the goroutine that
// reads does not handle requests.
type overlap struct {
	likely bool
	score  int              // 0 to crowdScore
	last   ck.SessionHandle // of the request before
}

// crowdScore is the number of consecutive observations before the estimate changes.
const crowdScore = 8

func (c *overlap) observe(overlap bool) {
	if overlap {
		c.score = min(c.score+1, crowdScore)
	} else {
		c.score = max(c.score-1, 0)
	}
	switch c.score {
	case 0:
		c.likely = false
	case crowdScore:
		c.likely = true
	}
}

// cancelCalls ends calls that wait, and slow work whose client is gone. During a shutdown,
// slow work is finished.
func (c *conn) cancelCalls() {
	c.cancel()
	if client := c.app.Load().get(); client != nil && !c.srv.isClosing() {
		client.Cancel()
	}
}

// handOff gives the task's request to another goroutine.
func (c *conn) handOff(t *task) {
	if !c.queues.hasRoom(len(t.body)) {
		c.flush(t) // before waiting
		defer c.watchHangup()()
	}
	own := c.detach(t)
	if own == nil {
		return
	}
	if c.queues.join(own) {
		c.srv.poll.working.Add(1)
		go c.runQueue(own)
	}
}

// maxTogether bounds answers that are sent together. They are sent earlier if the next request
// may take long.
const maxTogether = 16 << 10

// runQueue handles a request, and those that were queued for its session meanwhile.
func (c *conn) runQueue(t *task) {
	defer c.queues.workers.Done()
	defer c.srv.poll.working.Add(-1)
	for t != nil {
		size := len(t.body)
		c.doGated(c.gateOf(t), t)
		next := c.queues.next(t.session, size)
		if next == nil || c.takesLong(next) || len(t.out.Bytes()) > maxTogether {
			c.flush(t)
		} else {
			t.out, next.out = next.out, t.out // one write for both
		}
		c.srv.freeTask(t)
		t = next
	}
}

// startWaiting runs a C_WaitForSlotEvent in a goroutine of its own.
func (c *conn) startWaiting(t *task) {
	if !c.queues.addWait() {
		c.log.Warn("refused C_WaitForSlotEvent: too many are waiting on this connection already", "limit", maxWaits)
		t.out.Error(t.code, ck.CKR_FUNCTION_FAILED)
		return
	}
	own := c.detach(t)
	if own == nil {
		c.queues.endWait()
		c.queues.workers.Done()
		return
	}
	go func() {
		defer c.queues.workers.Done()
		defer c.srv.freeTask(own)
		own.begun = time.Now()
		c.used.Store(own.begun.UnixNano())
		c.do(own)
		c.queues.endWait() // before the client can know
		c.flush(own)
	}()
}

// flush sends the answers that are in the task.
func (c *conn) flush(t *task) {
	if len(t.out.Bytes()) == 0 {
		return
	}
	err := c.out.send(t.out.Bytes())
	t.out.Reset()
	t.out.settle(c.purse)
	if err != nil {
		c.finish(err)
		c.stopReading()
	}
}

// stopReading makes the reader see the end of the connection.
func (c *conn) stopReading() { _ = c.sock.CloseRead() }

// finish records why the connection ends. The first reason stays.
func (c *conn) finish(err error) {
	c.finishMu.Lock()
	defer c.finishMu.Unlock()
	if !c.finished {
		c.finished, c.reason = true, err
	}
}

func (c *conn) isFinished() bool {
	c.finishMu.Lock()
	defer c.finishMu.Unlock()
	return c.finished
}

func (c *conn) logEnd() {
	switch {
	case errors.Is(c.reason, p11rpc.ErrMalformed):
		c.log.Warn("PKCS#11 connection cut off: the client violates the protocol", "error", c.reason)
	case errors.Is(c.reason, os.ErrDeadlineExceeded):
		c.log.Warn("PKCS#11 connection cut off: the client sent only a part of a request, or does not read its answers", "error", c.reason)
	case errors.Is(c.reason, io.EOF):
		c.log.Debug("PKCS#11 connection closed")
	default:
		c.log.Debug("PKCS#11 connection lost", "error", c.reason)
	}
}

// logFailure logs a failed call, at a level that depends on its code.
func (c *conn) logFailure(t *task, rv ck.Error, err error) {
	level := slog.LevelDebug
	switch rv {
	case ck.CKR_GENERAL_ERROR, ck.CKR_FUNCTION_FAILED, ck.CKR_HOST_MEMORY, ck.CKR_DEVICE_ERROR, ck.CKR_DEVICE_MEMORY:
		level = slog.LevelError
	case ck.CKR_TEMPLATE_INCOMPLETE, ck.CKR_TEMPLATE_INCONSISTENT, ck.CKR_ATTRIBUTE_READ_ONLY,
		ck.CKR_ATTRIBUTE_VALUE_INVALID:
		level = slog.LevelInfo // the code does not say which attribute, the line does
	}
	if over := (*record.OverQuota)(nil); errors.Is(err, meter.ErrOver) || errors.As(err, &over) {
		level = slog.LevelDebug // it is counted, and a client that wants too much must not fill the log
	}
	if errors.Is(err, errPanicked) || !c.log.Enabled(context.Background(), level) {
		return
	}
	c.log.Log(context.Background(), level, "PKCS#11 call failed",
		"call", t.call.String(), "request", t.code, "code", rv.Error(), "error", err)
}
