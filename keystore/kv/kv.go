package kv

import "errors"

// Bounds of keys and values in bytes. Engines may rely on them.
const (
	MaxKey   = 512
	MaxValue = 64 << 20
)

// Errors of this package and its engines. They come wrapped in a sentence.
var (
	// ErrNotFound is returned by Get. It comes bare.
	ErrNotFound = errors.New("no such key")
	// ErrReadOnly is returned when opening storage that may not be written, and
	// by writes to it.
	ErrReadOnly = errors.New("storage is read-only")
	// ErrNoSpace is returned by Update: the storage is full. Nothing was
	// changed, and updates work again when there is space.
	ErrNoSpace = errors.New("storage is full")
	// ErrCorrupt is returned when opening or using storage whose structure is
	// damaged.
	ErrCorrupt = errors.New("storage is damaged")
	// ErrLocked is returned when opening storage that another process uses.
	ErrLocked = errors.New("storage is in use by another process")
	// ErrBroken is returned by Update after a failure of which it is not known
	// what reached the disk. Only closing and opening again helps.
	ErrBroken = errors.New("storage failed in an unknown state")
	// ErrReplaced is returned by Update, as [ErrBroken] is, where another file is in
	// the place of the storage, or none: what is written is in a file that nobody
	// will find.
	ErrReplaced = errors.New("the storage was renamed, removed or replaced under the running program")
	// ErrInUse is returned by Scrub while a view reads what is to be overwritten.
	ErrInUse = errors.New("an older state is being read")
	// ErrClosed is returned by all uses after Close.
	ErrClosed = errors.New("storage is closed")
	// ErrTooLarge is returned by Put for a key or value out of bounds.
	ErrTooLarge = errors.New("key or value is out of bounds")

	// ErrStop ends a Scan early when its function returns it; Scan then returns nil.
	ErrStop = errors.New("stop the scan")
)

// Reader reads one consistent snapshot. It is used by one goroutine and not
// after the closure that it was given to.
type Reader interface {
	// Get returns the value of a key, or [ErrNotFound]. The value may be used
	// until the closure returns and is not changed.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for the keys that start with prefix and are greater than
	// after (nil is from the start), in the order of their bytes, until fn
	// returns an error. What fn gets is valid during the call; fn does not write.
	Scan(prefix, after []byte, fn func(key, value []byte) error) error
}

// Writer reads its own writes.
type Writer interface {
	Reader
	// Put sets the value of a key of 1 to MaxKey bytes. The value is not changed
	// by the caller afterwards; nil and empty are the same.
	Put(key, value []byte) error
	// Delete removes a key. A key that is not there is no error.
	Delete(key []byte) error
}

// Tx is a [Writer] in an update of a [DB].
type Tx interface {
	Writer
	// OnCommit has fn called after the update is on stable storage and before
	// Update returns. Calls are in the order of updates, one at a time, over
	// the whole DB. fn does not call Update.
	OnCommit(fn func())
	// OnFailure has fn called with the error where the update succeeded and the commit
	// that it shares failed, before another update runs. fn does not call Update.
	OnFailure(fn func(error))
}

// Engine is a storage engine. It is safe for concurrent use.
type Engine interface {
	// View runs fn on the newest committed snapshot and returns its error.
	View(fn func(Reader) error) error
	// Update runs fn and commits what it wrote to stable storage, or nothing
	// where fn or the commit fails. Updates run one at a time. Views run
	// meanwhile and see nothing of it until it is committed.
	Update(fn func(Writer) error) error
	// Scrub overwrites what is left on the storage of values that were deleted or
	// replaced. One call does a part, from a position on (the first one is 0), and
	// returns the next position; 0 says that it is done. It fails with [ErrInUse],
	// and is tried again then.
	Scrub(from int) (next int, err error)
	// Close waits for running views and updates.
	Close() error
}

// CheckPut is the bounds check that every engine's Put begins with.
func CheckPut(key, value []byte) error {
	if len(key) == 0 || len(key) > MaxKey || len(value) > MaxValue {
		return ErrTooLarge
	}
	return nil
}
