package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vtoken/provisioning/dialect/native/api"
)

// maxSecret is the greatest size of a file with a PIN, a password or an API
// key, in bytes.
const maxSecret = 4096

// readSecret reads a secret from a file; "-" is standard input. One newline at
// its end is taken off, as editors put it there (K18). flag is for errors.
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

// interactive reports whether a person sits at standard input.
func (a *app) interactive() bool { return term.IsTerminal(int(a.in.Fd())) }

// prompt asks for a secret at the terminal, without showing it.
func (a *app) prompt(ctx context.Context, what string) (api.Secret, error) {
	fd := int(a.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("ask for the %s: %w", what, err)
	}
	defer term.Restore(fd, before)
	fmt.Fprintf(a.err, "%s: ", what)
	type answer struct {
		b   []byte
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		answers <- answer{b, err}
	}()
	select {
	case <-ctx.Done():
		// The reader still waits for a line; the process is about to end.
		fmt.Fprintln(a.err)
		return nil, ctx.Err()
	case got := <-answers:
		fmt.Fprintln(a.err)
		if got.err != nil {
			return nil, fmt.Errorf("ask for the %s: %w", what, got.err)
		}
		return got.b, nil
	}
}

// promptNew asks for a new secret, twice.
func (a *app) promptNew(ctx context.Context, what string) (api.Secret, error) {
	first, err := a.prompt(ctx, "New "+what)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, fmt.Errorf("no %s was typed, nothing was changed", what)
	}
	second, err := a.prompt(ctx, "New "+what+" again")
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

// secretFrom reads a secret from the file that a flag names, or asks for it
// where no flag was given and a person is there.
func (a *app) secretFrom(cmd *cobra.Command, flag, file, what string, ask func(context.Context, string) (api.Secret, error)) (api.Secret, error) {
	switch {
	case file != "":
		return a.readSecret(cmd, flag, file)
	case a.interactive():
		return ask(cmd.Context(), what)
	}
	return nil, usagef(cmd, "the %s is missing; give %s", what, flag)
}
