package abi

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"os/user"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// waiter is a host that waits for slot events until it is told to go on.
type waiter struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	errs  bytes.Buffer
}

func startWaiter(t *testing.T, p peer, name string) *waiter {
	t.Helper()
	w := &waiter{t: t, cmd: exec.Command(host(t, name), module(t))}
	w.cmd.Env, w.cmd.Stderr = p.environment(), &w.errs
	var err error
	w.in, err = w.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := w.cmd.StdoutPipe()
	require.NoError(t, err)
	w.lines = bufio.NewScanner(out)
	require.NoError(t, w.cmd.Start())
	t.Cleanup(func() { _ = w.cmd.Process.Kill() }) // no matter where it has ended
	w.says("ready")
	return w
}

// says expects the next line of the host.
func (w *waiter) says(want string) {
	w.t.Helper()
	w.lines.Scan()
	require.Equal(w.t, want, w.lines.Text(), "what the host says")
}

// goOn tells the host to.
func (w *waiter) goOn() {
	w.t.Helper()
	_, err := w.in.Write([]byte("\n"))
	require.NoError(w.t, err)
}

// end expects the host to end well.
func (w *waiter) end() {
	w.t.Helper()
	require.False(w.t, w.lines.Scan(), "the host says more: %q", w.lines.Text())
	w.in.Close()
	if err := w.cmd.Wait(); err != nil || w.errs.Len() > 0 {
		w.t.Errorf("%v: %s", err, w.errs.String())
	}
}

// TestIdleWait: a host that waits for events takes nearly no processor.
func TestIdleWait(t *testing.T) {
	p := startPeer(t)
	w := startWaiter(t, p, "idle")
	require.NoError(t, p.Kill())
	w.goOn()
	w.end()
}

// TestEventsWake: a wait ends with whatever an administrator does to a token,
// once for each, and with C_Finalize. What else wakes it is in vtoken/slot_test.go.
func TestEventsWake(t *testing.T) {
	p := startPeer(t)
	w := startWaiter(t, p, "events")
	me, err := user.Current()
	require.NoError(t, err)
	id, err := p.NewTokenFor(me.Username, "new", harness.PIN, harness.SOPIN)
	require.NoError(t, err)
	text, err := p.Vtoken("token", "show", id, "-o", "json")
	require.NoError(t, err)
	var shown struct{ Slot uint64 }
	require.NoError(t, json.Unmarshal([]byte(text), &shown))
	event := fmt.Sprintf("0x0 %d", shown.Slot)
	w.says(event) // it was made
	for _, args := range [][]string{
		{"disable", id}, {"enable", id}, {"unassign", id}, {"assign", id, "--user", me.Username}, {"expire", id, "2001-01-01T00:00:00Z"},
		{"expire", id, "never"}, {"delete", id, "--yes"},
	} {
		if _, err := p.Vtoken(append([]string{"token"}, args...)...); err != nil {
			t.Error(err)
			continue
		}
		w.says(event)
	}
	w.goOn()
	w.says("0x190 0")
	w.end()
}
