package kek

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"vtoken/vtoken/secret"
)

// Path makes a path of a URI absolute: a relative one starts in the data folder.
func (e Env) Path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.Dir, path)
}

// ReadSecretFile reads a file of at most limit bytes that holds a secret. It
// refuses, with [ErrUnavailable], a symbolic link, anything but a regular file,
// a file of another user, and one that group or others may open. A missing file
// is fs.ErrNotExist too.
func ReadSecretFile(path string, limit int64) (secret.Bytes, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, syscall.ELOOP) {
			return nil, fmt.Errorf("%w: %s is a symbolic link; name the file itself", ErrUnavailable, path)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err := ownerOnly(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrUnavailable, path, limit)
	}
	return text, nil
}

// ownerOnly accepts a regular file that only we, or root, may open.
func ownerOnly(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file", ErrUnavailable, path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o and holds a secret; run chmod 600 on it", ErrUnavailable, path, mode)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); !ok || (int(stat.Uid) != uid && stat.Uid != 0) {
		return fmt.Errorf("%w: %s belongs to another user than %d, who runs this daemon", ErrUnavailable, path, uid)
	}
	return nil
}
