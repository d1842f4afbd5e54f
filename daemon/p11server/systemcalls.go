//go:build !race

package p11server

import (
	"syscall"
	"unsafe"
)

// The system calls of a connection. A short one is over in a moment, so that the scheduler need
// not know of it: to tell it costs as much as a part of the call, and may wake the runtime's
// monitor.

// read reads what is there.
func read(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}

// write writes what the socket has room for.
func write(fd uintptr, b []byte) (int, syscall.Errno) {
	if len(b) > maxTogether {
		n, _, errno := syscall.Syscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		return int(n), errno
	}
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), errno
}
