package p11server

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// connected is a reader of a socket with a budget, and the other end of that.
func connected(t *testing.T, b *pollBudget) (*pollReader, net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	other, err := net.Dial("unix", path)
	require.NoError(t, err)
	sock, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { other.Close(); sock.Close() })
	raw, err := sock.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	return newPollReader(raw, b, func() {}), other
}

// A reader polls while it is the only one that has data, and not while others have some, too.
func TestPollsAlone(t *testing.T) {
	b := &pollBudget{limit: 1}
	one, toOne := connected(t, b)
	two, toTwo := connected(t, b)
	transfer := func(p *pollReader, from net.Conn) {
		t.Helper()
		_, err := from.Write([]byte("request"))
		require.NoError(t, err)
		got := make([]byte, 10)
		n, err := p.Read(got)
		require.NoError(t, err)
		require.Equal(t, "request", string(got[:n]))
	}
	for range 3 {
		transfer(one, toOne)
	}
	require.False(t, b.isCrowded(time.Now()))
	transfer(two, toTwo)
	now := time.Now()
	require.True(t, b.isCrowded(now))
	transfer(two, toTwo)
	require.False(t, b.isCrowded(now.Add(2*crowdLasts)), "for a moment only")
	transfer(one, toOne)
	require.True(t, b.isCrowded(now))
}

// A reader waits for what is not there yet, reads what comes, and sees the end and a deadline.
func TestPollReaderWaits(t *testing.T) {
	p, other := connected(t, newPollBudget())
	go func() {
		_, _ = other.Write([]byte("late"))
		other.Close()
	}()
	got := make([]byte, 10)
	n, err := p.Read(got)
	require.NoError(t, err)
	require.Equal(t, "late", string(got[:n]))
	_, err = p.Read(got)
	require.ErrorContains(t, err, "EOF")

	path := filepath.Join(t.TempDir(), "socket")
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	l, err := net.ListenUnix("unix", addr)
	require.NoError(t, err)
	defer l.Close()
	silent, err := net.DialUnix("unix", nil, addr)
	require.NoError(t, err)
	defer silent.Close()
	raw, err := silent.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, silent.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err = newPollReader(raw, newPollBudget(), func() {}).Read(got)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}
