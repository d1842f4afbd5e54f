package p11server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

// An application of our library names itself in each connection (p11rpc.CallJoin), and so
// has several. When its last one ends and the process still runs, the application is parked:
// a library whose descriptors were closed by its host, or that gave a slow connection up,
// comes back to its sessions.

// Bounds of the parked applications. Each has a descriptor, of its process.
const (
	MaxParked    = 128
	maxParkedOne = 32 // of one owner
)

// Applicant is an application that joins for the first time.
type Applicant struct {
	Process peer.Process
	ID      [p11rpc.ApplicationIDSize]byte
	// Ticket is the secret of the application. It is wiped when Join returns.
	Ticket secret.Bytes
}

// Admission is the answer to an Applicant.
type Admission struct {
	Client Client
	// Resume gives sessions and logins back that the application had with an earlier
	// daemon, and returns the sessions that cannot be had. Nil means that it had none. After an
	// error, which says nothing of the sessions, the application asks again.
	Resume func([]p11rpc.ResumedSession) (lost []ck.SessionHandle, err error)
	// Resumed says that it had logins, too.
	Resumed bool
	// Finalized is called when the application has called C_Finalize, before that is
	// answered. Nil is nothing to do.
	Finalized func()
}

// joined is what an application with a name has more.
type joined struct {
	id      [p11rpc.ApplicationIDSize]byte
	process peer.Process
	owner   string
	ticket  [sha256.Size]byte // a hash
	resume  func([]p11rpc.ResumedSession) ([]ck.SessionHandle, error)
	// finalized is Admission.Finalized.
	finalized func()

	begun   chan struct{}      // closed when the client is there, or cannot be had
	reading int                // connections whose requests are read; Server.mu
	conns   int                // and those that still work on some; Server.mu
	unpark  context.CancelFunc // nil where it is not parked; Server.mu
}

// join makes the connection one of the application that the request names.
func (c *conn) join(d *p11rpc.Decoder) (how p11rpc.Joining, err error) {
	id, ticket := d.Data(), secret.Bytes(d.Data())
	if err := d.Done(); err != nil {
		return 0, err
	}
	if len(id) != p11rpc.ApplicationIDSize || len(ticket) != p11rpc.TicketSize {
		return 0, ck.Errorf(ck.CKR_ARGUMENTS_BAD, "an application with an id of %d bytes and a ticket of %d", len(id), len(ticket))
	}
	if now := c.app.Load(); now.joined != nil || now.get() != nil {
		return 0, ck.CKR_CRYPTOKI_ALREADY_INITIALIZED
	}
	who := Applicant{Process: c.peer.WithStart(c.sock), ID: [p11rpc.ApplicationIDSize]byte(id), Ticket: ticket}
	defer func() {
		if ck.CodeOf(err) == ck.CKR_ACTION_PROHIBITED {
			c.srv.opts.Refused(who.Process, err)
		}
	}()
	a, isNew, err := c.srv.joinApplication(c, who)
	if err != nil {
		return 0, err
	}
	c.app.Store(a)
	if !isNew {
		<-a.joined.begun
		return p11rpc.JoinedLive, nil
	}
	defer close(a.joined.begun)
	err = a.begin(c.srv.numbers.Add(1), func() (Client, error) {
		admission, err := c.srv.opts.Join(who)
		if err != nil {
			return nil, err
		}
		a.joined.resume, a.joined.finalized = admission.Resume, admission.Finalized
		if admission.Resumed {
			how = p11rpc.JoinedResumed
		}
		return admission.Client, nil
	})
	if err != nil {
		c.srv.dropApplication(a)
	}
	if c.ctx().Err() != nil {
		c.cancelCalls() // it began after the end
	}
	return how, err
}

// joinApplication finds the application, or makes it. It fails with CKR_ACTION_PROHIBITED
// for one that is another process's.
func (s *Server) joinApplication(c *conn, who Applicant) (a *application, isNew bool, err error) {
	ticket := sha256.Sum256(who.Ticket)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, false, ck.CKR_DEVICE_REMOVED
	}
	if a = s.applications[who.ID]; a == nil {
		a = &application{joined: &joined{
			id: who.ID, process: who.Process, owner: c.owner, ticket: ticket, begun: make(chan struct{}),
		}}
		s.applications[who.ID] = a
		isNew = true
	}
	j := a.joined
	switch {
	case !j.process.Is(who.Process):
		return nil, false, ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the application is that of process %d", j.process.PID)
	case subtle.ConstantTimeCompare(j.ticket[:], ticket[:]) != 1:
		return nil, false, ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the ticket is not that of the application")
	}
	s.unparkLocked(j)
	j.reading++
	j.conns++
	return a, isNew, nil
}

// dropApplication forgets an application, so that its id is free.
func (s *Server) dropApplication(a *application) {
	if a.joined == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.applications[a.joined.id] == a {
		delete(s.applications, a.joined.id)
	}
}

// resumeSessions gives the application its sessions back.
func resumeSessions(r *request) error {
	sessions := r.ResumedSessions()
	if err := r.Done(); err != nil {
		return err
	}
	if r.app.joined == nil || r.app.joined.resume == nil {
		return ck.CKR_FUNCTION_NOT_SUPPORTED
	}
	lost, err := r.app.joined.resume(sessions)
	if err != nil {
		return err
	}
	p11rpc.Ulongs(r.out, lost)
	return nil
}

// stopsReading notes that no more requests of the connection are read. last reports whether
// nobody waits for an answer of the application any more.
func (s *Server) stopsReading(a *application) (last bool) {
	if a.joined == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.joined.reading--
	return a.joined.reading == 0
}

// leave ends a connection's part in its application. With the last one, the application ends
// or is parked.
func (s *Server) leave(c *conn) {
	a := c.app.Load()
	j := a.joined
	if j == nil {
		a.close()
		return
	}
	s.mu.Lock()
	a.calls.Add(c.calls.Swap(0))
	a.used.Store(max(a.used.Load(), c.used.Load()))
	j.conns--
	over := s.parkIfAlone(a)
	s.mu.Unlock()
	if over {
		a.close()
	}
}

// parkIfAlone parks an application that has no connection. over reports that it ends instead.
// s.mu is locked.
func (s *Server) parkIfAlone(a *application) (over bool) {
	j := a.joined
	switch {
	case j.conns > 0 || j.unpark != nil || s.freezing.Load() && a.get() != nil:
		return false
	case s.closing || a.get() == nil || s.parked[j.owner] >= maxParkedOne || sum(s.parked) >= MaxParked:
		if s.applications[j.id] == a {
			delete(s.applications, j.id)
		}
		return true
	}
	var ctx context.Context
	ctx, j.unpark = context.WithCancel(context.Background())
	s.parked[j.owner]++
	s.running.Go(func() { s.park(ctx, a) })
	return false
}

// park keeps an application until its process has ended, the time is over, or a connection
// joins, which ends ctx.
func (s *Server) park(ctx context.Context, a *application) {
	j := a.joined
	j.process.Wait(ctx, s.opts.AwayTime)
	s.mu.Lock()
	over := ctx.Err() == nil || s.closing && j.conns == 0
	if over {
		delete(s.applications, j.id)
		s.unparkLocked(j)
	}
	s.mu.Unlock()
	if over {
		a.close()
	}
}

// unparkLocked ends the parking of an application. s.mu is locked.
func (s *Server) unparkLocked(j *joined) {
	if j.unpark == nil {
		return
	}
	j.unpark()
	j.unpark = nil
	if s.parked[j.owner]--; s.parked[j.owner] == 0 {
		delete(s.parked, j.owner)
	}
}
