package boot

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// The modules that applications of the machine load, and where the program that loads them is.
const (
	ourModule   = "/usr/lib/%s-linux-gnu/pkcs11/vtoken-pkcs11.so"
	stockModule = "/usr/lib/%s-linux-gnu/pkcs11/p11-kit-client.so"
	program     = "/usr/local/bin/traffic"
)

// user is who runs the applications.
const user = "alice"

// compileTraffic makes the program that signs, in the machine.
func compileTraffic(m *machine) {
	m.t.Helper()
	root, err := harness.Root()
	require.NoError(m.t, err)
	out, err := exec.Command("cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
		"-I", filepath.Join(root, "p11module"), "-I", filepath.Join(root, "tests", "abi", "testdata"),
		"-o", filepath.Join(m.root, program), filepath.Join("testdata", "traffic.c"), "-lpthread", "-ldl").CombinedOutput()
	require.NoError(m.t, err, "compiling traffic.c\n%s", out)
}

// application is a program that signs in the machine without end. It knows the PIN once, at
// its start.
type application struct {
	name   string
	cmd    *exec.Cmd
	asks   io.WriteCloser
	told   *bufio.Scanner
	errors bytes.Buffer
}

// newApplication starts one with a module. It has signed when this returns.
func newApplication(t *testing.T, m *machine, module string) *application {
	t.Helper()
	a := &application{name: filepath.Base(module)}
	a.cmd = signer(t, m, module, "sign")
	a.cmd.Stderr = &a.errors
	a.cmd.WaitDelay = hangsAfter / 10 // for what it leaves behind where it is killed
	var err error
	a.asks, err = a.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := a.cmd.StdoutPipe()
	require.NoError(t, err)
	a.told = bufio.NewScanner(out)
	require.NoError(t, a.cmd.Start())
	t.Cleanup(a.kill)
	a.goesOn(t)
	return a
}

// kill ends the application wherever it is. It also ends by the end of its input.
func (a *application) kill() {
	if a.cmd.ProcessState == nil {
		_ = a.asks.Close()
		_ = a.cmd.Process.Kill()
		_ = a.cmd.Wait()
	}
}

// signer is the program as a process of the user.
func signer(t *testing.T, m *machine, module, how string) *exec.Cmd {
	t.Helper()
	c := m.inside(t.Context(), "runuser", "-u", user, "--", program, module, how)
	c.Env = append(c.Env, "PIN="+harness.PIN, "P11_KIT_SERVER_ADDRESS=unix:path=/run/vtoken/p11.sock")
	return c
}

// ask returns how often each thread has signed, and the longest call since it was asked before.
func (a *application) ask(t *testing.T) (signed [2]uint64, longest time.Duration) {
	t.Helper()
	_, err := io.WriteString(a.asks, "\n")
	ended := err != nil || !a.told.Scan()
	if ended {
		err = a.cmd.Wait()
		require.Fail(t, "a call failed", "the application with %s ended: %v\n%s", a.name, err, a.errors.String())
	}
	var microseconds int64
	_, err = fmt.Sscan(a.told.Text(), &signed[0], &signed[1], &microseconds)
	require.NoError(t, err)
	return signed, time.Duration(microseconds) * time.Microsecond
}

// goesOn waits until each thread has signed some more, and returns the longest call.
func (a *application) goesOn(t *testing.T) (longest time.Duration) {
	t.Helper()
	before, longest := a.ask(t)
	require.Eventually(t, func() bool {
		now, took := a.ask(t)
		longest = max(longest, took)
		return now[0] > before[0]+2 && now[1] > before[1]+2
	}, hangsAfter, 10*time.Millisecond, "the application with %s hangs", a.name)
	return longest
}

// end has the application log out and end.
func (a *application) end(t *testing.T) {
	t.Helper()
	require.NoError(t, a.asks.Close())
	require.NoError(t, a.cmd.Wait(), "%s", a.errors.String())
}

// during does something while applications sign: none has a call that fails, and all go on.
func during(t *testing.T, what string, applications []*application, do func()) {
	t.Helper()
	for _, a := range applications {
		a.goesOn(t)
	}
	began := time.Now()
	do()
	took := time.Since(began)
	for _, a := range applications {
		longest := a.goesOn(t)
		t.Logf("%s took %v; the longest call of %s %v", what, took.Round(time.Millisecond), a.name, longest.Round(time.Millisecond))
	}
}
