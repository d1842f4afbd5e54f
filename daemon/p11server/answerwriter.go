package p11server

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// answerWriter writes answers to a socket. It sets a deadline only if the socket is full, so
// that answers to a client that reads them need no timer.
type answerWriter struct {
	sock *net.UnixConn
	raw  syscall.RawConn
	try  func(fd uintptr) bool // write, bound once
	time time.Duration         // that a client may take to read what was written

	mu      sync.Mutex
	left    []byte
	err     error
	armed   bool
	leaving atomic.Bool // the deadline is that of the connection's end
	hurried atomic.Bool // a client has only the time of a farewell
	blocked atomic.Bool // a client does not read
}

func newAnswerWriter(sock *net.UnixConn, raw syscall.RawConn, limit time.Duration) *answerWriter {
	w := &answerWriter{sock: sock, raw: raw, time: limit}
	w.try = w.write
	return w
}

// leave sets a deadline for all answers that are still to be sent.
func (w *answerWriter) leave(limit time.Duration) {
	w.leaving.Store(true)
	_ = w.sock.SetWriteDeadline(time.Now().Add(limit))
}

// hurry gives a client less time to read what is written, from the moment on in which it does
// not. An answer that takes long to compute has all of it.
func (w *answerWriter) hurry() {
	w.hurried.Store(true)
	if !w.blocked.Load() {
		return
	}
	_ = w.sock.SetWriteDeadline(time.Now().Add(farewell))
	if !w.blocked.Load() && !w.leaving.Load() {
		_ = w.sock.SetWriteDeadline(time.Time{})
	}
}

// calm undoes hurry.
func (w *answerWriter) calm() { w.hurried.Store(false) }

// limit is how long a client may take now.
func (w *answerWriter) limit() time.Duration {
	if w.hurried.Load() {
		return min(farewell, w.time)
	}
	return w.time
}

// send writes all of b.
func (w *answerWriter) send(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left, w.err = b, nil
	err := w.raw.Write(w.try)
	w.left = nil
	if w.armed {
		w.armed = false
		w.blocked.Store(false)
		if !w.leaving.Load() {
			_ = w.sock.SetWriteDeadline(time.Time{})
		}
	}
	if err == nil {
		err = w.err
	}
	return err
}

// write returns false if the socket is full, to be called again.
func (w *answerWriter) write(fd uintptr) (done bool) {
	for len(w.left) > 0 {
		n, err := write(fd, w.left)
		switch err {
		case 0:
			w.left = w.left[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			if !w.armed && !w.leaving.Load() {
				w.armed = true
				w.blocked.Store(true)
				limit := w.limit()
				_ = w.sock.SetWriteDeadline(time.Now().Add(limit))
				if now := w.limit(); now != limit {
					_ = w.sock.SetWriteDeadline(time.Now().Add(now))
				}
			}
			return false
		default:
			w.err = err
			return true
		}
	}
	return true
}
