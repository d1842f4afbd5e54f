package audit

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// step is how much space is reserved at a time.
const step = 32 * MaxLine

// reserve reserves space in the file for all acts that were begun, and for one more. The lock
// is held.
func (l *Log) reserve() error {
	need := l.size + (l.pending+1)*MaxLine
	if need <= l.room {
		return nil
	}
	for _, to := range []int64{need + step, need} {
		err := unix.Fallocate(int(l.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, l.size, to-l.size)
		switch {
		case err == nil:
			l.room = to
			return nil
		case errors.Is(err, unix.EOPNOTSUPP):
			return l.free(need - l.size)
		case !errors.Is(classify(err), ErrFull):
			return fmt.Errorf("%w: reserve space: %w", ErrBroken, err)
		}
	}
	return fmt.Errorf("%w in %s; archive old files of it, or make the disk larger", ErrFull, l.opt.Dir)
}

// free checks for free space on file systems without fallocate. Another process may take that
// space before it is used.
func (l *Log) free(need int64) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(l.file.Fd()), &s); err != nil {
		return fmt.Errorf("%w: ask for free space: %w", ErrBroken, err)
	}
	if int64(s.Bavail)*s.Bsize < need+step {
		return fmt.Errorf("%w in %s; archive old files of it, or make the disk larger", ErrFull, l.opt.Dir)
	}
	return nil
}

// lowSpace is when free space is low: below this or below a tenth of the disk, whichever is
// smaller.
const lowSpace = 64 << 20

// watchSpace reports once when the disk is nearly full, and again after it was not.
func (l *Log) watchSpace() {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(l.lock.Fd()), &s); err != nil {
		return // reserve finds out
	}
	free, total := int64(s.Bavail)*s.Bsize, int64(s.Blocks)*s.Bsize
	low := free < min(lowSpace, total/10)
	l.mu.Lock()
	told := l.low
	l.low = low
	var err error
	if low && !told && l.broken == nil {
		err = l.writeOwn(Record{Event: EventDiskLow, Result: "ok", Detail: fmt.Sprintf("%d KiB free", free>>10)}, true)
	}
	l.mu.Unlock()
	if low && !told {
		l.opt.Low(free)
	}
	if err != nil && !errors.Is(err, ErrFull) { // where there is no space for the line, Low was told
		l.failed(fmt.Errorf("record that the disk is nearly full: %w", err))
	}
}

// lockFolder keeps other writers out of the folder while the file is open.
func lockFolder(path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the folder of the audit log: %w", err)
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: lock %s: %w; name another folder with --audit-dir", ErrInUse, path, err), dir.Close())
	}
	return dir, nil
}

// classify wraps errors of a full disk in ErrFull.
func classify(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// syncDir makes a new file's name durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
