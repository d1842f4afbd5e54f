package remote

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// errTimeout is a deadline that passed. It is os.ErrDeadlineExceeded.
var errTimeout = fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)

// socket is a Unix stream socket with a deadline for reads, which the one who
// reads sets before it does. One thread reads and one writes at a time.
type socket struct {
	descriptor
	deadline time.Time // of reads; zero is none
	spin     spinner
}

// errNotOurs is a descriptor that the host closed.
var errNotOurs = errors.New("the host closed the descriptor of the connection")

const (
	pollIn    = 1
	pollOut   = 4
	pollError = 8
	pollHup   = 16
)

type pollFD struct {
	fd      int32
	events  int16
	revents int16
}

// sleepsFor is how long one recvfrom(2) sleeps. Where less is left until the deadline, ppoll(2)
// sleeps for the rest.
const sleepsFor = time.Second

// Read reads what is there, or waits for it until the deadline.
func (s *socket) Read(p []byte) (n int, err error) {
	errno := syscall.EAGAIN
	if within := s.spin.pays(); within > 0 {
		n, errno = s.spin.read(s.fd, p, within)
	}
	for first := true; ; first = false {
		switch {
		case errno == 0 && n > 0:
			return n, nil
		case errno == 0:
			return 0, io.EOF
		case errno != syscall.EAGAIN && errno != syscall.EINTR:
			return 0, errno
		case !first && !s.ours(): // else the host's data were read
			return 0, errNotOurs
		}
		if s.deadline.IsZero() || time.Until(s.deadline) > sleepsFor {
			n, errno = receiveSleeping(s.fd, p)
			continue
		}
		if err := wait(s.fd, pollIn, s.deadline); err != nil {
			return 0, err
		}
		n, errno = receive(s.fd, p)
	}
}

// write writes all of p until the deadline, and returns how much it could.
func (s *socket) write(p []byte, deadline time.Time) (written int, err error) {
	for written < len(p) {
		n, errno := send(s.fd, p[written:])
		switch errno {
		case 0:
			written += n
		case syscall.EAGAIN, syscall.EINTR:
			if err := wait(s.fd, pollOut, deadline); err != nil {
				return written, err
			}
		default:
			return written, errno
		}
	}
	return written, nil
}

// smallWrite is what a socket takes without a pause that matters.
const smallWrite = 16 << 10

// receiveSleeping reads, and sleeps for up to sleepsFor until there is something. The Go
// scheduler knows of it.
func receiveSleeping(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), 0, 0, 0)
	return int(n), errno
}

// The system calls below never block, so the Go scheduler need not know of them.

func receive(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

func send(fd int, p []byte) (int, syscall.Errno) {
	const flags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL
	if len(p) > smallWrite {
		n, _, errno := syscall.Syscall6(syscall.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		return int(n), errno
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
	return int(n), errno
}

func shutdown(fd int) { _ = syscall.Shutdown(fd, syscall.SHUT_RDWR) }

// peerUser is the user that the server of a connected socket began to listen as. The
// kernel says so, nothing is read.
func peerUser(fd int) (uint32, error) {
	peer, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt SO_PEERCRED", err)
	}
	return peer.Uid, nil
}

// isPermission reports whether connect failed because the user may not.
func isPermission(err error) bool { return errors.Is(err, os.ErrPermission) }

// wait sleeps until the descriptor is ready or the deadline has passed.
func wait(fd int, events int16, deadline time.Time) error {
	p := pollFD{fd: int32(fd), events: events}
	for {
		var timeout *syscall.Timespec
		if !deadline.IsZero() {
			ts := syscall.NsecToTimespec(max(0, time.Until(deadline).Nanoseconds()))
			timeout = &ts
		}
		n, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1,
			uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return errno
		case n > 0:
			return nil // also where the process was stopped until after the deadline
		case !deadline.IsZero() && !time.Now().Before(deadline):
			return errTimeout
		}
	}
}

// hungUp reports whether the other end of the socket is closed.
func hungUp(fd int) bool {
	p := pollFD{fd: int32(fd)}
	var now syscall.Timespec
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&now)), 0, 0, 0)
		if errno != syscall.EINTR {
			return errno != 0 || p.revents&(pollError|pollHup) != 0
		}
	}
}

// connect connects to the socket at path.
func connect(fd int, path string, limit time.Duration) error {
	tv := syscall.NsecToTimeval(limit.Nanoseconds())
	// A full queue of connections makes connect wait as long as sending may.
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &tv); err != nil {
		return err
	}
	sleep := syscall.NsecToTimeval(sleepsFor.Nanoseconds())
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &sleep); err != nil {
		return err
	}
	for {
		err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
