package remote

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// DefaultTimeout is the limit of one call where nothing else is asked for.
const DefaultTimeout = 10 * time.Second

// SystemSocket is where the system's daemon listens.
const SystemSocket = "/run/vtoken/p11.sock"

const (
	minTimeout = 10 * time.Millisecond
	maxTimeout = time.Hour
)

// Options says where the daemon is and how to talk to it. The zero value is not
// usable; see [FromEnvironment].
type Options struct {
	// Socket is the path of the daemon's socket, asked for before each attempt
	// to connect, as the user's daemon may appear later.
	Socket func() string
	// ServerUser is one more user whose daemon is trusted with PINs, beside root and the
	// user of the process. 0, which is root, adds nobody.
	ServerUser uint32
	// Timeout is the limit of one call.
	Timeout time.Duration
	// Trace takes a line per call, or is nil.
	Trace *Trace
	// Descriptors makes and closes sockets; nil is the system's own way.
	Descriptors Descriptors
	// HadDaemon says that the application, or the one that it was forked from, had a daemon
	// before: then the first call waits for one that is away, too.
	HadDaemon bool
	// Connected is called when the client has connected for the first time. Nil is nobody.
	Connected func()
}

// Descriptors makes and closes the sockets of a client. The module has one that
// remembers them for the children that its host forks.
type Descriptors interface {
	// Open returns a new Unix stream socket that is closed on exec.
	Open() (fd int, err error)
	// Close closes what Open returned.
	Close(fd int)
	// Forget is called in place of Close where the host has closed the descriptor, whose
	// number may mean another file.
	Forget(fd int)
}

type systemDescriptors struct{}

func (systemDescriptors) Open() (int, error) {
	return syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
}

func (systemDescriptors) Close(fd int) { _ = syscall.Close(fd) }

func (systemDescriptors) Forget(int) {}

// FromEnvironment reads the variables in the package comment. getenv returns ""
// for what is not set, and for everything in a privileged program. A value that
// means nothing is ignored: a library has nowhere to complain.
func FromEnvironment(getenv func(name string) string) Options {
	o := Options{Timeout: DefaultTimeout, Trace: openTrace(getenv("VTOKEN_TRACE"), getenv("VTOKEN_TRACE_SECRETS") == "1")}
	if d, err := time.ParseDuration(getenv("VTOKEN_P11_TIMEOUT")); err == nil && d >= minTimeout && d <= maxTimeout {
		o.Timeout = d
	}
	if uid, err := strconv.ParseUint(getenv("VTOKEN_P11_SERVER_UID"), 10, 32); err == nil {
		o.ServerUser = uint32(uid)
	}
	given, runtimeDir := getenv("VTOKEN_P11_SOCKET"), getenv("XDG_RUNTIME_DIR")
	o.Socket = func() string { return socketPath(given, runtimeDir, os.Geteuid()) }
	return o
}

// socketPath is where the daemon is for a process of that effective user. Root's daemon
// is that of the system: XDG_RUNTIME_DIR may be left over from the user who became root.
func socketPath(given, runtimeDir string, euid int) string {
	if given != "" {
		return given
	}
	if runtimeDir != "" && euid != 0 {
		path := runtimeDir + "/vtoken/p11.sock"
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return SystemSocket
}
