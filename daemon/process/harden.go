package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps the memory of this process to itself: no core dump is written,
// and no other process of the same user can attach to it or read its memory.
func Harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("switching core dumps off: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process undumpable: %w", err)
	}
	return raiseLockLimit()
}

// raiseLockLimit lets the process lock as much memory as it may give itself.
func raiseLockLimit() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("asking for the limit of locked memory: %w", err)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("raising the limit of locked memory: %w", err)
	}
	return nil
}
