package remote

import (
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// conn is one connection. Callers send their frames and wait; the first that
// waits leads: it reads the socket and hands every answer to its owner until it
// has its own, and then gives the lead to another that still waits.
type conn struct {
	sock        socket
	descriptors Descriptors
	reader      *p11rpc.Reader
	version     byte
	limit       time.Duration

	code   atomic.Uint32 // of the last request
	inits  atomic.Uint64 // counts what may change whether a SignInit is accepted
	isDead atomic.Bool

	spare   sync.Pool  // of *exchange
	sending sync.Mutex // one frame, or several in a row, at a time

	mu      sync.Mutex
	pending map[uint32]*exchange
	leading bool
	users   int   // callers that may touch the socket
	dead    error // why the connection is lost; nil while it is not
}

// What an exchange's state says to the thread that waits for it.
const (
	stateWaiting uint32 = iota
	stateDone           // the answer is in body, or err says why there is none
	stateLead           // nobody reads: do
)

// dial connects, agrees on a version and introduces itself. newest is the
// version to offer; started gets the connection before it is ready, so that
// another thread can give it up.
func dial(o Options, newest byte, started func(*conn)) (*conn, error) {
	fd, err := o.Descriptors.Open()
	if err != nil {
		return nil, ck.Errorf(ck.CKR_HOST_MEMORY, "make a socket: %w", err)
	}
	c := &conn{descriptors: o.Descriptors, limit: o.Timeout, pending: make(map[uint32]*exchange), users: 1}
	defer c.leave()
	c.sock.fd = fd
	started(c)
	path := o.Socket()
	if err := connect(fd, path, o.Timeout); err != nil {
		err = connectError(path, err)
		c.lose(err)
		return nil, err
	}
	if err := checkServer(fd, path, o.ServerUser); err != nil {
		c.lose(err)
		return nil, err
	}
	if err := c.greet(newest); err != nil {
		c.lose(err)
		return nil, err
	}
	return c, nil
}

// checkServer refuses a server that is not to hear a PIN. Who made the socket's file is
// another question: whoever may write to the folder can put any socket there.
func checkServer(fd int, path string, also uint32) error {
	server, err := peerUser(fd)
	if err != nil {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "ask the kernel who serves %s: %w", path, err)
	}
	self := uint32(os.Geteuid())
	if !trusts(server, self, also) {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "%s is served by the user %d, who is neither root nor the user of this process (%d): "+
			"nothing was sent; if that user's daemon is to be trusted, set VTOKEN_P11_SERVER_UID=%d", path, server, self, server)
	}
	return nil
}

// trusts reports whether a process of the user self may send PINs to a server that runs
// as the user server: root and self read the memory of the process anyway.
func trusts(server, self, also uint32) bool {
	return server == 0 || server == self || server == also
}

// greet is the handshake and C_Initialize.
func (c *conn) greet(newest byte) error {
	deadline := time.Now().Add(c.limit)
	c.sock.deadline = deadline
	version, err := p11rpc.Offer(handshake{&c.sock, deadline}, newest)
	if err != nil {
		return err
	}
	c.version = version
	c.reader = p11rpc.NewReader(&c.sock)
	x := c.begin(p11rpc.CallInitialize)
	defer x.free()
	x.enc.Data([]byte(p11rpc.Magic))
	x.enc.Byte(0) // no reserved argument, which is sent as an empty text
	x.enc.Data([]byte{0})
	if err := x.plain(); ck.CodeOf(err) == ck.CKR_DEVICE_MEMORY {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "the daemon refuses the connection: this user has too many there, or makes it hold too much memory; "+
			"end some applications, or raise --max-connections or --max-memory of vtokend, whose log says which")
	} else if err != nil {
		return err
	}
	return nil
}

// handshake is the socket as io.ReadWriter.
type handshake struct {
	io.Reader
	deadline time.Time
}

func (h handshake) Write(p []byte) (int, error) {
	return len(p), h.Reader.(*socket).write(p, h.deadline)
}

