package kek

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// CreateSecretFile makes a file with a secret, which is wiped, for its owner only. It
// is made under another name and gets its own when it is on stable storage, so that
// there never is half a secret. A file that is there already is fs.ErrExist.
func CreateSecretFile(path string, text secret.Bytes) error {
	defer text.Wipe()
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(tmp, path) // no link, which a memory stick's file system has not
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
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
