package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(realMain()) }

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, os.Args[1:], &app{
		in:     os.Stdin,
		out:    os.Stdout,
		err:    os.Stderr,
		getenv: os.Getenv,
	})
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, a *app) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	a.close()
	if err == nil {
		return exitDone
	}
	sentence, code := explain(err)
	fmt.Fprintf(a.err, "vtoken: %s\n", printable(sentence))
	return code
}

// app is what all commands share: the process around them and the global flags.
type app struct {
	in     *os.File
	out    io.Writer
	err    io.Writer
	getenv func(string) string

	conn      connection
	stdinRead bool // standard input has been read as a secret
}
