package remote

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

const (
	// firstPause and longestPause are how long a call that waits for the daemon waits
	// before it looks again.
	firstPause   = 10 * time.Millisecond
	longestPause = 100 * time.Millisecond
)

// errIdle is why a connection was closed that nobody used.
var errIdle = errors.New("the connection was idle")

// reconnect connects where there is no connection. A client that had one before waits for
// the daemon until then. One thread does it for all.
func (c *Client) reconnect(until time.Time) error {
	c.dialing.Lock()
	defer c.dialing.Unlock()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if c.closed.Load() {
			return errClosed()
		}
		if len(c.prune()) > 0 {
			return nil
		}
		n, err := c.open(until)
		if err == nil {
			c.release(n, time.Now())
			return nil
		}
		if c.closed.Load() {
			return errClosed()
		}
		now := time.Now()
		if !c.hadDaemon() || !noDaemon(err) || now.Add(pause).After(until) {
			return err
		}
		futexWait(&c.closing, 0, now.Add(pause))
	}
}

// hadDaemon reports whether there was a daemon before, so that it is worth waiting for.
func (c *Client) hadDaemon() bool { return c.life.Load() != 0 || c.options.HadDaemon }

// open connects and makes the connection one of the client's, in use by the caller. Where
// the daemon is another one than before, the sessions are resumed first. dialing is locked.
func (c *Client) open(until time.Time) (*conn, error) {
	n, how, err := c.dial(until)
	if err == nil {
		err = c.enter(n, how, until)
	}
	switch {
	case c.closed.Load():
		c.giveUp()
		return nil, errClosed()
	case err != nil:
		if n != nil {
			n.lose(err)
		}
		c.options.Trace.note(err)
		return nil, err
	}
	n.busy.Store(1)
	n.used.Store(time.Now().UnixNano())
	c.add(n)
	return n, nil
}

