package p11server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vtoken/daemon/peer"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// Options are the settings of a server. The zero value is usable.
type Options struct {
	// Logger is where the server writes; nil writes nowhere.
	Logger *slog.Logger
	// Owner returns who is accountable for a process of that uid; nil makes each uid its own
	// owner.
	Owner func(uid uint32) string
	// Places limits the connections of owners; nil is without limits.
	Places Places
	// Account returns the account that is charged for the memory of an owner's connection:
	// requests that are received and wait, and answers. Nil is without limits.
	Account func(owner string) meter.Account
	// FrameTime limits how long the rest of a request may take to arrive, and AnswerTime how
	// long a client may leave answers unread; 0 is 30 seconds.
	FrameTime, AnswerTime time.Duration
	// AwayTime limits how long an application that has joined is kept without a connection
	// while its process runs; 0 is 30 seconds.
	AwayTime time.Duration
	// Join registers an application that has several connections, at the first of them. Nil
	// registers it as New's connect does.
	Join func(Applicant) (Admission, error)
	// Refused is told of a process that showed the id of an application that is not its own,
	// or another ticket; nil is nobody.
	Refused func(p peer.Process, reason error)
	// Observer is told of every call; nil is nobody.
	Observer Observer
}

// Places limits and counts the connections of owners. Its methods do not block.
type Places interface {
	// Charge adds n connections of the owner, or returns why not.
	Charge(owner string, n int) error
	// Refund removes n connections of the owner.
	Refund(owner string, n int)
	// Move moves n connections from one owner to another, even beyond the limits.
	Move(from, to string, n int)
	// Held is the number of the owner's connections.
	Held(owner string) int
	// Heaviest is the owner with most connections.
	Heaviest() string
}

// unlimited is Places without limits.
type unlimited struct{}

func (unlimited) Charge(string, int) error { return nil }
func (unlimited) Refund(string, int)       {}
func (unlimited) Move(_, _ string, _ int)  {}
func (unlimited) Held(string) int          { return 0 }
func (unlimited) Heaviest() string         { return "" }

// Observer is told of calls that were answered: which, with what code, and how long they took.
// It is called concurrently on the signing path, so it neither blocks nor allocates.
type Observer interface {
	Called(call p11rpc.CallID, rv ck.Error, took time.Duration)
}

// noopObserver is the default Observer.
type noopObserver struct{}

func (noopObserver) Called(p11rpc.CallID, ck.Error, time.Duration) {}

// Server serves PKCS#11 on Unix sockets. Its methods are safe for concurrent
// use.
type Server struct {
	connect    Connect
	opts       Options
	log        *slog.Logger
	poll       *pollBudget
	contention *contention
	tasks      sync.Pool     // of *task
	numbers    atomic.Uint64 // the last one given to an application

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	owners    map[string]*owner // of conns
	// applications are those that joined, by their ids; parked is how many of an owner's
	// have no connection.
	applications map[[p11rpc.ApplicationIDSize]byte]*application
	parked       map[string]int
	refusing     map[string]int  // connections that are being refused, by owner
	refused      map[string]bool // owners whose refusal stands in the log already
	closing      bool
	thawed       chan struct{}  // closed when the server goes on; nil where it is not frozen
	freezing     atomic.Bool    // the server is frozen, or is about to be
	accepting    sync.RWMutex   // read-locked while a connection is accepted
	running      sync.WaitGroup // the connections
}

// patience is the default of FrameTime, AnswerTime and AwayTime.
const patience = 30 * time.Second

// New makes a server that calls connect for each application.
func New(connect Connect, opts Options) *Server {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Observer == nil {
		opts.Observer = noopObserver{}
	}
	if opts.Owner == nil {
		opts.Owner = func(uid uint32) string { return strconv.FormatUint(uint64(uid), 10) }
	}
	if opts.Places == nil {
		opts.Places = unlimited{}
	}
	if opts.Account == nil {
		opts.Account = func(string) meter.Account { return nil }
	}
	if opts.Join == nil {
		opts.Join = func(a Applicant) (Admission, error) { return Admission{Client: connect(peerOf(a.Process))}, nil }
	}
	if opts.Refused == nil {
		opts.Refused = func(peer.Process, error) {}
	}
	if opts.FrameTime == 0 {
		opts.FrameTime = patience
	}
	if opts.AwayTime == 0 {
		opts.AwayTime = patience
	}
	if opts.AnswerTime == 0 {
		opts.AnswerTime = patience
	}
	s := &Server{
		connect:    connect,
		opts:       opts,
		log:        opts.Logger,
		poll:       newPollBudget(),
		contention: newContention(),
		listeners:  make(map[net.Listener]struct{}),
		conns:      make(map[*conn]struct{}),
		owners:     make(map[string]*owner),

		applications: make(map[[p11rpc.ApplicationIDSize]byte]*application),
		parked:       make(map[string]int),

		refusing: make(map[string]int),
		refused:  make(map[string]bool),
	}
	s.tasks.New = func() any { return new(task) }
	s.numbers.Store(firstNumber(time.Now()))
	return s
}

// Serve accepts connections on l, a listener of Unix stream sockets, until Shutdown, and then
// returns nil. It closes l. It returns an error only if accepting cannot continue.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	for delay := time.Duration(0); ; {
		err := s.acceptOne(l)
		switch {
		case err == nil:
			delay = 0
		case s.isClosing():
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.waitThawed()
		case isScarcity(err):
			// Connections that end give back what is missing: wait for that.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.log.Error("cannot accept a PKCS#11 connection, trying again", "error", err, "after", delay)
			time.Sleep(delay)
		default:
			return fmt.Errorf("accept on %v: %w", l.Addr(), err)
		}
	}
}

// acceptOne accepts a connection and serves it.
func (s *Server) acceptOne(l net.Listener) error {
	s.accepting.RLock()
	defer s.accepting.RUnlock()
	nc, err := l.Accept()
	if err == nil {
		s.start(nc)
	}
	return err
}

// isScarcity reports whether an error of accept(2) is temporary, because it is about one
// connection only, or others will free descriptors or memory.
func isScarcity(err error) bool {
	for _, no := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// start serves a connection in a goroutine of its own, or rejects it.
func (s *Server) start(nc net.Conn) {
	sock, ok := nc.(*net.UnixConn)
	if !ok {
		s.log.Error("refused a PKCS#11 connection that is not a Unix socket", "network", nc.LocalAddr().Network())
		nc.Close()
		return
	}
	who, err := peer.Of(sock)
	if err != nil {
		s.log.Error("refused a PKCS#11 connection", "error", err)
		nc.Close()
		return
	}
	c := newConn(s, sock, who)
	if err := s.admit(c); err != nil {
		s.reject(c, err)
		return
	}
	s.serveConn(c)
}

// serveConn serves an admitted connection in a goroutine of its own.
func (s *Server) serveConn(c *conn) {
	go func() {
		defer s.running.Done()
		defer s.forget(c)
		c.serve()
	}()
}

// Shutdown stops accepting, lets running calls finish, closes every connection, and returns
// when all are closed. Calls that only wait end at once. If ctx ends first, it cuts off the
// remaining connections and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Thaw()
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.stopReading()
	}
	for _, a := range s.applications {
		s.unparkLocked(a.joined)
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		c.sock.Close()
	}
	s.mu.Unlock()
	return ctx.Err()
}

// peerOf returns the process as the engine knows it.
func peerOf(p peer.Process) record.Peer { return record.Peer{UID: p.UID, GID: p.GID, PID: p.PID} }
