package keystore

import (
	"errors"
	"fmt"
	"strings"

	"vtoken/keystore/kv"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Errors of Open; ErrTampered is returned by every use as well.
var (
	// ErrNoKEK is returned where no recipient of the store could be used. The
	// error is a [NoKEKError].
	ErrNoKEK = errors.New("no KEK opens the store")
	// ErrTampered is returned for records that were changed, moved, removed, added or rolled
	// back from outside. Its code is CKR_DEVICE_ERROR.
	ErrTampered = errors.New("the store was changed from outside or is damaged")
	// ErrFolder is returned for a data folder that cannot be used.
	ErrFolder = errors.New("data folder cannot be used")
)

// NoKEKError names every recipient and why it did not open the store.
type NoKEKError struct {
	// Reasons has one entry for each recipient.
	Reasons []RecipientError
}

// RecipientError is why a recipient did not open the store.
type RecipientError struct {
	URI string
	Err error
}

// Error lists the recipients with their reasons.
func (e *NoKEKError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v; make one of them available, or say with --kek where it is now, as in `--kek passphrase:file=FILE` for the recovery passphrase", ErrNoKEK)
	for _, r := range e.Reasons {
		fmt.Fprintf(&b, "; %s: %v", r.URI, r.Err)
	}
	return b.String()
}

// Unwrap makes errors.Is find [ErrNoKEK] and every reason.
func (e *NoKEKError) Unwrap() []error {
	all := []error{ErrNoKEK}
	for _, r := range e.Reasons {
		all = append(all, r.Err)
	}
	return all
}

// tampered returns an [ErrTampered] that says what was changed.
func tampered(format string, args ...any) error {
	return ck.Errorf(ck.CKR_DEVICE_ERROR, "%w: %w; restore a backup", ErrTampered, fmt.Errorf(format, args...))
}

// fault gives an error of the storage its code: CKR_DEVICE_MEMORY for a full
// disk, CKR_DEVICE_ERROR for everything else.
func fault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kv.ErrNoSpace):
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w; make room in the data folder", err)
	default:
		return ck.Errorf(ck.CKR_DEVICE_ERROR, "%w", err)
	}
}

// missing returns a record.ErrNotFound that names what is missing.
func missing(what string, id any) error { return fmt.Errorf("%s %v: %w", what, id, record.ErrNotFound) }

func isMissing(err error) bool { return errors.Is(err, record.ErrNotFound) }
