package service

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// firstVariable names the variable with the number of the first descriptor, where it is not
// that of sd_listen_fds(3).
const firstVariable = "VTOKEN_LISTEN_FDS_START"

// Named is a descriptor with the name under which [Receive] returns it.
type Named struct {
	Name string
	File *os.File
}

// Become has the program at path take the place of this process, which keeps its id, its
// standard streams and its environment. The program receives the files. On success, Become
// does not return. If it fails, nothing has changed.
func Become(path string, args []string, files []Named) error {
	start, err := duplicate(files)
	if err != nil {
		return err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	env := append(os.Environ(),
		"LISTEN_PID="+strconv.Itoa(os.Getpid()),
		"LISTEN_FDS="+strconv.Itoa(len(files)),
		"LISTEN_FDNAMES="+strings.Join(names, ":"),
		firstVariable+"="+strconv.Itoa(start),
	)
	err = syscall.Exec(path, args, env)
	for i := range files {
		_ = unix.Close(start + i)
	}
	return fmt.Errorf("become %s: %w", path, err)
}

// duplicate gives the files numbers that follow each other, which stay open in another
// program. It returns the first.
func duplicate(files []Named) (start int, err error) {
	limit := unix.Rlimit{}
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit of descriptors: %w", err)
	}
	// The kernel gives the lowest free number. Above the ones in use, they follow each other.
	base := highest() + 1
	for i, f := range files {
		var fd int
		raw, err := f.File.SyscallConn()
		if err == nil {
			ctl := raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD, base+i) })
			if err == nil {
				err = ctl
			}
		}
		if err == nil && fd != base+i {
			_ = unix.Close(fd)
			err = fmt.Errorf("descriptor %d is in use", base+i)
		}
		if err != nil {
			for j := range i {
				_ = unix.Close(base + j)
			}
			return 0, fmt.Errorf("pass descriptor %s on (of at most %d): %w", f.Name, limit.Cur, err)
		}
	}
	return base, nil
}

// highest is the highest descriptor that is open.
func highest() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 1 << 10
	}
	top := 2
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			top = max(top, n)
		}
	}
	return top
}
