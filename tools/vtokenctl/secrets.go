package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"vtoken/provisioning/api"
)

// maxSecret is the maximal size of a file with a PIN, a password or an API key, in bytes.
const maxSecret = 4096

// readSecret reads a secret from a file; "-" is standard input. It removes one newline at
// the end, which editors add. flag is for errors.
func (a *app) readSecret(cmd *cobra.Command, flag, file string) (api.Secret, error) {
	if file == "-" {
		if a.stdinRead {
			return nil, usagef(cmd, "only one secret can come from standard input")
		}
		a.stdinRead = true
		return checkSecret(flag, "standard input", a.in)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", flag, err)
	}
	defer f.Close()
	return checkSecret(flag, file, f)
}

func checkSecret(flag, from string, r io.Reader) (api.Secret, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", flag, err)
	case len(b) > maxSecret:
		clear(b)
		return nil, fmt.Errorf("read %s: %s has more than %d bytes; is it the right file?", flag, from, maxSecret)
	}
	if line, cut := bytes.CutSuffix(b, []byte("\n")); cut {
		b = bytes.TrimSuffix(line, []byte("\r"))
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("read %s: %s is empty; put the secret into it", flag, from)
	}
	return b, nil
}

// interactive reports whether standard input is a terminal.
func (a *app) interactive() bool { return term.IsTerminal(int(a.in.Fd())) }

// prompt asks for a secret at the terminal, without echo.
func (a *app) prompt(ctx context.Context, what string) (api.Secret, error) {
	restore, err := noEcho(int(a.in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ask for the %s: %w", what, err)
	}
	defer restore()
	return a.ask(ctx, what)
}

// promptNew asks for a new secret, twice.
func (a *app) promptNew(ctx context.Context, what string) (api.Secret, error) {
	restore, err := noEcho(int(a.in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("ask for the %s: %w", what, err)
	}
	defer restore()
	first, err := a.ask(ctx, "New "+what)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("no %s was typed, nothing was changed", what)
	}
	second, err := a.ask(ctx, "New "+what+" again")
	if err != nil {
		return nil, err
	}
	defer second.Wipe()
	if !first.Bytes().Equal(second.Bytes()) {
		first.Wipe()
		return nil, fmt.Errorf("the two %ss differ, nothing was changed; try again", what)
	}
	return first, nil
}

// noEcho turns off the echo of a terminal until restore. Call it before the prompt, so
// that nothing typed early is shown.
func noEcho(fd int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	quiet.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}

// ask asks for one line at the terminal.
func (a *app) ask(ctx context.Context, what string) (api.Secret, error) {
	fmt.Fprintf(a.err, "%s: ", printable(what))
	defer fmt.Fprintln(a.err)
	line, err := a.typed(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	return line, nil
}

// typed returns the next line from the terminal, unless the command is interrupted first.
func (a *app) typed(ctx context.Context) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := readLine(a.in)
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err() // the reader still waits, but the process ends now
	case got := <-answers:
		return got.line, got.err
	}
}

// readLine reads up to the next newline, and nothing after it.
func readLine(r io.Reader) ([]byte, error) {
	line := make([]byte, 0, maxSecret)
	for one := make([]byte, 1); ; {
		switch _, err := io.ReadFull(r, one); {
		case err != nil:
			clear(line)
			return nil, err
		case one[0] == '\n':
			return line, nil
		case len(line) == maxSecret:
			clear(line)
			return nil, fmt.Errorf("it has more than %d bytes", maxSecret)
		}
		line = append(line, one[0])
	}
}

// secretFrom reads a secret from the file that a flag names. Without the flag it asks for
// it, if there is a terminal.
func (a *app) secretFrom(
	cmd *cobra.Command, flag, file, what string, ask func(context.Context, string) (api.Secret, error),
) (api.Secret, error) {
	switch {
	case file != "":
		return a.readSecret(cmd, flag, file)
	case a.interactive():
		return ask(cmd.Context(), what)
	}
	return nil, usagef(cmd, "the %s is missing; give %s", what, flag)
}
