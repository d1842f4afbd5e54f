package p11server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

// A planned restart hands the connections to a successor. Freeze stops the server between
// two requests of each connection, and tells what the successor needs: what has arrived and
// was not worked on is part of it, calls that wait for slot events among that. Adopt begins
// with what another server was frozen with. If there is no successor after all, Thaw has the
// frozen server go on.

// Frozen is what a frozen server was doing.
type Frozen struct {
	Applications []FrozenApplication
	Connections  []FrozenConnection
}

// FrozenApplication is an application between two of its calls.
type FrozenApplication struct {
	Client Client
	// Name is set for an application that joined.
	Name *Name
	// Resume is Admission.Resume: the application may have joined, and not have its sessions
	// back yet.
	Resume func([]p11rpc.ResumedSession) (lost []ck.SessionHandle, err error)
	// Finalized is Admission.Finalized.
	Finalized func()
	// History is what administrators are shown of it.
	History History
}

// Name is how an application that joined proves that a connection is its own.
type Name struct {
	ID      [p11rpc.ApplicationIDSize]byte
	Process peer.Process
	// Ticket is a hash (SHA-256) of its ticket.
	Ticket [sha256.Size]byte
}

// FrozenConnection is a connection between two of its requests.
type FrozenConnection struct {
	Socket *net.UnixConn
	// Greeted says that the handshake is over, and Version what was agreed on.
	Greeted bool
	Version byte
	// Application is its place in Frozen.Applications; -1 is none.
	Application int
	// Unread has arrived and is not answered. It may hold PINs.
	Unread secret.Bytes
}

// farewell is how long a client of a server that is being frozen has to read an answer. How
// long the answer takes to compute does not count.
const farewell = time.Second

// Freeze stops accepting connections and reading requests, waits until all calls under way
// have their answers, and returns what is left. If ctx ends before that, the server goes on
// and the error says which calls still run.
func (s *Server) Freeze(ctx context.Context) (Frozen, error) {
	s.mu.Lock()
	if s.closing || s.thawed != nil {
		s.mu.Unlock()
		return Frozen{}, errClosing
	}
	s.thawed = make(chan struct{})
	s.freezing.Store(true)
	for l := range s.listeners {
		setAcceptDeadline(l, time.Unix(1, 0))
	}
	s.mu.Unlock()
	s.waitNobodyAccepts()
	s.mu.Lock()
	for _, a := range s.applications {
		s.unparkLocked(a.joined)
	}
	var all []*conn
	for c := range s.conns {
		all = append(all, c)
		c.freeze()
	}
	s.mu.Unlock()
	for _, c := range all {
		select {
		case <-c.froze:
		case <-ctx.Done():
			err := fmt.Errorf("wait for a call of process %d: %w", c.peer.PID, ctx.Err())
			s.Thaw()
			return Frozen{}, err
		}
	}
	return s.frozen(), nil
}

func setAcceptDeadline(l net.Listener, t time.Time) {
	if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(t)
	}
}

// tellFrozen notes that a connection is frozen or has ended.
func (s *Server) tellFrozen(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.tellFrozenLocked()
}

// tellFrozenLocked is tellFrozen with Server.mu locked.
func (c *conn) tellFrozenLocked() {
	if c.froze != nil && !c.hasFrozen {
		close(c.froze)
	}
	c.hasFrozen = true
}

// waitNobodyAccepts returns when no connection is being accepted.
func (s *Server) waitNobodyAccepts() {
	s.accepting.Lock()
	defer s.accepting.Unlock()
}

// frozen lists what the frozen server has.
func (s *Server) frozen() (f Frozen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := make(map[*application]int)
	note := func(a *application) int {
		if i, ok := place[a]; ok {
			return i
		}
		client := a.get()
		if client == nil {
			return -1
		}
		one := FrozenApplication{Client: client, History: a.history()}
		if j := a.joined; j != nil {
			one.Name = &Name{ID: j.id, Process: j.process, Ticket: j.ticket}
			one.Resume, one.Finalized = j.resume, j.finalized
		}
		place[a] = len(f.Applications)
		f.Applications = append(f.Applications, one)
		return place[a]
	}
	for _, a := range s.applications {
		note(a)
	}
	for c := range s.conns {
		place := note(c.app.Load())
		if place >= 0 {
			f.Applications[place].History.Calls += c.calls.Load()
		}
		f.Connections = append(f.Connections, FrozenConnection{
			Socket: c.sock, Greeted: c.greeted, Version: c.version, Application: place, Unread: c.unread,
		})
	}
	return f
}

// Thaw has a frozen server go on.
func (s *Server) Thaw() {
	s.mu.Lock()
	if s.thawed == nil {
		s.mu.Unlock()
		return
	}
	s.freezing.Store(false)
	for l := range s.listeners {
		setAcceptDeadline(l, time.Time{})
	}
	for c := range s.conns {
		c.thaw()
	}
	close(s.thawed)
	s.thawed = nil
	s.mu.Unlock()
	s.parkThoseAlone()
}

// parkThoseAlone parks the applications without a connection, and ends those that are too
// many.
func (s *Server) parkThoseAlone() {
	var over []*application
	s.mu.Lock()
	for _, a := range s.applications {
		if s.parkIfAlone(a) {
			over = append(over, a)
		}
	}
	s.mu.Unlock()
	for _, a := range over {
		a.close()
	}
}

// waitThawed returns when the server is not frozen.
func (s *Server) waitThawed() {
	s.mu.Lock()
	thawed := s.thawed
	s.mu.Unlock()
	if thawed != nil {
		<-thawed
	}
}

