package peer

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// connected is the daemon's end of a socket that this process connected.
func connected(t *testing.T) *net.UnixConn {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer l.Close()
	out, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { out.Close() })
	in, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
	return in.(*net.UnixConn)
}

// running starts a process that ends when stop is called, and returns what tells it from others.
func running(t *testing.T) (p Process, stop func()) {
	t.Helper()
	c := exec.Command("cat")
	in, err := c.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	ended := false
	stop = func() {
		if !ended {
			in.Close()
			_ = c.Wait()
		}
		ended = true
	}
	t.Cleanup(stop)
	start, err := started(int32(c.Process.Pid))
	require.NoError(t, err)
	return Process{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: int32(c.Process.Pid), Started: start}, stop
}

func TestOf(t *testing.T) {
	sock := connected(t)
	p, err := Of(sock)
	require.NoError(t, err)
	require.Equal(t, Process{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), PID: int32(os.Getpid())}, p)
	require.False(t, p.Known())
	p = p.WithStart(sock)
	require.True(t, p.Known())
	require.True(t, p.Lives())
	sock.Close()
	_, err = Of(sock)
	require.Error(t, err)
}

// A process that the daemon does not see, or that has ended, cannot be told from others.
func TestWithStartOfStrangers(t *testing.T) {
	sock := connected(t)
	require.False(t, Process{UID: 1}.WithStart(sock).Known(), "of another container")
	p, stop := running(t)
	stop()
	p.Started = 0
	require.False(t, p.WithStart(sock).Known(), "one that has ended")
}

// A process is the one that began when it began; its user may change.
func TestIs(t *testing.T) {
	p := Process{UID: 1, GID: 2, PID: 3, Started: 4}
	hidden := Process{UID: 1, GID: 2}
	for what, c := range map[string]struct {
		a, b Process
		want bool
	}{
		"itself":                            {p, p, true},
		"with another user":                 {p, Process{UID: 9, GID: 9, PID: 3, Started: 4}, true},
		"another":                           {p, Process{UID: 1, GID: 2, PID: 4, Started: 4}, false},
		"one that has the id now":           {p, Process{UID: 1, GID: 2, PID: 3, Started: 5}, false},
		"one that is not known":             {p, Process{UID: 1, GID: 2, PID: 3}, false},
		"one of another container":          {p, hidden, false},
		"two of containers, the same user":  {hidden, hidden, true},
		"two of containers, and two users":  {hidden, Process{UID: 2, GID: 2}, false},
		"one that is not known, and itself": {Process{UID: 1, PID: 3}, Process{UID: 1, PID: 3}, true},
	} {
		require.Equal(t, c.want, c.a.Is(c.b), what)
		require.Equal(t, c.want, c.b.Is(c.a), what)
	}
}

func TestLives(t *testing.T) {
	p, stop := running(t)
	require.True(t, p.Lives())
	earlier := p
	earlier.Started--
	require.False(t, earlier.Lives(), "the one that had the id before")
	stop()
	require.False(t, p.Lives())
	require.False(t, Process{}.Lives())
}

// Wait returns with the end of the process, of the time, or of the context, and says which.
func TestWait(t *testing.T) {
	p, stop := running(t)
	require.False(t, p.Wait(context.Background(), time.Millisecond), "the time is over")
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan bool)
	go func() { over <- p.Wait(ctx, time.Hour) }()
	cancel()
	require.False(t, <-over, "the context is over")
	require.False(t, p.Wait(ctx, time.Hour), "it was over before")
	go func() { over <- p.Wait(context.Background(), time.Hour) }()
	stop()
	require.True(t, <-over)
	for what, p := range map[string]Process{
		"it ended before": p, "it is not known": {UID: 1}, "another has its id": {PID: int32(os.Getpid()), Started: 1},
	} {
		require.True(t, p.Wait(context.Background(), time.Hour), what)
	}
}

// The name of a program may look like the rest of the line.
func TestStartedOfOddNames(t *testing.T) {
	program := filepath.Join(t.TempDir(), "a) S 1 (b 2")
	text, err := os.ReadFile("/bin/cat")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, text, 0o755))
	c := exec.Command(program)
	in, err := c.StdinPipe()
	require.NoError(t, err)
	before, err := started(int32(os.Getpid()))
	require.NoError(t, err)
	require.NoError(t, c.Start())
	start, err := started(int32(c.Process.Pid))
	require.NoError(t, err)
	require.GreaterOrEqual(t, start, before)
	require.Less(t, start, before+100*86400, "it began within a day of the test")
	in.Close()
	require.NoError(t, c.Wait())
	_, err = started(int32(c.Process.Pid))
	require.Error(t, err)
	_, err = started(0)
	require.Error(t, err)
}
