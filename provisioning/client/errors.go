package client

import (
	"errors"
	"fmt"
)

// Causes of errors that do not come from a daemon.
var (
	// ErrUnreachable is wrapped where nothing answered at the address.
	ErrUnreachable = errors.New("no daemon answers")
	// ErrAccess is wrapped where this process may not open the admin socket.
	ErrAccess = errors.New("permission denied")
)

// Error is a refusal by the daemon.
type Error struct {
	// Doing is what was asked for.
	Doing string
	// Status is the status code of HTTP.
	Status int
	// Kind is the stable name of the error, empty where the answer had none.
	Kind string
	// Detail is one sentence: the cause, and what to do.
	Detail string
	// RequestID finds the request in the daemon's log.
	RequestID string
}

// Error says what was asked for and why it was refused.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Doing, e.Detail) }
