package attack

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// attackerVariable makes this program an attacker.
const attackerVariable = "VTOKEN_ATTACKER"

// hangsAfter is how long a line of an attacker may take. It is not a measure of speed:
// only an attacker that hangs reaches it.
const hangsAfter = 2 * time.Minute

// attacker is a process of another OS user that runs a function of this package.
type attacker struct {
	cmd   *exec.Cmd
	lines *bufio.Reader
	in    io.WriteCloser
	errs  bytes.Buffer
}

// launch starts an attacker under the uid. It is killed at the end of the test.
func launch(t *testing.T, d *harness.Daemon, uid uint32, name string, args ...string) *attacker {
	t.Helper()
	c := exec.Command(self(t, d), args...)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return launchCommand(t, d, c, name)
}

// launchCommand starts an attacker by a command, which runs this program in the end. It is
// killed at the end of the test.
func launchCommand(t *testing.T, d *harness.Daemon, c *exec.Cmd, name string) *attacker {
	t.Helper()
	a := &attacker{cmd: c}
	a.cmd.Env = append(os.Environ(), attackerVariable+"="+name)
	for key, value := range d.Environment() {
		a.cmd.Env = append(a.cmd.Env, key+"="+value)
	}
	a.cmd.Dir = d.Dir
	a.cmd.Stderr = &a.errs
	out, err := a.cmd.StdoutPipe()
	require.NoError(t, err)
	a.in, err = a.cmd.StdinPipe()
	require.NoError(t, err)
	a.lines = bufio.NewReader(out)
	require.NoError(t, a.cmd.Start())
	t.Cleanup(a.kill)
	return a
}

// goLast gives everybody else the processors first. What an attacker's own program takes of
// them is for the kernel to share out; what it makes the daemon do is not.
func (a *attacker) goLast(t *testing.T) *attacker {
	t.Helper()
	require.NoError(t, syscall.Setpriority(syscall.PRIO_PROCESS, a.cmd.Process.Pid, 19))
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", a.cmd.Process.Pid))
	require.NoError(t, err)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		require.NoError(t, err)
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, id, 19) // it may have ended
	}
	return a
}

// line is the next line that the attacker prints, without its end.
func (a *attacker) line(t *testing.T) string {
	t.Helper()
	type result struct {
		text string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		text, err := a.lines.ReadString('\n')
		got <- result{text, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			_ = a.cmd.Wait()
			require.NoError(t, r.err, "the attacker ended: %s", a.errs.String())
		}
		return strings.TrimSuffix(r.text, "\n")
	case <-time.After(hangsAfter):
		require.FailNow(t, "the attacker hangs", a.errs.String())
	}
	return ""
}

// tell writes a line to the attacker's standard input.
func (a *attacker) tell(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(a.in, line+"\n")
	require.NoError(t, err)
}

// kill ends the attacker as a crash would. It may be called twice.
func (a *attacker) kill() {
	if a.cmd.ProcessState == nil {
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	}
}

// run runs an attacker to its end and returns what it printed. err is how it ended, with
// what it wrote to standard error.
func run(t *testing.T, d *harness.Daemon, uid uint32, name string, args ...string) (string, error) {
	t.Helper()
	return launch(t, d, uid, name, args...).wait()
}

// wait waits for the attacker's end and returns what it printed. err is how it ended, with
// what it wrote to standard error.
func (a *attacker) wait() (string, error) {
	out, err := io.ReadAll(a.lines)
	if err != nil {
		return string(out), err
	}
	if err := a.cmd.Wait(); err != nil {
		return string(out), &failure{err, strings.TrimSpace(a.errs.String())}
	}
	return string(out), nil
}

// failure is how an attacker ended, and what it said.
type failure struct {
	err  error
	says string
}

func (f *failure) Error() string { return f.err.Error() + ": " + f.says }

// self is a copy of this program where every user can run it.
func self(t *testing.T, d *harness.Daemon) string {
	t.Helper()
	return public(t, d, os.Args[0])
}

// public is a copy of a program where every user can run it: the folder that the tests
// run in may be closed to others.
func public(t *testing.T, d *harness.Daemon, path string) string {
	t.Helper()
	copied := filepath.Join(d.Dir, filepath.Base(path))
	if _, err := os.Stat(copied); err == nil {
		return copied
	}
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, harness.WriteProgram(copied, program))
	return copied
}
