package process

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mlockOnFault locks pages when they are first used (mlock2(2)): Go reserves far
// more than it uses.
const mlockOnFault = 1

// LockMemory keeps the memory of this process out of swap, if the system allows that without a
// limit: Go's heap would exceed a limit, and the daemon would end. It is called after the
// store was opened, because the store's file, which is encrypted and may be large, need not be
// locked.
func LockMemory(log *slog.Logger) {
	may, err := mayLock()
	if err == nil && may {
		err = lockAll()
	}
	switch {
	case err != nil:
		log.Warn("memory is not locked, so keys may be written to swap", "error", err)
	case !may:
		log.Info("memory is not locked, so keys may be written to swap; give the daemon CAP_IPC_LOCK or LimitMEMLOCK=infinity, or encrypt the swap")
	}
}

// mayLock reports whether the process may lock as much as it likes.
func mayLock() (bool, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return false, fmt.Errorf("ask for the limit of locked memory: %w", err)
	}
	if limit.Cur == unix.RLIM_INFINITY {
		return true, nil
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("ask for capabilities: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0, nil
}

// lockAll locks all mappings that are not files, and those to come.
func lockAll() error {
	if err := unix.Mlockall(unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return fmt.Errorf("lock memory to come: %w", err)
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("lock memory: %w", err)
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if from, size, ok := ownMemory(lines.Text()); ok {
			err = errors.Join(err, lockRange(from, size))
		}
	}
	return errors.Join(err, lines.Err())
}

// ownMemory parses a line of proc_pid_maps(5). ok is true for writable memory that is not a
// file.
func ownMemory(line string) (from, size uintptr, ok bool) {
	var to uintptr
	var rights, offset, device string
	var inode uint64
	if _, err := fmt.Sscanf(line, "%x-%x %s %s %s %d", &from, &to, &rights, &offset, &device, &inode); err != nil {
		return 0, 0, false
	}
	return from, to - from, inode == 0 && strings.HasPrefix(rights, "rw") && !strings.HasSuffix(line, "[vvar]")
}

// lockRange locks a range and excludes it from core dumps. It ignores a range that is no
// longer mapped.
func lockRange(from, size uintptr) error {
	_, _, number := unix.Syscall(unix.SYS_MLOCK2, from, size, mlockOnFault)
	if number == unix.ENOMEM {
		return nil
	}
	if number == 0 {
		_, _, number = unix.Syscall(unix.SYS_MADVISE, from, size, unix.MADV_DONTDUMP)
	}
	if number != 0 {
		return fmt.Errorf("lock %d bytes: %w", size, number)
	}
	return nil
}
