package remote

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Client is the daemon as one C_Initialize sees it. Its methods are the
// functions of PKCS#11 without their C_, and are safe for concurrent use. Their
// errors carry a CK_RV (see ck.CodeOf), CKR_CRYPTOKI_NOT_INITIALIZED after Close.
//
// Slices that are passed in are not kept, and nothing that is returned belongs
// to the connection.
type Client struct {
	options Options
	closed  atomic.Bool
	closing atomic.Uint32 // futex of those that wait for a daemon
	conn    atomic.Pointer[conn]

	dialing  sync.Mutex
	newest   byte                 // version of the protocol to offer
	unproven atomic.Pointer[conn] // the connection that is being made

	sessions sessionTable
}

// New is a client that has not connected yet. It fails with nothing: a daemon
// that is not there is met by the calls.
func New(o Options) *Client {
	if o.Descriptors == nil {
		o.Descriptors = systemDescriptors{}
	}
	c := &Client{options: o, newest: p11rpc.Extended}
	c.sessions.init(firstHandle())
	return c
}

// firstHandle is where session handles start. It differs from client to client,
// so that a handle from before C_Finalize is hardly ever one after it. It is no
// secret; and package crypto/rand would start a timer, which leaves two
// descriptors open in the host.
func firstHandle() ck.SessionHandle { return ck.SessionHandle(rand.Uint32()>>2 + 1) }

// Trace is where calls are written to, or nil.
func (c *Client) Trace() *Trace { return c.options.Trace }

// Close ends the client: C_Finalize. Every call under way answers
// CKR_CRYPTOKI_NOT_INITIALIZED at once, which NSS waits for in C_WaitForSlotEvent. The daemon sees the connection
// end, which takes everything else with it.
func (c *Client) Close() {
	c.closed.Store(true)
	c.closing.Store(1)
	futexWake(&c.closing)
	c.giveUp()
	c.dialing.Lock() // until a connection that was being made is there or is not
	defer c.dialing.Unlock()
	c.giveUp()
}

// giveUp ends the connection and the one that is being made.
func (c *Client) giveUp() {
	for _, n := range []*conn{c.conn.Load(), c.unproven.Load()} {
		if n != nil {
			n.lose(errClosed())
		}
	}
}

func errClosed() error {
	return ck.Errorf(ck.CKR_CRYPTOKI_NOT_INITIALIZED, "the library was finalized meanwhile")
}

// connected is the connection, made anew where there is none.
func (c *Client) connected() (*conn, error) {
	if n := c.conn.Load(); n != nil && !n.lost() && !n.hungUp() {
		return n, nil
	}
	c.dialing.Lock()
	defer c.dialing.Unlock()
	if c.closed.Load() {
		return nil, errClosed()
	}
	if n := c.conn.Load(); n != nil && !n.lost() {
		return n, nil
	}
	n, err := c.dial()
	if c.closed.Load() {
		c.giveUp()
		return nil, errClosed()
	}
	if err != nil {
		c.options.Trace.note(err)
		return nil, err
	}
	c.conn.Store(n)
	return n, nil
}

// dial tries the newest version, and older ones where the server hangs up on
// that, as p11-kit up to 0.24 does, or chooses one that is not known here.
func (c *Client) dial() (*conn, error) {
	n, err := dial(c.options, c.newest, c.starting)
	if err == nil || c.newest == 0 || ck.CodeOf(err) != ck.CKR_GENERAL_ERROR || errors.Is(err, os.ErrDeadlineExceeded) {
		return n, dialError(err)
	}
	for _, older := range []byte{p11rpc.MaxVersion, 0} {
		if older >= c.newest {
			continue
		}
		n, failed := dial(c.options, older, c.starting)
		switch {
		case failed == nil:
			c.newest = older
			return n, nil
		case ck.CodeOf(failed) == ck.CKR_DEVICE_MEMORY:
			return nil, failed // it is understood, and has no room
		}
	}
	return nil, dialError(err)
}

// starting notes a connection that is being made. It is given up at once where
// Close came before.
func (c *Client) starting(n *conn) {
	c.unproven.Store(n)
	if c.closed.Load() {
		n.lose(errClosed())
	}
}

// dialError gives the errors of the handshake a code.
func dialError(err error) error {
	if err != nil && ck.CodeOf(err) == ck.CKR_GENERAL_ERROR {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "what listens on the socket is no daemon that we understand: %w", err)
	}
	return err
}

// hungUp looks whether the daemon closed an idle connection, and gives it up
// then: calls that need no session go on with a new one.
func (n *conn) hungUp() bool {
	n.mu.Lock()
	busy := n.users > 0 || n.dead != nil
	if !busy {
		n.users++
	}
	n.mu.Unlock()
	if busy {
		return n.lost()
	}
	defer n.leave()
	var b [1]byte
	got, _, err := syscall.Recvfrom(n.sock.fd, b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if err == nil && got == 0 || errors.Is(err, syscall.ECONNRESET) {
		n.lose(lostError(errHungUp))
		return true
	}
	return false
}

var errHungUp = errors.New("the daemon closed it")

// begin starts a request that needs no session.
func (c *Client) begin(call p11rpc.CallID) (*exchange, error) {
	n, err := c.connected()
	if err != nil {
		return nil, err
	}
	return n.begin(call), nil
}
