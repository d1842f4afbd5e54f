package remote

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is a pair of sockets, of which the first is as connect makes it, but sleeps for 20 ms.
func pair(t *testing.T) (ours, other int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	require.NoError(t, syscall.SetsockoptTimeval(fds[0], syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Usec: 20_000}))
	return fds[0], fds[1]
}

// A thread that waits for long sleeps again and again. Where the host has taken the number of the
// descriptor for a file of its own meanwhile, nothing is read from that.
func TestLongWaitReadsNothingOfTheHost(t *testing.T) {
	fd, _ := pair(t)
	hosts, hostsOther := pair(t)
	var s socket
	s.made(fd)
	thread := make(chan int)
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		thread <- syscall.Gettid()
		_, err := s.Read(make([]byte, 10))
		failed <- err
	}()
	state := fmt.Sprintf("/proc/self/task/%d/syscall", <-thread)
	until(func() bool {
		now, err := os.ReadFile(state)
		require.NoError(t, err)
		return strings.HasPrefix(string(now), fmt.Sprint(syscall.SYS_RECVFROM, " "))
	})
	require.NoError(t, syscall.Dup2(hosts, fd))
	_, err := syscall.Write(hostsOther, []byte("host's"))
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, errNotOurs)
	got := make([]byte, 10)
	n, err := syscall.Read(fd, got)
	require.NoError(t, err)
	require.Equal(t, "host's", string(got[:n]))
}

// The other end's answer comes, or its end, also after several sleeps.
func TestLongWait(t *testing.T) {
	for _, answer := range []string{"answer", ""} {
		fd, other := pair(t)
		var s socket
		s.made(fd)
		go func() {
			_ = wait(fd, 0, time.Now().Add(50*time.Millisecond))
			if answer == "" {
				_ = syscall.Shutdown(other, syscall.SHUT_RDWR)
				return
			}
			_, _ = syscall.Write(other, []byte(answer))
		}()
		got := make([]byte, 10)
		n, err := s.Read(got)
		if answer == "" {
			require.ErrorIs(t, err, io.EOF)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, answer, string(got[:n]))
	}
}
