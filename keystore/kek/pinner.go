package kek

import (
	"context"
	"errors"
)

// ErrPinned is returned by [Pinner] where the hardware has the id of another store.
var ErrPinned = errors.New("another store is pinned")

// Pin is the id of a store in a place where those who can write to the data folder cannot
// change it.
type Pin struct {
	// ID is the id of the store, in hexadecimal digits.
	ID string
	// Where names the place in a sentence, such as "the file /var/lib/vtoken-pin/store".
	Where string
	// Undo says what an administrator does who wants another store in the data folder.
	Undo string
	// Unfinished is set where the place can still be overwritten, because a program was
	// killed while it wrote the pin.
	Unfinished bool
}

// Pinner is hardware that keeps the id of a store for each data folder. Unlike a [Provider]
// it is used before a store is opened, so it knows nothing that is in a store. It is safe for
// concurrent use. All methods fail with [ErrUnavailable] if the hardware does not answer.
type Pinner interface {
	// String names the hardware.
	String() string
	// Serves reports whether a store with recipients of these URIs has a KEK in the
	// hardware, as far as the URIs and the configuration tell.
	Serves(recipients []string) bool
	// ReadPins returns what the hardware has for a folder, whose path is absolute: nothing,
	// or one pin. It can be more if somebody else wrote some.
	ReadPins(ctx context.Context, folder string) ([]Pin, error)
	// WritePin writes the id of the store in a folder, unless the hardware has it already.
	// It fails with [ErrPinned] if the hardware has another id for the folder.
	WritePin(ctx context.Context, folder, id string) (Pin, error)
	// RemovePins removes everything that the hardware has for a folder.
	RemovePins(ctx context.Context, folder string) error
}
