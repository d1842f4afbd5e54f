package p11server

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFarewellIsForReading: while a server is being frozen, a client has the time of the
// farewell to read an answer, however long that took to compute.
func TestFarewellIsForReading(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	require.NoError(t, err)
	defer l.Close()
	client, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	require.NoError(t, err)
	defer client.Close()
	server, err := l.AcceptUnix()
	require.NoError(t, err)
	defer server.Close()
	raw, err := server.SyscallConn()
	require.NoError(t, err)
	w := newAnswerWriter(server, raw, time.Hour)
	w.hurry()
	<-time.After(farewell + farewell/10) // the call takes longer
	require.NoError(t, w.send([]byte("signature")))
	err = w.send(make([]byte, 16<<20)) // which nobody reads
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