// enter makes the connection one of the daemon's present life, which may be a new one.
func (c *Client) enter(n *conn, how p11rpc.Joining, until time.Time) error {
	if n.version == p11rpc.Joined && how == p11rpc.JoinedLive && (!c.unsure || c.sameDaemon()) {
		n.life, c.unsure = c.life.Load(), false
		return nil
	}
	all := c.newLife(n)
	for _, old := range c.conns() {
		old.lose(errRestarted)
	}
	c.inits.Add(1)
	if n.version != p11rpc.Joined {
		forget(all)
		return nil
	}
	c.unsure = true // until all is done
	if how == p11rpc.JoinedLive {
		var err error
		if all, err = n.notThere(all, until); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(all, p11rpc.MaxResumed) {
		if err := n.resume(part, until); err != nil {
			return err
		}
	}
	if err := n.restoreObjects(until); err != nil {
		return err
	}
	c.unsure = false
	return nil
}

// sameDaemon reports whether a connection to the daemon of the present life is still up. Then
// there was no other since, and an introduction that was not answered was merely late, as while
// the daemon hands over to its successor. Connections of a daemon that ended are closed before
// there can be another.
func (c *Client) sameDaemon() bool { return slices.ContainsFunc(c.conns(), (*conn).up) }

var errRestarted = ck.Errorf(ck.CKR_DEVICE_REMOVED, "the daemon was restarted")

// newLife begins another life of the daemon, as seen from here, and returns the sessions
// that there are.
func (c *Client) newLife(n *conn) []*session {
	t := &c.sessions
	t.mu.Lock()
	defer t.mu.Unlock()
	n.life = c.life.Add(1)
	if n.life == 1 && c.options.Connected != nil {
		c.options.Connected()
	}
	all := make([]*session, 0, len(t.list))
	for _, s := range t.list {
		all = append(all, s)
	}
	return all
}

func forget(all []*session) {
	for _, s := range all {
		s.gone.Store(true)
	}
}

// resume asks for sessions of an earlier daemon. The error is about the connection.
func (n *conn) resume(all []*session, until time.Time) error {
	list := make([]p11rpc.ResumedSession, len(all))
	for i, s := range all {
		list[i] = p11rpc.ResumedSession{Handle: s.remote, Slot: uint64(s.slot), Flags: uint64(s.flags)}
	}
	x := n.client.request(nil, p11rpc.CallResume, n.version)
	defer x.free()
	x.enc.ResumedSessions(list)
	err := n.ask(x, until)
	if ck.CodeOf(err) == ck.CKR_FUNCTION_NOT_SUPPORTED && x.fate == answered {
		forget(all) // the daemon gives none back
		return nil
	}
	if err != nil {
		return n.notNow(x, err)
	}
	refused, _ := p11rpc.UlongList[uint64](&x.dec)
	if err := x.done(); err != nil {
		return err
	}
	for _, s := range all {
		if slices.Contains(refused, s.remote) {
			s.gone.Store(true)
		}
	}
	return nil
}

// notThere are the sessions that the daemon does not know. It is asked where an earlier
// connection was lost before the answer to its introduction, which may have said so.
func (n *conn) notThere(all []*session, until time.Time) (missing []*session, err error) {
	for _, s := range all {
		known, err := n.knows(s, until)
		if err != nil {
			return nil, err
		}
		if !known {
			missing = append(missing, s)
		}
	}
	return missing, nil
}

func (n *conn) knows(s *session, until time.Time) (bool, error) {
	x := n.client.request(nil, p11rpc.CallGetSessionInfo, n.version)
	defer x.free()
	x.enc.Ulong(s.remote)
	err := n.ask(x, until)
	if x.fate == answered && ck.CodeOf(err) == ck.CKR_SESSION_HANDLE_INVALID {
		return false, nil
	}
	if err != nil {
		return false, n.notNow(x, err)
	}
	return true, nil
}

// notNow is the error of a daemon that did not answer, or not what was asked. One that ends
// answers so, and what it says of sessions holds for nobody: the client tries again.
func (n *conn) notNow(x *exchange, err error) error {
	if x.fate != answered || n.lost() {
		return err
	}
	return ck.Errorf(ck.CKR_DEVICE_REMOVED, "the daemon does not answer %v now, as while it ends: %w", x.call, err)
}

// ask sends a request of the client's own and opens the answer.
func (n *conn) ask(x *exchange, until time.Time) error {
	if err := x.enc.End(); err != nil {
		return err
	}
	n.roundTrip(until, []*exchange{x})
	switch x.fate {
	case answered:
		return x.open()
	case late:
		n.lose(lostError(errTimeout))
	}
	return n.why()
}

// dial tries the newest version, and older ones where the server hangs up on
// that, as p11-kit up to 0.24 does, or chooses one that is not known here. A daemon may also
// have ended just then, so the newest is tried twice; and a client that knows its daemon
// does not fall back.
func (c *Client) dial(until time.Time) (*conn, p11rpc.Joining, error) {
	n, how, err := c.dialAs(c.newest, until)
	if err == nil || c.newest == 0 || !isOld(err) {
		return n, how, dialError(err)
	}
	if first := c.first.Load(); first != nil && first.version == p11rpc.Joined {
		return nil, 0, lostError(err)
	}
	for _, version := range []byte{c.newest, p11rpc.MaxVersion, 0} {
		if version > c.newest {
			continue
		}
		n, how, failed := c.dialAs(version, until)
		switch {
		case failed == nil:
			c.newest = version
			return n, how, nil
		case ck.CodeOf(failed) == ck.CKR_DEVICE_MEMORY:
			return nil, 0, failed // it is understood, and has no room
		}
	}
	return nil, 0, dialError(err)
}

// isOld reports whether an error of the handshake may be that of an old server.
func isOld(err error) bool {
	return ck.CodeOf(err) == ck.CKR_GENERAL_ERROR && !errors.Is(err, os.ErrDeadlineExceeded)
}

// dialError gives the errors of the handshake a code.
func dialError(err error) error {
	if err != nil && ck.CodeOf(err) == ck.CKR_GENERAL_ERROR {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "what listens on the socket is no daemon that we understand: %w", err)
	}
	return err
}

// starting notes a connection that is being made. It is given up at once where
// Close came before.
func (c *Client) starting(n *conn) {
	c.unproven.Store(n)
	if c.closed.Load() && !c.leaving {
		n.lose(errClosed())
	}
}

// dialAs connects, agrees on a version and introduces itself. newest is the
// version to offer.
func (c *Client) dialAs(newest byte, until time.Time) (*conn, p11rpc.Joining, error) {
	fd, err := c.options.Descriptors.Open()
	if err != nil {
		return nil, 0, ck.Errorf(ck.CKR_HOST_MEMORY, "make a socket: %w", err)
	}
	n := &conn{client: c, pending: make(map[uint32]*exchange), users: 1}
	defer n.leave()
	n.sock.made(fd)
	c.starting(n)
	how, err := n.introduce(newest, until)
	if err != nil {
		n.lose(err)
		return nil, 0, err
	}
	return n, how, nil
}

