package remote

import (
	"syscall"
	"unsafe"
)

// descriptor is a descriptor of the library's own in the host's process. A program that closes
// all descriptors it does not know opens its own files under their numbers. Package os is no help
// there: its files need Go's poller, which ends the process when its descriptor is closed.
type descriptor struct {
	fd     int
	device uint64 // with inode, which file the descriptor was when it was made
	inode  uint64
}

// made takes a new descriptor.
func (d *descriptor) made(fd int) {
	d.fd = fd
	var st syscall.Stat_t
	if fstat(fd, &st) == 0 {
		d.device, d.inode = uint64(st.Dev), st.Ino
	}
}

// ours reports whether the descriptor still is the file that was made.
func (d *descriptor) ours() bool {
	var st syscall.Stat_t
	return fstat(d.fd, &st) == 0 && st.Ino == d.inode && uint64(st.Dev) == d.device
}

func fstat(fd int, st *syscall.Stat_t) syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(st)), 0)
	return errno
}
