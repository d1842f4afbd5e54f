package p11server

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hangupEach is how often the client of a connection that is not read is checked.
const hangupEach = 250 * time.Millisecond

// watchHangup cancels the calls of the connection when its client goes away. The goroutine
// that reads notices that itself; it calls watchHangup before it waits for calls to end, which
// may be calls that nobody wants any more. The caller calls stop when it reads again.
func (c *conn) watchHangup() (stop func()) {
	done := make(chan struct{})
	go func() {
		each := time.NewTicker(hangupEach)
		defer each.Stop()
		for {
			select {
			case <-done:
				return
			case <-each.C:
			}
			if c.hasHungUp() {
				c.cancelCalls()
				return
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// hasHungUp reports whether the other end was closed. Data that it sent before may still be
// unread.
func (c *conn) hasHungUp() bool {
	raw, err := c.sock.SyscallConn()
	if err != nil {
		return true
	}
	events := []unix.PollFd{{}}
	err = raw.Control(func(fd uintptr) {
		events[0].Fd = int32(fd)
		_, _ = unix.Poll(events, 0) // asks, and does not wait
	})
	return err != nil || events[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}
