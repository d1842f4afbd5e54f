package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"vtoken/provisioning/client"
)

// The exit codes, a contract that scripts rely on.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitNotAllowed  = 4
	exitFindings    = 5
)

// usageError is a command line that is wrong.
type usageError struct {
	command string
	message string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s; see: %s --help", e.message, e.command)
}

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), message: fmt.Sprintf(format, args...)}
}

// hintError is an error with what to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() + "; " + e.hint }
func (e *hintError) Unwrap() error { return e.err }

// explain is the sentence and the exit code of an error.
func explain(err error) (string, int) {
	var usage *usageError
	var refused *client.Error
	var findings *findingsError
	switch {
	case errors.As(err, &usage):
		return err.Error(), exitUsage
	case errors.Is(err, client.ErrUnreachable):
		return err.Error(), exitUnreachable
	case errors.Is(err, client.ErrAccess):
		return err.Error(), exitNotAllowed
	case errors.As(err, &refused):
		return refusedSentence(err, refused), refusedCode(refused)
	case errors.As(err, &findings):
		return err.Error(), exitFindings
	case errors.Is(err, context.Canceled):
		return "interrupted", exitFailed
	}
	return err.Error(), exitFailed
}

// refusedSentence adds the request's id to a fault of the daemon, whose cause
// is in its log and nowhere else.
func refusedSentence(err error, refused *client.Error) string {
	if refused.Status >= http.StatusInternalServerError && refused.RequestID != "" {
		return fmt.Sprintf("%v (request %s)", err, refused.RequestID)
	}
	return err.Error()
}

func refusedCode(e *client.Error) int {
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
		return exitNotAllowed
	}
	return exitFailed
}
