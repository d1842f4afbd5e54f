package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/api"
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
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// TestPromptShowsNothing types a PIN when asked, and looks at what the terminal
// showed.
func TestPromptShowsNothing(t *testing.T) {
	s := nativetest.Start(t)
	id := newToken(t, s.Client(t))
	keyboard, screen := terminal(t)
	cmd := exec.Command("vtoken", "--admin-socket", s.Socket, "token", "reset-pin", id)
	said, said2 := io.Pipe()
	cmd.Stdin, cmd.Stderr, cmd.Stdout = screen, said2, said2
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		said2.Close()
		done <- err
	}()
	for _, prompt := range []string{"New user PIN: ", "New user PIN again: "} {
		readUntil(t, said, prompt)
		if _, err := keyboard.WriteString("12345678\n"); err != nil {
			t.Fatal(err)
		}
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatalf("%v: %s", err, rest)
	}
	if _, err := screen.WriteString("end"); err != nil {
		t.Fatal(err)
	}
	if shown := readUntil(t, keyboard, "end"); strings.ContainsAny(shown, "12345678") {
		t.Errorf("the terminal showed %q", shown)
	}
	if !s.Store.CheckPIN(record.TokenID(id), pin.User, secret.Bytes("12345678")) {
		t.Error("the PIN is not the one that was typed")
	}
}

// newToken is the id of a new token of a new user alice, with a PIN.
func newToken(t *testing.T, c *client.Client) string {
	t.Helper()
	if _, err := c.CreateUser(t.Context(), "", api.NewUser{Login: "alice"}); err != nil {
		t.Fatal(err)
	}
	token, err := c.CreateToken(t.Context(), "", api.NewToken{User: "alice", UserPIN: api.Secret("first PIN")})
	if err != nil {
		t.Fatal(err)
	}
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
