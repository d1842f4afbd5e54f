package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Root is the folder of the module's go.mod, found upwards from the folder that
// go test runs in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("looking for go.mod: no folder above the test has it")
		}
		dir = filepath.Dir(dir)
	}
}

// Build runs make build, once in a test program, and returns the folder of the binaries.
// Test programs that run at the same time take turns.
func Build() (bin string, err error) { return build() }

var build = sync.OnceValues(runBuild)

func runBuild() (bin string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	bin = filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(bin, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close() // gives the lock back
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("waiting for another build: %w", err)
	}
	make := exec.Command("make", "--no-print-directory", "build")
	make.Dir = root
	if out, err := make.CombinedOutput(); err != nil {
		return "", fmt.Errorf("running make build: %w\n%s", err, out)
	}
	return bin, nil
}
