package remote

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

// Client is the daemon as one C_Initialize sees it. Its methods are the
// functions of PKCS#11 without their C_, and are safe for concurrent use. Their
// errors carry a CK_RV (see ck.CodeOf), CKR_CRYPTOKI_NOT_INITIALIZED after Close.
//
// Slices that are passed in are not kept, and nothing that is returned belongs
// to a connection.
type Client struct {
	options Options
	closed  atomic.Bool
	closing atomic.Uint32 // futex of those that wait for a daemon

	// The application that the daemon knows. The ticket proves it.
	id     [p11rpc.ApplicationIDSize]byte
	ticket secret.Bytes

	dialing  sync.Mutex           // one thread connects
	newest   byte                 // version of the protocol to offer; dialing
	leaving  bool                 // Close connects once more; dialing
	unsure   bool                 // whether the daemon has the sessions; dialing
	unproven atomic.Pointer[conn] // the connection that is being made
	life     atomic.Uint64        // counts the daemons that there were; 0 before the first
	poolMu   sync.Mutex           // of those that change pool
	pool     atomic.Pointer[[]*conn]
	first    atomic.Pointer[conn] // of the pool, or the last that was
	crowd    atomic.Bool          // the pool has more than one
	swept    atomic.Int64         // when it was last searched for idle ones
	refused  atomic.Int64         // until when no more are asked for

	inits    atomic.Uint64 // counts what may change whether a SignInit is accepted
	spare    sync.Pool     // of *exchange
	sessions sessionTable
}

// New is a client that has not connected yet. It fails with nothing: a daemon
// that is not there is met by the calls.
func New(o Options) *Client {
	if o.Descriptors == nil {
		o.Descriptors = systemDescriptors{}
	}
	c := &Client{options: o, newest: p11rpc.Joined}
	if err := c.identify(); err != nil {
		c.newest = p11rpc.Extended // one connection, without an identity
		c.options.Trace.note(err)
	}
	c.sessions.init(firstHandle())
	return c
}

// firstHandle is where session handles start. It differs from client to client,
// so that a handle from before C_Finalize is hardly ever one after it. It is no
// secret; and package crypto/rand would start a timer, which leaves two
// descriptors open in the host.
func firstHandle() ck.SessionHandle { return ck.SessionHandle(rand.Uint32()>>2 + 1) }

// identify makes the application's id and ticket. It asks the kernel itself, because package
// crypto/rand would leave descriptors open.
func (c *Client) identify() error {
	var random [p11rpc.ApplicationIDSize + p11rpc.TicketSize]byte
	defer clear(random[:])
	for {
		n, err := unix.Getrandom(random[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != len(random) {
			return ck.Errorf(ck.CKR_FUNCTION_FAILED, "ask the kernel for %d random bytes: %w", len(random), err)
		}
		c.id = [p11rpc.ApplicationIDSize]byte(random[:p11rpc.ApplicationIDSize])
		c.ticket = append(secret.Bytes(nil), random[p11rpc.ApplicationIDSize:]...)
		return nil
	}
}

// Trace is where calls are written to, or nil.
func (c *Client) Trace() *Trace { return c.options.Trace }

// goodbye is how long Close waits for the daemon.
const goodbye = 3 * time.Second

// Close ends the client: C_Finalize. Every call under way answers
// CKR_CRYPTOKI_NOT_INITIALIZED at once, which NSS waits for in C_WaitForSlotEvent. When Close
// returns, the daemon has let go of the sessions, unless it takes longer than three seconds.
func (c *Client) Close() {
	c.closed.Store(true)
	c.closing.Store(1)
	futexWake(&c.closing)
	var last *conn
	alive := false
	for _, n := range c.conns() {
		alive = alive || !n.lost()
		if last == nil && n.claim() {
			last = n
			continue
		}
		n.lose(errClosed())
	}
	if n := c.unproven.Load(); n != nil && n != last {
		n.lose(errClosed())
	}
	c.dialing.Lock() // until a connection that was being made is there or is not
	defer c.dialing.Unlock()
	for _, n := range c.conns() {
		if n != last {
			n.lose(errClosed())
		}
	}
	if alive || c.sessions.any() {
		c.sayGoodbye(last)
	}
	c.ticket.Wipe()
}

// sayGoodbye tells the daemon that the application ends, on a connection that nobody uses. If
// there is none, because other threads' calls were on all, because they were lost, or because the
// daemon gave this one up, the daemon gets a new one: it keeps the sessions of a process that
// lives.
func (c *Client) sayGoodbye(n *conn) {
	first := c.first.Load()
	if first == nil {
		return
	}
	until := time.Now().Add(min(goodbye, c.options.Timeout))
	for range mostLosses {
		if n == nil {
			if first.version != p11rpc.Joined {
				return // the sessions went with the connection
			}
			c.leaving = true
			var err error
			if n, err = c.dialGoodbye(until); err != nil {
				return
			}
		}
		x := c.request(nil, p11rpc.CallFinalize, n.version)
		err := n.ask(x, until)
		over := x.fate == answered && !endsHere(err) || x.fate == late
		x.free()
		n.lose(errClosed())
		n = nil
		if over || !time.Now().Before(until) {
			return
		}
	}
}

// dialGoodbye connects once more. A daemon that has no room for the connection has as soon as it
// has noticed the end of the others.
func (c *Client) dialGoodbye(until time.Time) (*conn, error) {
	for {
		n, _, err := c.dialAs(p11rpc.Joined, until)
		now := time.Now()
		if ck.CodeOf(err) != ck.CKR_DEVICE_MEMORY || !now.Before(until) {
			return n, err
		}
		futexWait(&c.closing, 1, now.Add(firstPause))
	}
}

// giveUp ends the connection that is being made.
func (c *Client) giveUp() {
	if n := c.unproven.Load(); n != nil {
		n.lose(errClosed())
	}
}

func errClosed() error {
	return ck.Errorf(ck.CKR_CRYPTOKI_NOT_INITIALIZED, "the library was finalized meanwhile")
}

// connected is the connection of a call that needs no session, made where there is none.
// Where wait is set, it waits for a daemon that was there before.
func (c *Client) connected(wait bool) (*conn, error) {
	for {
		if c.closed.Load() {
			return nil, errClosed()
		}
		if n := c.first.Load(); n != nil && !n.lost() {
			return n, nil
		}
		until := time.Now()
		if wait {
			until = until.Add(c.options.Timeout)
		}
		if err := c.reconnect(until); err != nil {
			return nil, err
		}
	}
}

// begin starts a request that needs no session.
func (c *Client) begin(call p11rpc.CallID) (*exchange, error) {
	n, err := c.connected(true)
	if err != nil {
		return nil, err
	}
	return c.request(nil, call, n.version), nil
}
