package service

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is the service manager. The zero value is none: its methods do nothing.
type Manager struct {
	address string // of its socket
}

// NewManager returns the manager that the variable NOTIFY_SOCKET names. getenv is os.Getenv.
func NewManager(getenv func(string) string) Manager { return Manager{getenv("NOTIFY_SOCKET")} }

// Present reports whether there is a manager.
func (m Manager) Present() bool { return m.address != "" }

// Ready tells that the daemon serves, and status, one line for people; an empty one is not
// sent. It also ends a reload.
func (m Manager) Ready(status string) error {
	state := "READY=1"
	if status != "" {
		state += "\nSTATUS=" + oneLine(status)
	}
	return m.send(state, nil)
}

// Reloading tells that the daemon reads its configuration again, until [Manager.Ready].
func (m Manager) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("reading the clock for the service manager: %w", err)
	}
	return m.send("RELOADING=1\nMONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10), nil)
}

// Stopping tells that the daemon stops.
func (m Manager) Stopping() error { return m.send("STOPPING=1", nil) }

// maxFiles is how many descriptors a message carries (SCM_MAX_FD of the kernel).
const maxFiles = 253

// Store gives descriptors to the manager, which passes them under that name to the next
// process of the service ([Receive]). The caller keeps its own. The unit needs
// FileDescriptorStoreMax=; the manager drops what is beyond that without an error, and a
// descriptor whose other end is closed as soon as it sees that. [Manager.Wait] waits until it
// has them.
func (m Manager) Store(name string, files ...Descriptor) error { return m.store(name, "", files) }

// StoreUnwatched is [Manager.Store] for descriptors that are kept whatever their other ends do.
func (m Manager) StoreUnwatched(name string, files ...Descriptor) error {
	return m.store(name, "FDPOLL=0\n", files)
}

func (m Manager) store(name, how string, files []Descriptor) error {
	if err := checkName(name); err != nil {
		return err
	}
	for len(files) > 0 {
		n := min(len(files), maxFiles)
		if err := m.send("FDSTORE=1\n"+how+"FDNAME="+name, files[:n]); err != nil {
			return err
		}
		files = files[n:]
	}
	return nil
}

// Remove has the manager close what it stored under that name.
func (m Manager) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return m.send("FDSTOREREMOVE=1\nFDNAME="+name, nil)
}

// Wait returns when the manager has handled all that was sent before, or with an error after
// the time (sd_notify_barrier(3)).
func (m Manager) Wait(atMost time.Duration) error {
	if !m.Present() {
		return nil
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("waiting for the service manager: %w", err)
	}
	defer ours.Close()
	err = m.send("BARRIER=1", []Descriptor{theirs})
	theirs.Close()
	if err != nil {
		return err
	}
	if err := ours.SetReadDeadline(time.Now().Add(atMost)); err != nil {
		return fmt.Errorf("waiting for the service manager: %w", err)
	}
	// The manager closes its end, and writes nothing.
	if _, err := ours.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the service manager did not handle what it was sent within %v", atMost)
	}
	return nil
}

// send sends one message with descriptors.
func (m Manager) send(state string, files []Descriptor) error {
	if !m.Present() {
		return nil
	}
	rights, err := rightsTo(files)
	if err != nil {
		return fmt.Errorf("sending descriptors to the service manager: %w", err)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	defer unix.Close(fd)
	defer runtime.KeepAlive(files)            // their numbers are in rights
	to := &unix.SockaddrUnix{Name: m.address} // a leading @ is the abstract name space
	for {
		err := unix.Sendmsg(fd, []byte(state), rights, to, unix.MSG_NOSIGNAL)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("telling the service manager at %s: %w", m.address, err)
		}
		return nil
	}
}

// rightsTo is the control message that carries the descriptors.
func rightsTo(files []Descriptor) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	numbers := make([]int, len(files))
	for i, f := range files {
		number, err := numberOf(f)
		if err != nil {
			return nil, err
		}
		numbers[i] = number
	}
	return unix.UnixRights(numbers...), nil
}

// maxName bounds the name of a descriptor, in bytes.
const maxName = 255

// checkName refuses a name that the manager would ignore.
func checkName(name string) error {
	bad := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("the name of a descriptor has 1 to %d letters, digits and signs without a colon, not %q",
			maxName, name)
	}
	return nil
}

// oneLine makes a text one line, because each line of a message is a variable.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
