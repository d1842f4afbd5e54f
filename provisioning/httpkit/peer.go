package httpkit

import (
	"context"
	"net"
	"syscall"

	"vtoken/vtoken/record"
)

type peerKey struct{}

// PeerOf returns the process at the other end of the Unix socket of a request; ok is
// false for other connections.
func PeerOf(ctx context.Context) (p record.Peer, ok bool) {
	p, ok = ctx.Value(peerKey{}).(record.Peer)
	return p, ok
}

// WithPeer is the ConnContext of servers on Unix sockets: it asks the kernel once for
// each connection (SO_PEERCRED).
func WithPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(syscall.Conn)
	if _, unix := c.LocalAddr().(*net.UnixAddr); !ok || !unix {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var cred *syscall.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); cerr != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, record.Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid})
}