func (n *conn) introduce(newest byte, until time.Time) (p11rpc.Joining, error) {
	o := n.client.options
	path := o.Socket()
	limit := max(time.Until(until), firstPause)
	if err := connect(n.sock.fd, path, limit); err != nil {
		return 0, connectError(path, err)
	}
	if err := checkServer(n.sock.fd, path, o.ServerUser); err != nil {
		return 0, err
	}
	until = time.Now().Add(limit)
	n.sock.deadline = until
	version, err := p11rpc.Offer(handshake{&n.sock, until}, newest)
	if err != nil {
		return 0, err
	}
	n.version = version
	n.reader = p11rpc.NewReader(&n.sock)
	how, err := n.greet(until)
	if ck.CodeOf(err) == ck.CKR_DEVICE_MEMORY {
		err = ck.Errorf(ck.CKR_DEVICE_MEMORY,
			"the daemon refuses the connection: this user has too many there, or makes it hold too much memory; "+
				"end some applications, or raise --max-connections or --max-memory of vtokend, whose log says which")
	}
	return how, err
}

// greet is C_Initialize, or what is in its place where an application has several
// connections.
func (n *conn) greet(until time.Time) (p11rpc.Joining, error) {
	if n.version == p11rpc.Joined {
		return n.joinApplication(until)
	}
	x := n.client.request(nil, p11rpc.CallInitialize, n.version)
	defer x.free()
	x.enc.Data([]byte(p11rpc.Magic))
	x.enc.Byte(0) // no reserved argument, which is sent as an empty text
	x.enc.Data([]byte{0})
	if err := n.ask(x, until); err != nil {
		return 0, err
	}
	return 0, x.done()
}

// joinApplication introduces the application. A daemon that refuses it, because it ended the application
// or takes it for another process's, gets a new one.
func (n *conn) joinApplication(until time.Time) (p11rpc.Joining, error) {
	c := n.client
	for tries := 0; ; tries++ {
		x := c.request(nil, p11rpc.CallJoin, n.version)
		x.enc.Data(c.id[:])
		x.enc.Data(c.ticket)
		err := n.ask(x, until)
		how := p11rpc.Joining(0)
		if err == nil {
			how = p11rpc.Joining(x.dec.Ulong())
			err = x.done()
		}
		if x.fate != answered {
			c.unsure = true // it may be the daemon's first connection of this application
		} else if endsHere(err) {
			err = n.notNow(x, err)
		}
		x.free()
		if ck.CodeOf(err) != ck.CKR_ACTION_PROHIBITED || tries > 0 {
			return how, err
		}
		if err := c.identify(); err != nil {
			return 0, err
		}
	}
}

// checkServer refuses a server that is not to hear a PIN. Who made the socket's file is
// another question: a user who may write to the folder can put any socket there.
func checkServer(fd int, path string, also uint32) error {
	server, err := peerUser(fd)
	if err != nil {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED, "ask the kernel who serves %s: %w", path, err)
	}
	self := uint32(os.Geteuid())
	if !trusts(server, self, also) {
		return ck.Errorf(ck.CKR_DEVICE_REMOVED,
			"%s is served by the user %d, who is neither root nor the user of this process (%d): nothing was sent; "+
				"if that user's daemon is to be trusted, set VTOKEN_P11_SERVER_UID=%d", path, server, self, server)
	}
	return nil
}

// trusts reports whether a process of the user self may send PINs to a server that runs
// as the user server: root and self read the memory of the process anyway.
func trusts(server, self, also uint32) bool {
	return server == 0 || server == self || server == also
}

// handshake is the socket as io.ReadWriter.
type handshake struct {
	io.Reader
	deadline time.Time
}

func (h handshake) Write(p []byte) (int, error) {
	return h.Reader.(*socket).write(p, h.deadline)
}

func lostError(err error) error {
	return ck.Errorf(ck.CKR_DEVICE_REMOVED, "connection to the daemon lost: %w", err)
}

func connectError(path string, err error) error {
	if isPermission(err) {
		return ck.Errorf(ck.CKR_ACTION_PROHIBITED,
			"connect to %s: %w: this user may not open the socket, ask for its group or for VTOKEN_P11_SOCKET", path, err)
	}
	if errors.Is(err, syscall.EAGAIN) {
		err = errTimeout // the queue of connections is full
	}
	return ck.Errorf(ck.CKR_DEVICE_REMOVED,
		"connect to %s: %w: is vtokend running? VTOKEN_P11_SOCKET names another socket", path, err)
}
