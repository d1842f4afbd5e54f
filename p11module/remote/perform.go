package remote

import (
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// mostLosses is how many connections one call may lose. A call that ends the daemon each
// time must not do so for ever.
const mostLosses = 16

// perform sends requests in one write, waits until each has its answer, and opens the
// answers. What the daemon said is in each exchange; what is returned is why the last one
// has no answer. Where the connection is lost, perform sends them again if they may be (see
// resend.go). The session is nil for calls that need none.
func (c *Client) perform(s *session, list ...*exchange) error {
	err := c.performUntil(s, list)
	if err != nil && s != nil {
		s.refuse(list[len(list)-1].call)
	}
	return err
}

func (c *Client) performUntil(s *session, list []*exchange) error {
	x := list[len(list)-1]
	limit := x.limit()
	var doubt uint64 // the life in which the daemon may have done it; 0 is none
	for losses := 0; ; losses++ {
		now := time.Now()
		n, err := c.acquire(s, now)
		if err != nil {
			return err
		}
		n.yield(now)
		if doubt != 0 && !x.mayRepeat(n.life != doubt) {
			// The connection may be one of a daemon that has ended, which nobody has noticed yet.
			lives := !x.mayRepeat(true) || n.answers(now.Add(c.options.Timeout))
			c.release(n, now)
			if lives {
				return x.unknown()
			}
			continue
		}
		if x.enc.Version != n.version {
			c.release(n, now)
			return ck.Errorf(ck.CKR_DEVICE_REMOVED, "the daemon was replaced by one that speaks version %d, not %d: call %v again",
				n.version, x.enc.Version, x.call)
		}
		err = c.attempt(s, n, deadline(now, limit), list, losses > 0)
		c.release(n, now)
		switch {
		case err != nil:
			return err
		case x.fate == answered:
			return nil
		case c.closed.Load():
			return errClosed()
		case x.fate == late:
			return x.tooLate(n, limit)
		case s != nil && n.version != p11rpc.Joined:
			return n.why()
		case x.fate == lost && !x.mayRepeat(true), losses == mostLosses:
			return x.unknown()
		case x.fate == lost:
			doubt, x.repeated = n.life, true
		}
	}
}

// answers reports whether the daemon at the other end still lives. It asks, because the
// connections of one that ends are not closed at the same moment.
func (n *conn) answers(until time.Time) bool {
	x := n.client.request(nil, p11rpc.CallGetSessionInfo, n.version)
	defer x.free()
	x.enc.Ulong(ck.InvalidHandle) // any answer will do
	_ = n.ask(x, until)
	return x.fate == answered
}

// deadline is when a limit is over that begins now; zero where there is none.
func deadline(now time.Time, limit time.Duration) time.Time {
	if limit == 0 {
		return time.Time{}
	}
	return now.Add(limit)
}

// attempt sends the requests on a connection, and what has to go ahead of them. The error is
// what the daemon said to that.
func (c *Client) attempt(s *session, n *conn, deadline time.Time, list []*exchange, resent bool) error {
	var front []*exchange
	switch {
	case s == nil:
	case n.version == p11rpc.Joined:
		front = s.ahead(n, list, resent)
	default:
		s.endByCalls(n, deadline)
	}
	if front == nil {
		n.roundTrip(deadline, list)
	} else {
		n.roundTrip(deadline, slices.Concat(front, list))
		defer func() {
			for _, x := range front {
				x.free()
			}
		}()
		switch err := s.passed(front); {
		case endsHere(err):
			n.retire()
			list[len(list)-1].fate = unsent
			return nil
		case err != nil:
			return err
		}
	}
	x := list[len(list)-1]
	if x.fate != answered {
		return nil
	}
	if s != nil {
		s.unpin(x)
	}
	for _, y := range list {
		_ = y.open() // the error stays in y
		if endsHere(y.answer) && n.version == p11rpc.Joined {
			n.retire()
			x.fate = unsent
		}
	}
	return nil
}

// endsHere reports whether an answer says that the daemon ends, and has not begun what was
// asked.
func endsHere(answer error) bool { return ck.CodeOf(answer) == ck.CKR_FUNCTION_CANCELED }

// mayRepeat reports whether a request that the daemon may have done is sent again. restarted
// says that the daemon was started again since.
func (x *exchange) mayRepeat(daemonRestarted bool) bool {
	switch resend[x.call].again {
	case always:
		return x.call != p11rpc.CallSign || !x.session.signatureCounts()
	case restarted:
		return daemonRestarted
	}
	return false
}

// unknown is the error of a request of which nobody knows whether it was done.
func (x *exchange) unknown() error {
	if x.session != nil {
		x.session.doubt(disturbs(x.call))
	}
	if x.fate != lost {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "the daemon ended %d connections, and %v was not done: call it again", mostLosses, x.call)
	}
	return ck.Errorf(ck.CKR_DEVICE_REMOVED,
		"the daemon ended the connection during %v, as when it is restarted: it may have been done or not, so look before you call it again", x.call)
}

// tooLate is the error of a request that was not answered in time.
func (x *exchange) tooLate(n *conn, limit time.Duration) error {
	if n.version != p11rpc.Joined {
		n.lose(lostError(errTimeout))
		return n.why()
	}
	if s := x.session; s != nil && resend[x.call].because != reads {
		s.doubt(cancelAll)
		s.pin.Store(&pin{conn: n, code: x.code})
	}
	return ck.Errorf(ck.CKR_DEVICE_REMOVED,
		"the daemon did not answer %v within %v: it may still do it; the session stays: %w", x.call, limit, errTimeout)
}
