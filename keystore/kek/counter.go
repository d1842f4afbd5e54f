package kek

import (
	"context"
	"errors"

	"vtoken/vtoken/secret"
)

// MaxCounter bounds in bytes what names a counter.
const MaxCounter = 1024

// ErrNoCounter is returned for a counter that no longer exists or was replaced by another.
var ErrNoCounter = errors.New("the counter is gone")

// Counter is implemented by a [Provider] whose hardware has monotonic counters: nobody can set
// one back, not even by removing it and making another. Callers use a type assertion. Counters
// survive the end of the program and switching the machine off.
//
// NewCounter returns the name by which a counter is used. The name includes a secret, so the
// store seals it; providers treat it as hostile input nevertheless. All methods fail with
// [ErrUnavailable] if the hardware does not answer, and all but NewCounter with
// [ErrNoCounter].
type Counter interface {
	// NewCounter makes a counter whose value is higher than any that a removed
	// counter had. Its name has at most [MaxCounter] bytes.
	NewCounter(ctx context.Context) (name secret.Bytes, value uint64, err error)
	// ReadCounter returns the value.
	ReadCounter(ctx context.Context, name secret.Bytes) (uint64, error)
	// IncrementCounter adds one, durably, and returns the new value. After an
	// error it may have happened or not.
	IncrementCounter(ctx context.Context, name secret.Bytes) (uint64, error)
	// RemoveCounter removes the counter.
	RemoveCounter(ctx context.Context, name secret.Bytes) error
}

// CounterLister is what a [Counter] has, too, where it can tell which counters its
// hardware has. It is found by type assertion.
type CounterLister interface {
	// OtherCounters names the counters of the kind that this program makes, but for the
	// one with the given name: those of other stores, and those that nobody uses any more.
	OtherCounters(ctx context.Context, mine secret.Bytes) ([]string, error)
}
