package remote

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	futexWaitPrivate = 128
	futexWakePrivate = 129
)

// futexWait sleeps while *word is val, until futexWake or the deadline; zero is
// no deadline. It may return early for no reason.
func futexWait(word *atomic.Uint32, val uint32, deadline time.Time) {
	var timeout *syscall.Timespec
	if !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return
		}
		ts := syscall.NsecToTimespec(left.Nanoseconds())
		timeout = &ts
	}
	_, _, _ = syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitPrivate,
		uintptr(val), uintptr(unsafe.Pointer(timeout)), 0, 0)
}

// futexWake wakes all that wait at word.
func futexWake(word *atomic.Uint32) {
	const all = 1<<31 - 1
	_, _, _ = syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakePrivate, all, 0, 0, 0)
}
