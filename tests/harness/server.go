package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// endsCommand sees to it that a server which goes into the background by itself
// is ended with the script, however the script ends.
func endsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ends PIDFILE")
	}
	file := ts.MkAbs(args[0])
	ts.Defer(func() {
		if err := EndServer(file); err != nil {
			ts.Logf("%v", err)
		}
	})
}

// EndServer ends the process whose id is in a file, and waits until it is gone.
// It is no error if there is none.
func EndServer(pidFile string) error {
	content, err := os.ReadFile(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it never started, or has ended and took its file along
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(content)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("%s holds %q, which is no process id", pidFile, content)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return nil // it has ended
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	late := time.After(readyWithin)
	for running(pid) {
		select {
		case <-poll.C:
		case <-late:
			return fmt.Errorf("process %d of %s did not end within %v", pid, pidFile, readyWithin)
		}
	}
	return nil
}

// running reports whether a process runs, and is not only waiting for its parent
// to notice its end.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, ok := bytes.Cut(stat, []byte(") "))
	return ok && !bytes.HasPrefix(after, []byte("Z"))
}
