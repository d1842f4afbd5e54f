package provisioning

import (
	"errors"
	"fmt"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Kind says what went wrong, in the terms that a dialect maps to its own codes.
type Kind int

// The kinds of error. Internal is the kind of every error that carries none.
const (
	Internal        Kind = iota // our fault, or the machine's; the details are for the log only
	Unauthenticated             // no credential, or one that is unknown, revoked or expired
	Forbidden                   // the credential is good but not for this
	BadInput                    // a value that can never work
	TenantNotFound              // no such tenant
	UserNotFound                // no such user in the tenant
	TokenNotFound               // no such token with that holder
	RoleNotFound                // a PIN role other than the two there are
	KeyNotFound                 // no API key of that name, no KEK and no application of that id
	GroupNotFound               // no such group in the tenant
	WrongCode                   // an activation code or one-time password that is not right
	WrongState                  // the thing's state does not allow it now
	Sealed                      // the token is complete
	Conflict                    // there is one already
	NotSupported                // not built for this kind of thing
	TooLarge                    // over a limit of size
	RateLimited                 // too many requests; later is fine
	StorageFull                 // nothing was changed for want of space
	Busy                        // the caller already has too much going on at the same time
	numberOfKinds               // keep last
)

var kindNames = [numberOfKinds]string{
	"internal error", "not authenticated", "not allowed", "bad input", "tenant not found", "user not found",
	"token not found", "role not found", "key not found", "group not found", "wrong code", "wrong state", "token is complete", "already there",
	"not supported", "too large", "too many requests", "storage is full", "too much at once",
}

// Kinds returns all kinds, for tests that a dialect maps each of them.
func Kinds() []Kind {
	all := make([]Kind, numberOfKinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// String returns a short title of the kind, in lower case.
func (k Kind) String() string {
	if k < 0 || k >= numberOfKinds {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Error is an error with its kind and a sentence for the caller.
type Error struct {
	Kind Kind
	// Detail names the cause and what to do about it. It holds no secret and nothing that
	// the caller may not know.
	Detail string
	// Err is the cause, for the log only; it may be nil.
	Err error
	// Wait is how long to wait before another attempt, for errors of kind RateLimited; 0
	// is unknown.
	Wait time.Duration
}

// Error returns the sentence. For an internal error it adds the cause.
func (e *Error) Error() string {
	if e.Kind == Internal && e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] of the kind. A %w in the format becomes part of the sentence
// and the cause.
func Errorf(k Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Detail: err.Error(), Err: errors.Unwrap(err)}
}

// TooSoon returns an [Error] of kind RateLimited for something that may be tried again
// after wait.
func TooSoon(wait time.Duration, format string, args ...any) error {
	return &Error{Kind: RateLimited, Detail: fmt.Sprintf(format, args...), Wait: wait}
}

// AsError returns the [Error] in err. Another error becomes [WrongState] where a quota is
// exhausted, [StorageFull] where the store has no space, and [Internal] otherwise. The
// sentence of an internal error does not tell the cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if e, over := overQuota(err); over {
		return e
	}
	if ck.CodeOf(err) == ck.CKR_DEVICE_MEMORY {
		return &Error{Kind: StorageFull, Detail: "the store has no space left, so nothing was changed; free some space and try again", Err: err}
	}
	return &Error{Kind: Internal, Detail: "something went wrong inside vtoken, and nothing was changed; the daemon's log has the cause under this request's id", Err: err}
}

// KindOf returns the kind of err.
func KindOf(err error) Kind { return AsError(err).Kind }

// orNotFound turns record.ErrNotFound into an error of the kind and returns other errors
// unchanged.
func orNotFound(err error, k Kind, format string, args ...any) error {
	if errors.Is(err, record.ErrNotFound) {
		return Errorf(k, format, args...)
	}
	return err
}

// orConflict turns record.ErrExists into a Conflict and returns other errors unchanged.
func orConflict(err error, format string, args ...any) error {
	if errors.Is(err, record.ErrExists) {
		return Errorf(Conflict, format, args...)
	}
	return err
}