// Adopt continues what another server was frozen with. It is called before Serve. It takes
// the sockets over.
func (s *Server) Adopt(f Frozen) {
	list := make([]*application, len(f.Applications))
	s.numberAbove(f.Applications)
	for i, one := range f.Applications {
		a := s.adoptHistory(one.History)
		client := one.Client
		client.OnSlow(a.slow.note)
		a.client.Store(&client)
		if one.Name != nil {
			a.joined = &joined{
				id: one.Name.ID, process: one.Name.Process, owner: s.opts.Owner(one.Name.Process.UID),
				ticket: one.Name.Ticket, begun: make(chan struct{}), resume: one.Resume, finalized: one.Finalized,
			}
			close(a.joined.begun)
			s.mu.Lock()
			s.applications[one.Name.ID] = a
			s.mu.Unlock()
		}
		list[i] = a
	}
	for _, one := range f.Connections {
		s.adopt(one, list)
	}
	s.parkThoseAlone()
}

func (s *Server) adopt(one FrozenConnection, list []*application) {
	who, err := peer.Of(one.Socket)
	if err != nil {
		s.log.Error("a connection did not survive the restart", "error", err)
		one.Socket.Close()
		return
	}
	_ = one.Socket.SetDeadline(time.Time{})
	c := newConn(s, one.Socket, who)
	c.greeted, c.version, c.unread = one.Greeted, one.Version, one.Unread
	if one.Application >= 0 {
		c.app.Store(list[one.Application])
	}
	if err := s.admit(c); err != nil {
		s.log.Error("a connection did not survive the restart", "uid", who.UID, "pid", who.PID, "error", err)
		one.Socket.Close()
		return
	}
	if j := c.app.Load().joined; j != nil {
		s.mu.Lock()
		j.reading++
		j.conns++
		s.mu.Unlock()
	}
	s.serveConn(c)
}

// freeze makes the reader stop between two requests, and calls that wait for slot events
// return. Server.mu is locked.
func (c *conn) freeze() {
	c.froze = make(chan struct{})
	if c.hasFrozen { // it saw that the server is being frozen
		close(c.froze)
		return
	}
	c.setReadDeadline(time.Now())
	if c.out != nil {
		c.out.hurry()
	}
	c.cancel()
}

// thaw is called before a frozen connection goes on. Server.mu is locked.
func (c *conn) thaw() {
	c.froze, c.hasFrozen = nil, false
	c.life.Store(newLife())
	_ = c.sock.SetReadDeadline(time.Time{})
	_ = c.sock.SetWriteDeadline(time.Time{})
	if c.out != nil {
		c.out.calm()
	}
}

// setReadDeadline sets the deadline of reads, unless the connection is to stop reading.
func (c *conn) setReadDeadline(t time.Time) {
	c.deadlines.Lock()
	defer c.deadlines.Unlock()
	if c.srv.freezing.Load() {
		t = time.Unix(1, 0)
	}
	_ = c.sock.SetReadDeadline(t)
}

// isFreezing reports whether an error of reading is because the server is being frozen.
func (c *conn) isFreezing(err error) bool {
	return c.srv.freezing.Load() && errors.Is(err, os.ErrDeadlineExceeded)
}

// hand keeps a request for who goes on with the connection.
func (c *conn) hand(t *task) {
	c.finishMu.Lock()
	defer c.finishMu.Unlock()
	frame := binary.BigEndian.AppendUint32(nil, t.code)
	frame = binary.BigEndian.AppendUint32(frame, 0) // no options
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(t.body)))
	c.handed = append(c.handed, append(frame, t.body...)...)
}

// keepUnread gathers what has arrived and was not worked on. It reports whether the connection
// can go on.
func (c *conn) keepUnread() bool {
	c.finishMu.Lock()
	defer c.finishMu.Unlock()
	rest, ok := c.in.Close()
	c.unread = append(append(c.handed, rest...), c.polls.first...)
	c.purse.Give(len(c.polls.first))
	clear(rest)
	clear(c.polls.first)
	c.handed, c.in, c.polls.first = nil, nil, nil
	if !ok && !c.finished {
		c.finished, c.reason = true, errors.New("frozen in a request that is too large")
	}
	return ok
}

// readOn makes the reader, which begins with what a server before has left unread.
func (c *conn) readOn() error {
	raw, err := c.sock.SyscallConn()
	if err != nil {
		return err
	}
	c.polls = newPollReader(raw, c.srv.poll, c.armFrame)
	if err := c.purse.Take(len(c.unread)); err != nil {
		clear(c.unread)
		return fmt.Errorf("go on with the requests that came before the restart: %w", err)
	}
	c.polls.first, c.polls.given, c.unread = c.unread, c.purse.Give, nil
	if c.out == nil {
		out := newAnswerWriter(c.sock, raw, c.srv.opts.AnswerTime)
		c.srv.mu.Lock() // freeze looks at it
		c.out = out
		if c.srv.freezing.Load() {
			out.hurry()
		}
		c.srv.mu.Unlock()
	}
	c.in = p11rpc.NewReader(c.polls)
	return c.in.SetHost(c)
}

// wasHanded hands a call over that waited for a slot event when the server was frozen.
func (c *conn) wasHanded(t *task, err error) bool {
	if err == nil || t.call != p11rpc.CallWaitForSlotEvent || !c.srv.freezing.Load() ||
		ck.CodeOf(err) != ck.CKR_FUNCTION_CANCELED || c.app.Load().get() == nil {
		return false
	}
	c.hand(t)
	return true
}
