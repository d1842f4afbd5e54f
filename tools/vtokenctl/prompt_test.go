package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// terminal is a pseudo-terminal: what a person types into keyboard, a program
// reads from screen.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// TestPromptShowsNothing types a PIN when asked, and looks at what the terminal
// showed.
func TestPromptShowsNothing(t *testing.T) {
	s := nativetest.Start(t)
	id := newToken(t, s.Client(t))
	keyboard, screen := terminal(t)
	said, done := startAt(t, screen, "--admin-socket", s.Socket, "token", "reset-pin", id)
	for _, prompt := range []string{"New user PIN: ", "New user PIN again: "} {
		readUntil(t, said, prompt)
		_, err := keyboard.WriteString("12345678\n")
		require.NoError(t, err)
	}
	rest, err := io.ReadAll(said)
	require.NoError(t, err)
	if err := <-done; err != nil {
		t.Fatalf("%v: %s", err, rest)
	}
	_, err = screen.WriteString("end")
	require.NoError(t, err)
	if shown := readUntil(t, keyboard, "end"); strings.ContainsAny(shown, "12345678") {
		t.Errorf("the terminal showed %q", shown)
	}
	if !s.Store.HasPIN(record.TokenID(id), pin.User, secret.Bytes("12345678")) {
		t.Error("the PIN is not the one that was typed")
	}
}

// startAt starts a command at a terminal. What it says can be read until it
// ends.
func startAt(t *testing.T, screen *os.File, args ...string) (said *command, done <-chan error) {
	t.Helper()
	cmd := exec.Command("vtoken", args...)
	r, w := io.Pipe()
	cmd.Stdin, cmd.Stderr, cmd.Stdout = screen, w, w
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		w.Close()
		ended <- err
	}()
	return &command{r, cmd.Process}, ended
}

// command is a command that runs: what it says, and the process to signal.
type command struct {
	io.Reader
	process *os.Process
}

// TestInterruptedPrompt interrupts commands that ask. The terminal shows what is
// typed again afterwards, and nothing was changed.
func TestInterruptedPrompt(t *testing.T) {
	s := nativetest.Start(t)
	id := newToken(t, s.Client(t))
	for prompt, args := range map[string][]string{
		"New user PIN: ": {"--admin-socket", s.Socket, "token", "reset-pin", id},
		"[y/N] ":         {"--admin-socket", s.Socket, "token", "delete", id},
	} {
		_, screen := terminal(t)
		said, done := startAt(t, screen, args...)
		readUntil(t, said, prompt)
		require.NoError(t, said.process.Signal(os.Interrupt))
		rest, err := io.ReadAll(said)
		if err != nil || !strings.Contains(string(rest), "vtoken: interrupted\n") {
			t.Errorf("%s: it says %q (%v)", prompt, rest, err)
		}
		var exit *exec.ExitError
		if err := <-done; !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
			t.Errorf("%s: it ends with %v", prompt, err)
		}
		state, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
		if err != nil || state.Lflag&unix.ECHO == 0 {
			t.Errorf("%s: the terminal shows nothing any more (%v)", prompt, err)
		}
	}
	if !s.Store.HasPIN(record.TokenID(id), pin.User, secret.Bytes("first PIN")) {
		t.Error("the token is gone, or its PIN was changed")
	}
}

// newToken is the id of a new token of a new user alice, with a PIN.
func newToken(t *testing.T, c *client.Client) string {
	t.Helper()
	_, err := c.CreateUser(t.Context(), "", api.NewUser{Login: "alice"})
	require.NoError(t, err)
	token, err := c.CreateToken(t.Context(), "", api.NewToken{User: "alice", UserPIN: api.Secret("first PIN"), SOPIN: api.Secret("so-87654321")})
	require.NoError(t, err)
	return token.ID
}

// readUntil reads until it has read text.
func readUntil(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	var all bytes.Buffer
	for one := make([]byte, 1); !strings.HasSuffix(all.String(), text); {
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatalf("%v after %q", err, all.String())
		}
		all.Write(one)
	}
	return all.String()
}
