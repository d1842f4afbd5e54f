package service

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstFile is the number of the first descriptor that is passed (SD_LISTEN_FDS_START).
const firstFile = 3

// maxReceived bounds the descriptors of a process.
const maxReceived = 1 << 20

// Received is the descriptors that the manager passed to this process, by name: sockets of
// socket units by their FileDescriptorName=, and what an earlier process of the service
// stored. It is for one goroutine.
type Received struct {
	files map[string][]*os.File
}

// Environment is the environment of the process: os.Getenv and os.Unsetenv.
type Environment struct {
	Get   func(string) string
	Unset func(string) error
}

// Receive takes the descriptors of the process. It removes the variables that name them, so
// that no child takes them for its own. It is called once, before the process opens files.
func Receive(env Environment) (Received, error) { return receive(env, os.Getpid(), firstFile) }

// taking is what is done, for errors.
const taking = "taking the descriptors of the service manager"

func receive(env Environment, pid, first int) (Received, error) {
	got := Received{map[string][]*os.File{}}
	of, count, names := env.Get("LISTEN_PID"), env.Get("LISTEN_FDS"), env.Get("LISTEN_FDNAMES")
	given := env.Get(numbersVariable)
	if err := errors.Join(env.Unset("LISTEN_PID"), env.Unset("LISTEN_FDS"), env.Unset("LISTEN_FDNAMES"),
		env.Unset(numbersVariable)); err != nil {
		return got, fmt.Errorf("%s: %w", taking, err)
	}
	if of != strconv.Itoa(pid) {
		return got, nil // none, or those of another process
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxReceived {
		return got, fmt.Errorf("%s: LISTEN_FDS is %q, which is no number of descriptors", taking, count)
	}
	called := strings.Split(names, ":")
	if names != "" && len(called) != n {
		return got, fmt.Errorf("%s: LISTEN_FDNAMES has %d names for %d descriptors", taking, len(called), n)
	}
	numbers, err := numbersOf(given, n, first)
	if err != nil {
		return got, fmt.Errorf("%s: %w", taking, err)
	}
	for i, fd := range numbers {
		name := "unknown" // as sd_listen_fds_with_names(3) has it
		if names != "" {
			name = called[i]
		}
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			got.Close()
			return Received{}, fmt.Errorf("taking descriptor %d (%s) of the service manager: %w", fd, name, err)
		}
		got.files[name] = append(got.files[name], os.NewFile(uintptr(fd), name))
	}
	return got, nil
}

// Names returns the names of what nobody has taken yet, sorted.
func (r Received) Names() []string {
	var names []string
	for name := range r.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Take returns the descriptors of a name, in the order in which they were passed. The caller
// closes them.
func (r Received) Take(name string) []*os.File {
	files := r.files[name]
	delete(r.files, name)
	return files
}

// Listeners takes the listening sockets of a name. Closing such a listener does not remove the
// socket's file, which is the manager's. networks are those that it may have, such as "unix".
func (r Received) Listeners(name string, networks ...string) (list []net.Listener, err error) {
	files := r.Take(name)
	defer func() {
		for _, f := range files {
			f.Close() // the listener has a duplicate
		}
		if err != nil {
			for _, l := range list {
				l.Close()
			}
			list = nil
		}
	}()
	for _, f := range files {
		l, err := net.FileListener(f)
		if err != nil || !accepts(f) {
			const format = "the service manager passed a descriptor %s that is no listening socket; " +
				"its unit needs ListenStream= and Accept=no: %w"
			return list, fmt.Errorf(format, name, cmp.Or(err, errNotListening))
		}
		list = append(list, l)
		if !slices.Contains(networks, l.Addr().Network()) {
			return list, fmt.Errorf("the service manager passed a socket %s at %v, which is not of the kind %s",
				name, l.Addr(), strings.Join(networks, " or "))
		}
	}
	return list, nil
}

// errNotListening is the reason where the kernel gives none.
var errNotListening = errors.New("it does not listen")

// accepts reports whether a socket listens.
func accepts(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	on := 0
	ctlErr := raw.Control(func(fd uintptr) { on, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN) })
	return ctlErr == nil && err == nil && on == 1
}

// Close closes what nobody has taken.
func (r Received) Close() {
	for name := range r.files {
		for _, f := range r.Take(name) {
			f.Close()
		}
	}
}
