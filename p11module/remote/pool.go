package remote

import (
	"errors"
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// The connections of a client. A call takes the connection that its session used last. Where
// another thread's call is on it, the call takes an idle one, or opens one more, or shares
// one. For a host with one thread that is a compare-and-swap.

const (
	// maxConns bounds the connections of a client.
	maxConns = 16
	// idleTime is how long a connection beyond the first is kept without a call.
	idleTime = 10 * time.Second
	// sweepEach is how often a call looks for idle connections.
	sweepEach = time.Second
	// refusedTime is how long no further connection is asked for after one was refused, and
	// failedTime after the daemon did not answer.
	refusedTime = 10 * time.Second
	failedTime  = time.Second
	// growTime bounds how long a call waits for one more connection: it could share one.
	growTime = 200 * time.Millisecond
)

// errRetired is why a connection was closed whose daemon said that it ends.
var errRetired = errors.New("the daemon ends")

// claim takes a connection that no call is on.
func (n *conn) claim() bool { return !n.lost() && n.busy.CompareAndSwap(0, 1) }

// acquire finds a connection for a call, which releases it afterwards. Where there is none,
// it connects, and waits for a daemon that was there before.
func (c *Client) acquire(s *session, now time.Time) (*conn, error) {
	if c.crowd.Load() {
		c.sweep(now)
	}
	n := c.first.Load()
	if s != nil {
		if s.pin.Load() != nil {
			return c.acquireFor(s, now)
		}
		n = s.conn.Load()
	}
	if n != nil && n.claim() {
		return n, nil
	}
	return c.acquireFor(s, now)
}

func (c *Client) acquireFor(s *session, now time.Time) (*conn, error) {
	until := now.Add(c.options.Timeout)
	for {
		if c.closed.Load() {
			return nil, errClosed()
		}
		if s != nil {
			if n, err := s.bound(); n != nil || err != nil {
				return n, err
			}
		}
		if n := c.pick(now); n != nil {
			if s != nil {
				s.conn.Store(n)
			}
			return n, nil
		}
		if err := c.reconnect(until); err != nil {
			return nil, err
		}
	}
}

// bound is the connection that the session's next call has to go on, or nil.
func (s *session) bound() (*conn, error) {
	if s.gone.Load() {
		return nil, ck.Errorf(ck.CKR_SESSION_HANDLE_INVALID, "the session went with the daemon that had it, open a new one")
	}
	if s.version != p11rpc.Joined {
		n := s.conn.Load()
		n.busy.Add(1)
		return n, nil
	}
	p := s.pin.Load()
	if p == nil {
		return nil, nil
	}
	if !p.conn.lost() {
		p.conn.busy.Add(1)
		s.conn.Store(p.conn)
		return p.conn, nil
	}
	if s.pin.CompareAndSwap(p, nil) {
		s.doubt(p.flags)
	}
	return nil, nil
}

// pin binds a session to a connection on which a request of it went that nobody waits for,
// because a request on another connection might overtake it.
type pin struct {
	conn  *conn
	code  uint32
	flags ck.Flags // of the operations that the request was to end
}

// unpin unbinds the session where the daemon has answered a later request.
func (s *session) unpin(x *exchange) {
	p := s.pin.Load()
	if p != nil && p.conn == x.conn && int32(x.code-p.code) > 0 {
		s.pin.CompareAndSwap(p, nil)
	}
}

// pick takes an idle connection, opens another, or shares one; nil where there is none.
func (c *Client) pick(now time.Time) *conn {
	all := c.conns()
	var least *conn
	for _, n := range all {
		if n.claim() {
			return n
		}
		if !n.lost() && (least == nil || n.busy.Load() < least.busy.Load()) {
			least = n
		}
	}
	if least == nil {
		return nil
	}
	if n := c.grow(now); n != nil {
		return n
	}
	least.busy.Add(1)
	return least
}

// grow opens one more connection, and takes it. It returns nil where there may be no more,
// or another thread is connecting already.
func (c *Client) grow(now time.Time) *conn {
	first := c.first.Load()
	if first == nil || first.version != p11rpc.Joined || now.UnixNano() < c.refused.Load() || !c.dialing.TryLock() {
		return nil
	}
	defer c.dialing.Unlock()
	if len(c.prune()) >= maxConns || c.closed.Load() {
		return nil
	}
	n, err := c.open(now.Add(min(growTime, c.options.Timeout)))
	if err != nil {
		pause := refusedTime
		if ck.CodeOf(err) == ck.CKR_DEVICE_REMOVED {
			pause = failedTime
		}
		c.refused.Store(now.Add(pause).UnixNano())
		return nil
	}
	return n
}

// release ends a call on a connection that began at that time.
func (c *Client) release(n *conn, began time.Time) {
	n.used.Store(began.UnixNano())
	if n.busy.Add(-1) == 0 && n.lost() {
		n.lose(errRetired)
	}
}

func (c *Client) conns() []*conn {
	if all := c.pool.Load(); all != nil {
		return *all
	}
	return nil
}

// prune forgets connections that are lost, and returns the others.
func (c *Client) prune() []*conn {
	c.poolMu.Lock()
	defer c.poolMu.Unlock()
	return c.setPool(slices.DeleteFunc(slices.Clone(c.conns()), (*conn).lost))
}

func (c *Client) add(n *conn) {
	c.poolMu.Lock()
	defer c.poolMu.Unlock()
	c.setPool(append(slices.DeleteFunc(slices.Clone(c.conns()), (*conn).lost), n))
}

// setPool is called with poolMu locked. The first connection stays known when it is lost.
func (c *Client) setPool(all []*conn) []*conn {
	c.pool.Store(&all)
	if len(all) > 0 {
		c.first.Store(all[0])
	}
	c.crowd.Store(len(all) > 1)
	return all
}

// sweep closes connections that were idle for long, but one.
func (c *Client) sweep(now time.Time) {
	last := c.swept.Load()
	if now.UnixNano()-last < int64(sweepEach) || !c.swept.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	left := len(c.prune())
	for _, n := range c.conns() {
		if left > 1 && now.UnixNano()-n.used.Load() > int64(idleTime) && n.claim() {
			n.lose(errIdle)
			c.release(n, now)
			left--
		}
	}
	c.prune()
}
