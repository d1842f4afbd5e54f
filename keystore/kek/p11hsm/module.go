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
func checkModule(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("%w: there is no PKCS#11 module %s; install the HSM's software or correct module-path: %w", kek.ErrUnavailable, path, err)
	}
	for _, p := range []string{real, filepath.Dir(real)} {
		info, err := os.Stat(p)
		if err != nil {
			return "", fmt.Errorf("%w: %w", kek.ErrUnavailable, err)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Uid != 0 && int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
			return "", fmt.Errorf("%w: %s can be written by others than root and the daemon's user, and the module runs in the daemon; "+
				"give it to root and take away the right to write", kek.ErrUnavailable, p)
		}
	}
	return real, nil
}
