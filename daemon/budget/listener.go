package budget

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// Listener counts its connections in a ledger. A connection beyond the limits is closed at
// once, and nothing is read from it.
type Listener struct {
	net.Listener
	ledger *Ledger
	owner  func(net.Conn) string
}

// Listen counts the connections that l accepts. owner returns the owner of a connection.
func Listen(l net.Listener, ledger *Ledger, owner func(net.Conn) string) *Listener {
	return &Listener{l, ledger, owner}
}

// Accept waits for a connection within the limits.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		owner := l.owner(c)
		if l.ledger.Charge(owner, 1) != nil {
			c.Close()
			continue
		}
		return &counted{Conn: c, free: sync.OnceFunc(func() { l.ledger.Refund(owner, 1) })}, nil
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	free func()
}

// Close closes the connection and ends its count.
func (c *counted) Close() error {
	defer c.free()
	return c.Conn.Close()
}

// SyscallConn returns the raw connection, for the peer's credentials.
func (c *counted) SyscallConn() (syscall.RawConn, error) {
	if raw, ok := c.Conn.(syscall.Conn); ok {
		return raw.SyscallConn()
	}
	return nil, errors.New("the connection has no descriptor")
}
