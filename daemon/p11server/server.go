package p11server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/record"
)

// Options are the settings of a server. The zero value is usable.
type Options struct {
	// Logger is where the server writes; nil writes nowhere.
	Logger *slog.Logger
	// MaxConns bounds the connections at one time; 0 is 4096.
	MaxConns int
	// MaxConnsPerUID bounds those of one operating system user; 0 is 1024.
	MaxConnsPerUID int
	// Observer is told of every call; nil is nobody.
	Observer Observer
}

// Observer is told of calls that were answered: which, with what code, and how
// long it took. It is called on the signing path, beside others, and so neither
// waits nor allocates.
type Observer interface {
	Called(call p11rpc.CallID, rv ck.Error, took time.Duration)
}

// nobody is the observer where there is none.
type nobody struct{}

func (nobody) Called(p11rpc.CallID, ck.Error, time.Duration) {}

// Server serves PKCS#11 on Unix sockets. Its methods are safe for concurrent
// use.
type Server struct {
	connect Connect
	opts    Options
	log     *slog.Logger
	poll    *pollBudget
	tasks   sync.Pool // of *task

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	perUID    map[uint32]int
	refused   map[uint32]bool // users whose refusal stands in the log already
	closing   bool
	running   sync.WaitGroup // the connections
}

// New makes a server that calls connect for each application.
func New(connect Connect, opts Options) *Server {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Observer == nil {
		opts.Observer = nobody{}
	}
	if opts.MaxConns == 0 {
		opts.MaxConns = 4096
	}
	if opts.MaxConnsPerUID == 0 {
		opts.MaxConnsPerUID = 1024
	}
	s := &Server{
		connect:   connect,
		opts:      opts,
		log:       opts.Logger,
		poll:      newPollBudget(),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		perUID:    make(map[uint32]int),
		refused:   make(map[uint32]bool),
	}
	s.tasks.New = func() any { return new(task) }
	return s
}

// Serve accepts connections on l, a listener of Unix stream sockets, until
// Shutdown, and then returns nil. It closes l. An error is one that accepting
// cannot recover from.
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
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			s.start(nc)
		case s.isClosing():
			return nil
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

// isScarcity reports an error of accept(2) that passes when others give back
// descriptors or memory, or that is about one connection only.
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

// start serves a connection in a goroutine of its own, or refuses it.
func (s *Server) start(nc net.Conn) {
	sock, ok := nc.(*net.UnixConn)
	if !ok {
		s.log.Error("refused a PKCS#11 connection that is not a Unix socket", "network", nc.LocalAddr().Network())
		nc.Close()
		return
	}
	peer, err := peerOf(sock)
	if err != nil {
		s.log.Error("refused a PKCS#11 connection", "error", err)
		nc.Close()
		return
	}
	c := newConn(s, sock, peer)
	if !s.admit(c) {
		nc.Close()
		return
	}
	go func() {
		defer s.running.Done()
		defer s.forget(c)
		c.serve()
	}()
}

// admit counts the connection, where the limits allow it.
func (s *Server) admit(c *conn) bool {
	uid := c.peer.UID
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if len(s.conns) >= s.opts.MaxConns || s.perUID[uid] >= s.opts.MaxConnsPerUID {
		if !s.refused[uid] {
			s.refused[uid] = true
			c.log.Warn("refusing PKCS#11 connections: too many are open",
				"total", len(s.conns), "total_limit", s.opts.MaxConns,
				"of_user", s.perUID[uid], "user_limit", s.opts.MaxConnsPerUID)
		}
		return false
	}
	delete(s.refused, uid)
	s.conns[c] = struct{}{}
	s.perUID[uid]++
	s.running.Add(1)
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.perUID[c.peer.UID]--; s.perUID[c.peer.UID] == 0 {
		delete(s.perUID, c.peer.UID)
	}
}

// Shutdown stops accepting, lets the calls under way come to their end, closes
// every connection and returns when all are closed. Calls that only wait end at
// once. When ctx ends first, connections are cut off and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.stopReading()
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

// peerOf asks the kernel who connected.
func peerOf(sock *net.UnixConn) (record.Peer, error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return record.Peer{}, fmt.Errorf("ask for the peer's credentials: %w", err)
	}
	var cred *syscall.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return record.Peer{}, fmt.Errorf("ask for the peer's credentials: %w", err)
	}
	return record.Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}, nil
}
