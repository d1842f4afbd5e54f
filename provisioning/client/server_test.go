package client

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCheckServer: the test's own server runs as the test's user, and root's is trusted
// by everybody. tests/attack has a server of another user.
func TestCheckServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer c.Close()
	self := os.Geteuid()
	require.NoError(t, checkServer(c.(*net.UnixConn), self))
	if self == 0 {
		require.NoError(t, checkServer(c.(*net.UnixConn), 1000))
		return
	}
	require.ErrorContains(t, checkServer(c.(*net.UnixConn), self+1), "nothing was sent")
}