// lost reports whether the connection is of no more use.
func (c *conn) lost() bool { return c.isDead.Load() }

// lose gives the connection up: whoever waits on it is told why.
func (c *conn) lose(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return
	}
	c.dead = why
	c.isDead.Store(true)
	shutdown(c.sock.fd) // wakes the thread that reads
	for code, x := range c.pending {
		delete(c.pending, code)
		x.finish(why)
	}
	c.closeUnused()
}

// closeUnused closes the socket of a lost connection after its last user. Until
// then the number must not mean another file.
func (c *conn) closeUnused() {
	if c.dead != nil && c.users == 0 && c.sock.fd >= 0 {
		c.descriptors.Close(c.sock.fd)
		c.sock.fd = -1
	}
}

// roundTrip sends the frames of the exchanges in one write and waits until each
// has its answer, which is when the last has its, as the daemon keeps the order. An
// exchange without an answer has its error set; what is returned is about the
// connection.
func (c *conn) roundTrip(limit time.Duration, list ...*exchange) error {
	if err := c.join(list); err != nil {
		return err
	}
	defer c.leave()
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := c.write(list, deadline); err != nil {
		c.lose(lostError(err))
	}
	for i := len(list) - 1; i >= 0; i-- {
		c.wait(list[i], deadline)
	}
	return nil
}

// post sends the frame of an exchange that nobody waits for.
func (c *conn) post(x *exchange) error {
	if err := c.join(nil); err != nil {
		return err
	}
	defer c.leave()
	err := c.write([]*exchange{x}, time.Now().Add(c.limit))
	if err != nil {
		err = lostError(err)
		c.lose(err)
	}
	return err
}

// join registers the exchanges, so that their answers find them.
func (c *conn) join(list []*exchange) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead != nil {
		return c.dead
	}
	c.users++
	for _, x := range list {
		x.hasWaiter = false
		c.pending[x.code] = x
	}
	return nil
}

func (c *conn) leave() {
	c.mu.Lock()
	c.users--
	c.closeUnused()
	c.mu.Unlock()
}

// write sends the frames. All but the last stand in front of the last one's.
func (c *conn) write(list []*exchange, deadline time.Time) error {
	c.sending.Lock()
	defer c.sending.Unlock()
	if len(list) == 1 {
		return c.sock.write(list[0].enc.Bytes(), deadline)
	}
	var frames []byte
	for _, x := range list {
		frames = append(frames, x.enc.Bytes()...)
	}
	defer clear(frames)
	return c.sock.write(frames, deadline)
}

// wait returns when x is done.
func (c *conn) wait(x *exchange, deadline time.Time) {
	for x.state.Load() != stateDone {
		if c.takeLead(x) {
			c.lead(x, deadline)
			c.passLead()
			continue
		}
		futexWait(&x.state, stateWaiting, deadline)
		if !deadline.IsZero() && x.state.Load() == stateWaiting && !time.Now().Before(deadline) {
			c.lose(lostError(errTimeout))
		}
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

// lead reads until x is done.
func (c *conn) lead(x *exchange, deadline time.Time) {
	c.sock.deadline = deadline
	for x.state.Load() != stateDone {
		frame, err := c.reader.Next()
		if err != nil {
			c.lose(lostError(err))
			return
		}
		if owner := c.take(frame.Code); owner != nil {
			owner.body = append(owner.body[:0], frame.Body...)
			owner.finish(nil)
		}
	}
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

func lostError(err error) error {
	return ck.Errorf(ck.CKR_DEVICE_REMOVED, "connection to the daemon lost, open a new session: %w", err)
}

func connectError(path string, err error) error {
	if isPermission(err) {
		return ck.Errorf(ck.CKR_ACTION_PROHIBITED,
			"connect to %s: %w: this user may not open the socket, ask for its group or for VTOKEN_P11_SOCKET", path, err)
	}
	return ck.Errorf(ck.CKR_DEVICE_REMOVED, "connect to %s: %w: is vtokend running? VTOKEN_P11_SOCKET names another socket", path, err)
}
