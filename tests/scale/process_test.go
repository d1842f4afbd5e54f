package scale

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// clientVariable makes this program a client process.
const clientVariable = "VTOKEN_SCALE_CLIENT"

// hangsAfter is how long after its time a process may end. It is not a measure
// of speed: only a call that hangs reaches it.
const hangsAfter = 2 * time.Minute

// order is what a client process is to do. It comes on its standard input.
type order struct {
	Module string
	Seed   uint64
	Time   time.Duration
	Cards  []card
}

// card is one token as all know it.
type card struct {
	Label, Serial string
	Slot          uint
	PIN, SOPIN    string
	Point         string // of its key, as CKA_EC_POINT in hexadecimal digits
	Mine          bool   // nobody else writes to it
}

// tally is what a client process did.
type tally struct {
	Steps   map[string]int
	Calls   int
	Longest time.Duration
}

func (t *tally) add(other tally) {
	t.Calls += other.Calls
	t.Longest = max(t.Longest, other.Longest)
	for name, n := range maps.All(other.Steps) {
		t.Steps[name] += n
	}
}

// runClient runs a client process to its end.
func runClient(d *harness.Daemon, o order, to *tally) error {
	ctx, cancel := context.WithTimeout(context.Background(), o.Time+hangsAfter)
	defer cancel()
	in, err := json.Marshal(o)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, self)
	c.Env = append(os.Environ(), clientVariable+"=1", "VTOKEN_P11_SOCKET="+d.P11Socket)
	c.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("it hangs: %w", ctx.Err())
		}
		return fmt.Errorf("%w\n%s", err, errs.String())
	}
	*to, err = decode[tally](out)
	return err
}

// clientMain is the main function of a client process.
func clientMain(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	o, err := decode[order](text)
	if err != nil {
		return err
	}
	done, err := o.walk()
	if err != nil {
		return fmt.Errorf("seed %d: %w", o.Seed, err)
	}
	return json.NewEncoder(out).Encode(done)
}

// compile makes a program of testdata/NAME.c.
func compile(t *testing.T, name, program string) string {
	t.Helper()
	root, err := harness.Root()
	require.NoError(t, err)
	out, err := exec.Command("cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror",
		"-I", filepath.Join(root, "p11module"), "-I", filepath.Join(root, "tests", "abi", "testdata"),
		"-o", program, filepath.Join("testdata", name+".c"), "-lpthread", "-ldl").CombinedOutput()
	require.NoError(t, err, "compiling %s.c\n%s", name, out)
	return program
}

// runShort runs one short-lived client. One that is to die ends by SIGKILL.
func runShort(d *harness.Daemon, program, how string) error {
	ctx, cancel := context.WithTimeout(context.Background(), hangsAfter)
	defer cancel()
	c := exec.CommandContext(ctx, program, d.Module(), how)
	c.Env = append(os.Environ(), "VTOKEN_P11_SOCKET="+d.P11Socket, "PIN="+harness.PIN)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if how == "die" && ctx.Err() == nil && errors.As(err, &exit) &&
		exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL && len(out) == 0 {
		return nil
	}
	if err != nil || len(out) > 0 || how == "die" {
		return fmt.Errorf("%s: ended with %v\n%s", how, err, out)
	}
	return nil
}
