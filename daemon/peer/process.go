package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process tells a process from all others of the machine since it was switched on.
type Process struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// PID is 0 for a process of another container, which the daemon does not see.
	PID int32 `json:"pid"`
	// Started is when the process started, in ticks of the kernel's clock since the boot.
	// 0 means that it is not known.
	Started uint64 `json:"started"`
}

// Of returns the credentials of the process that connected the socket (SO_PEERCRED), without
// when it started.
func Of(sock *net.UnixConn) (p Process, err error) {
	err = control(sock, func(fd int) error {
		cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
		if err == nil {
			p = Process{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}
		}
		return err
	})
	if err != nil {
		return Process{}, fmt.Errorf("ask for the peer's credentials: %w", err)
	}
	return p, nil
}

// WithStart returns p, the process at the other end of sock, with when it started. Started
// stays 0 where that cannot be known.
func (p Process) WithStart(sock *net.UnixConn) Process {
	started, err := started(p.PID)
	if err != nil {
		return p
	}
	// Another process may have got the id since the peer ended. A kernel that knows
	// SO_PEERPIDFD (6.5) tells whether it ended; with others, the peer of a process that
	// ended cannot show what the process knew.
	ended := false
	_ = control(sock, func(fd int) error {
		pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if err != nil {
			return err
		}
		defer unix.Close(pidfd)
		ended = hasEnded(pidfd)
		return nil
	})
	if !ended {
		p.Started = started
	}
	return p
}

// Known reports whether the process can be told from others.
func (p Process) Known() bool { return p.PID > 0 && p.Started > 0 }

// Is reports whether p is the process other. The user may differ: a program that gives its
// rights up, as OpenVPN and stunnel do, stays the same process.
func (p Process) Is(other Process) bool {
	if !p.Known() || !other.Known() {
		return p == other
	}
	return p.PID == other.PID && p.Started == other.Started
}

// Lives reports whether the process still runs.
func (p Process) Lives() bool {
	now, err := started(p.PID)
	return err == nil && now == p.Started
}

// Wait returns when the process has ended, when ctx ends, or after the time. ended reports
// the first. It holds a descriptor meanwhile.
func (p Process) Wait(ctx context.Context, long time.Duration) (ended bool) {
	if !p.Known() {
		return true
	}
	fd, err := unix.PidfdOpen(int(p.PID), unix.PIDFD_NONBLOCK)
	if err != nil {
		return true
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	if !p.Lives() {
		return true // the descriptor is of another process
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := f.SetReadDeadline(time.Now().Add(long)); err != nil {
		return !p.Lives()
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return !p.Lives()
	}
	err = raw.Read(func(fd uintptr) bool {
		ended = hasEnded(int(fd))
		return ended
	})
	return err == nil && ended
}

// hasEnded reports whether the process of a pidfd has ended.
func hasEnded(pidfd int) bool {
	events := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(events, 0) // asks, and does not wait
	return err == nil && n == 1
}

func control(sock *net.UnixConn, do func(fd int) error) error {
	raw, err := sock.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

// started returns when a process started (proc_pid_stat(5), starttime).
func started(pid int32) (uint64, error) {
	if pid <= 0 {
		return 0, errors.New("the process is not visible to the daemon")
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("ask when process %d started: %w", pid, err)
	}
	// The name of the program may hold blanks and parentheses, so count from its end.
	_, rest, ok := bytes.Cut(text[max(bytes.LastIndexByte(text, ')'), 0):], []byte(") "))
	const starttime = 22 - 3 // field 22, and the rest begins with field 3
	fields := strings.Fields(string(rest))
	if !ok || len(fields) <= starttime {
		return 0, fmt.Errorf("ask when process %d started: its stat has another form", pid)
	}
	start, err := strconv.ParseUint(fields[starttime], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("ask when process %d started: %w", pid, err)
	}
	return start, nil
}
