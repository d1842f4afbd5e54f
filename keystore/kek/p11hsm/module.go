package p11hsm

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"vtoken/keystore/kek"
)

// checkModule refuses a module that somebody else than root or we could have
// written, because it is about to run in this process.
//
// No folder on the way to it may be one that others write, or they would put another
// folder in its place. The data folder holds data, and what is in it may come from a
// backup or from a disk that somebody else had.
func checkModule(path, data string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%w: there is no PKCS#11 module %s; install the HSM's software or correct module-path: %w", kek.ErrUnavailable, path, err)
	}
	for _, way := range []string{path, real} {
		if inside(way, data) {
			return "", fmt.Errorf("%w: the module %s is in the data folder; put it where the system has its modules", kek.ErrUnavailable, way)
		}
		if err := checkWay(way); err != nil {
			return "", err
		}
	}
	return real, nil
}

// checkWay looks at a file and all folders above it.
func checkWay(path string) error {
	for p, last := path, ""; p != last; p, last = filepath.Dir(p), p {
		info, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("%w: %w", kek.ErrUnavailable, err)
		}
		// In a folder such as /tmp others write, and replace nothing that is not theirs.
		// The module's own folder is none: a loader looks for more there.
		shared := info.IsDir() && info.Mode()&os.ModeSticky != 0 && p != filepath.Dir(path)
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 && !shared {
			return fmt.Errorf("%w: %s can be written by others than root and the daemon's user, and the module %s runs in the daemon; "+
				"give it to root and take away the right to write", kek.ErrUnavailable, p, path)
		}
	}
	return nil
}

// inside reports whether a path is in the data folder.
func inside(path, data string) bool {
	for _, dir := range []string{data, resolved(data)} {
		if within, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(within) {
			return true
		}
	}
	return false
}

// resolved is a folder without links, where it can be told.
func resolved(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}
