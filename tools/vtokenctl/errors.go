package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

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

// usageError is a mistake in the command line.
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

// hintError is an error with advice.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() + "; " + e.hint }
func (e *hintError) Unwrap() error { return e.err }

// explain returns the sentence and the exit code of an error.
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

// refusedSentence adds the request's id to an internal error of the daemon, whose cause
// is only in its log.
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

// accessHint names the group or the mode that denies this user access to a socket. It
// examines the socket, or the nearest folder above it that this user can examine.
func accessHint(socket string) string {
	place := socket
	info, err := os.Stat(place)
	for errors.Is(err, fs.ErrPermission) && place != filepath.Dir(place) {
		place = filepath.Dir(place)
		info, err = os.Stat(place)
	}
	if err != nil {
		return "run this as root"
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "run this as root"
	}
	return accessRule(place, info.Mode().Perm(),
		numbered(user.LookupId, owner.Uid, func(u *user.User) string { return u.Username }),
		numbered(user.LookupGroupId, owner.Gid, func(g *user.Group) string { return g.Name }), me())
}

// accessRule returns the sentence for a file with that mode, owner and group.
func accessRule(place string, mode fs.FileMode, owner, group, me string) string {
	if mode&0o070 == 0 {
		return fmt.Sprintf("%s is open to the user %s only; run this as %s", place, owner, owner)
	}
	return fmt.Sprintf("%s is open to the user %s and the group %s; run this with sudo, or join the group with: sudo usermod -aG %s %s (then log in again)",
		place, owner, group, group, me)
}

// numbered returns the name of a user or a group, or its number if it has none.
func numbered[T any](lookup func(string) (*T, error), id uint32, name func(*T) string) string {
	number := strconv.FormatUint(uint64(id), 10)
	if found, err := lookup(number); err == nil {
		return name(found)
	}
	return number
}

func me() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}
