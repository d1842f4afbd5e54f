package kek

import (
	"context"
	"errors"
	"log/slog"

	"vtoken/vtoken/secret"
)

// Provider holds one key-encryption key. It is safe for concurrent use.
type Provider interface {
	// Wrap encrypts a key of 16 to 64 bytes under the KEK. Every call gives
	// another result.
	Wrap(ctx context.Context, key secret.Bytes) ([]byte, error)
	// Unwrap is the inverse. It fails with [ErrWrongKey] where the blob was
	// made under another KEK or was changed, and with [ErrUnavailable] where
	// the KEK cannot be used now. It treats the blob as hostile input.
	Unwrap(ctx context.Context, wrapped []byte) (secret.Bytes, error)
	// Status says in a line what protects the KEK and whether it is ready. It
	// contains no secret.
	Status(ctx context.Context) (Status, error)
	// Close forgets the KEK.
	Close() error
}

// Status describes a KEK to an administrator.
type Status struct {
	// Kind is the scheme of the URI.
	Kind string
	// Protects says in a sentence what the KEK does and does not protect from.
	Protects string
}

// Env is what a provider may need to know of the daemon that opens it.
type Env struct {
	// Dir is the data folder. Relative paths in a URI start there.
	Dir string
	// Create is set when the KEK gets its first use: a provider that can make
	// its own key makes it where there is none. Otherwise a missing key is an
	// error.
	Create bool
	// Generate is set when the administrator asks for a new key in an HSM, or a new
	// passphrase. Only a provider of what others make, too, looks at it.
	Generate bool
	// Count is set when the KEK is opened for its counter only. A provider that
	// has none and would use up something fails with [ErrCountsNothing] instead.
	Count bool
	// Before is what was wrapped under the KEK until now, where it wraps another key.
	// A provider that tells from it that this is other hardware fails with
	// [ErrWrongKey].
	Before []byte
	// Refused are the secrets that hardware refused in this run; nil remembers
	// none.
	Refused *Refusals
	// Log gets what an administrator needs to know once. It is never nil.
	Log *slog.Logger
}

// OpenFunc opens the KEK that a URI names. It fails with [ErrURI] where the URI
// has something that the provider does not know, and with [ErrUnavailable]
// where the KEK is not there or may not be used.
type OpenFunc func(ctx context.Context, uri URI, env Env) (Provider, error)

// Errors of providers. They come wrapped in a sentence that says what to do.
var (
	// ErrURI is returned by Parse and by OpenFunc for a URI that is malformed.
	ErrURI = errors.New("bad KEK URI")
	// ErrUnavailable is returned by OpenFunc and all methods of a provider.
	ErrUnavailable = errors.New("KEK is not available")
	// ErrCountsNothing is returned by OpenFunc where Env.Count is set.
	ErrCountsNothing = errors.New("this kind of KEK has no counter")
	// ErrWrongKey is returned by Unwrap.
	ErrWrongKey = errors.New("not wrapped under this KEK")
)
