package remote

import (
	"os"
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
	// Timeout is the limit of one call.
	Timeout time.Duration
	// Trace takes a line per call, or is nil.
	Trace *Trace
	// Descriptors makes and closes sockets; nil is the system's own way.
	Descriptors Descriptors
}

// Descriptors makes and closes the sockets of a client. The module has one that
// remembers them for the children that its host forks.
type Descriptors interface {
	// Open returns a new Unix stream socket that is closed on exec.
	Open() (fd int, err error)
	// Close closes what Open returned.
	Close(fd int)
}

type systemDescriptors struct{}

func (systemDescriptors) Open() (int, error) {
	return syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
}

func (systemDescriptors) Close(fd int) { _ = syscall.Close(fd) }

// FromEnvironment reads the variables in the package comment. getenv returns ""
// for what is not set, and for everything in a privileged program. A value that
// means nothing is ignored: a library has nowhere to complain.
func FromEnvironment(getenv func(name string) string) Options {
	o := Options{Timeout: DefaultTimeout, Trace: openTrace(getenv("VTOKEN_TRACE"), getenv("VTOKEN_TRACE_SECRETS") == "1")}
	if d, err := time.ParseDuration(getenv("VTOKEN_P11_TIMEOUT")); err == nil && d >= minTimeout && d <= maxTimeout {
		o.Timeout = d
	}
	given, runtimeDir := getenv("VTOKEN_P11_SOCKET"), getenv("XDG_RUNTIME_DIR")
	o.Socket = func() string { return socketPath(given, runtimeDir) }
	return o
}

func socketPath(given, runtimeDir string) string {
	if given != "" {
		return given
	}
	if runtimeDir != "" {
		path := runtimeDir + "/vtoken/p11.sock"
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return SystemSocket
}
