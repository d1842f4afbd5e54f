package service

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// numbersVariable names the variable with the numbers of the descriptors, where they are not
// those of sd_listen_fds(3), which follow each other.
const numbersVariable = "VTOKEN_LISTEN_FDS"

// Descriptor is an open file, or a connection or listener of package net.
type Descriptor interface {
	SyscallConn() (syscall.RawConn, error)
}

// Named is a descriptor with the name under which [Receive] returns it.
type Named struct {
	Name string
	File Descriptor
}

// Become has the program at path take the place of this process, which keeps its id, its
// standard streams and its environment. The program receives the files, under their numbers:
// no further descriptor is needed. On success, Become does not return. If it fails, nothing
// has changed.
func Become(path string, args []string, files []Named) error {
	defer runtime.KeepAlive(files)
	names, numbers := make([]string, len(files)), make([]string, len(files))
	for i, f := range files {
		number, err := numberOf(f.File)
		if err != nil {
			return fmt.Errorf("pass descriptor %s on: %w", f.Name, err)
		}
		names[i], numbers[i] = f.Name, strconv.Itoa(number)
	}
	env := append(os.Environ(),
		"LISTEN_PID="+strconv.Itoa(os.Getpid()),
		"LISTEN_FDS="+strconv.Itoa(len(files)),
		"LISTEN_FDNAMES="+strings.Join(names, ":"),
		numbersVariable+"="+strings.Join(numbers, ","),
	)
	err := keepOnExec(files, true)
	if err == nil {
		err = syscall.Exec(path, args, env)
	}
	return fmt.Errorf("become %s: %w", path, errors.Join(err, keepOnExec(files, false)))
}

// numberOf returns the number of a descriptor. Fd of a file would make it blocking.
func numberOf(d Descriptor) (number int, err error) {
	raw, err := d.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err
}

// keepOnExec sets whether another program has the files, too.
func keepOnExec(files []Named, keep bool) error {
	flag := unix.FD_CLOEXEC
	if keep {
		flag = 0
	}
	for _, f := range files {
		number, err := numberOf(f.File)
		if err == nil {
			_, err = unix.FcntlInt(uintptr(number), unix.F_SETFD, flag)
		}
		if err != nil {
			return fmt.Errorf("pass descriptor %s on: %w", f.Name, err)
		}
	}
	return nil
}

// numbersOf reads the numbers of n descriptors from the text of the variable; an empty text
// stands for those that follow first.
func numbersOf(text string, n, first int) ([]int, error) {
	numbers := make([]int, 0, n)
	if text == "" {
		for i := range n {
			numbers = append(numbers, first+i)
		}
		return numbers, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		number, err := strconv.Atoi(one)
		if err != nil || number < firstFile {
			return nil, fmt.Errorf("%s has %q", numbersVariable, one)
		}
		numbers = append(numbers, number)
	}
	if len(numbers) != n {
		return nil, fmt.Errorf("%s has %d numbers for %d descriptors", numbersVariable, len(numbers), n)
	}
	return numbers, nil
}
