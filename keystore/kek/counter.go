package kek

import (
	"context"
	"errors"

	"vtoken/vtoken/secret"
)

// MaxCounter bounds in bytes what names a counter.
const MaxCounter = 1024

// ErrNoCounter is returned where a counter is not there any more, or another
// one is in its place.
var ErrNoCounter = errors.New("the counter is gone")

// Counter is what a [Provider] has, too, where its hardware can count: counters
// that nobody can set back, not even by removing one and making it anew. It is
// found by type assertion. Counters survive the program and the machine being
// switched off.
//
// A counter is used by its name, which NewCounter gives. The name has the
// secret that using it takes, so it is kept sealed. It is hostile input
// nevertheless. All methods fail with [ErrUnavailable] where the hardware does
// not answer, and all but NewCounter with [ErrNoCounter].
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
