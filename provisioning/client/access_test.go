package client

import (
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
)

// TestAccess maps what the kernel says to a process that may not open a socket.
// The tests may run as root, whom the kernel lets in.
func TestAccess(t *testing.T) {
	c := Unix("/run/x")
	denied := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}
	err := c.notSent(&url.Error{Op: "Get", URL: "http://localhost/v1/status", Err: denied})
	if !errors.Is(err, ErrAccess) || err.Error() != "open /run/x: permission denied" {
		t.Errorf("%v", err)
	}
}
