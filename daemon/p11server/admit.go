package p11server

import (
	"errors"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
)

// errClosing is returned for connections to a server that shuts down.
var errClosing = errors.New("the server shuts down")

// admit counts the connection, if the limits allow it.
func (s *Server) admit(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errClosing
	}
	if err := s.opts.Places.Charge(c.owner, 1); err != nil {
		if s.opts.Places.Held(c.owner) > 0 || !s.makePlace(c.owner) {
			return err
		}
	}
	purse, err := meter.Open(s.opts.Account(c.owner), connAdvance, connStep)
	if err != nil {
		s.opts.Places.Refund(c.owner, 1)
		return err
	}
	c.purse = purse
	delete(s.refused, c.owner)
	s.conns[c] = struct{}{}
	c.ownerState = s.owners[c.owner]
	if c.ownerState == nil {
		c.ownerState = newOwner(s.contention.limit)
		s.owners[c.owner] = c.ownerState
	}
	c.ownerState.conns++
	s.running.Add(1)
	return nil
}

// makePlace ends a connection of the owner with most connections, for an owner with none: the
// one that has been uninitialized longest, else the one that has been idle longest. s.mu is
// locked.
func (s *Server) makePlace(owner string) bool {
	heaviest := s.opts.Places.Heaviest()
	var victim *conn
	for c := range s.conns {
		if c.owner == heaviest && !c.evicted && (victim == nil || c.goesBefore(victim)) {
			victim = c
		}
	}
	if victim == nil {
		return false
	}
	victim.evicted = true
	victim.log.Warn("ended an idle PKCS#11 connection to make room for another user: this user has the most")
	victim.sock.Close()
	s.opts.Places.Move(heaviest, owner, 1)
	return true
}

// goesBefore reports whether c is ended rather than other.
func (c *conn) goesBefore(other *conn) bool {
	initialized, others := c.app.Load().get() != nil, other.app.Load().get() != nil
	if initialized != others {
		return others
	}
	return c.lastUse() < other.lastUse()
}

func (c *conn) lastUse() int64 { return max(c.used.Load(), c.begun.UnixNano()) }

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	c.tellFrozenLocked()
	if c.ownerState.conns--; c.ownerState.conns == 0 {
		delete(s.owners, c.owner)
	}
	if !c.evicted {
		s.opts.Places.Refund(c.owner, 1)
	}
}

// Limits of connections that are refused with a reason. Those beyond are closed at once.
const (
	maxTurnedAway    = 64
	maxTurnedAwayOne = 16 // of one owner
	turnAwayTime     = 2 * time.Second
	maxRefused       = 1024 // owners whose refusal is remembered
)

// reject refuses a connection: it answers the handshake, and every request with
// CKR_DEVICE_MEMORY, so that the client can tell a limit from a missing daemon.
func (s *Server) reject(c *conn, why error) {
	s.mu.Lock()
	tell := !s.closing && s.refusing[c.owner] < maxTurnedAwayOne && sum(s.refusing) < maxTurnedAway
	if tell {
		s.refusing[c.owner]++
		s.running.Add(1)
	}
	warn := !s.closing && !s.refused[c.owner]
	if warn {
		if len(s.refused) >= maxRefused {
			clear(s.refused)
		}
		s.refused[c.owner] = true
	}
	s.mu.Unlock()
	if warn {
		c.log.Warn("refusing PKCS#11 connections of this user", "owner", c.owner, "error", why)
	}
	if !tell {
		c.sock.Close()
		return
	}
	go func() {
		defer s.running.Done()
		defer s.turnedAway(c)
		defer c.sock.Close()
		c.refuseAll()
	}()
}

func sum(counts map[string]int) (all int) {
	for _, n := range counts {
		all += n
	}
	return all
}

func (s *Server) turnedAway(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusing[c.owner]--; s.refusing[c.owner] == 0 {
		delete(s.refusing, c.owner)
	}
}

// refuseAll answers requests of a rejected connection, for a short time.
func (c *conn) refuseAll() {
	_ = c.sock.SetDeadline(time.Now().Add(turnAwayTime))
	version, err := p11rpc.Accept(c.sock)
	if err != nil {
		return
	}
	in := p11rpc.NewReader(c.sock)
	if in.SetHost(smallOnly{}) != nil {
		return
	}
	out := p11rpc.Encoder{Version: version}
	for {
		f, err := in.Next()
		var refused *p11rpc.Refused
		switch {
		case errors.As(err, &refused):
			f.Code = refused.Code
		case err != nil:
			return
		}
		out.Error(f.Code, ck.CKR_DEVICE_MEMORY)
		if _, err := c.sock.Write(out.Bytes()); err != nil {
			return
		}
		out.Reset()
	}
}

// smallOnly is the host of rejected connections: large requests are skipped.
type smallOnly struct{}

// Take refuses all but the smallest buffer.
func (smallOnly) Take(n int) error {
	if n > connAdvance {
		return errors.New("the connection is refused")
	}
	return nil
}

// Give does nothing.
func (smallOnly) Give(int) {}

// Begun does nothing: the connection as a whole has a deadline.
func (smallOnly) Begun(bool) {}
