// Package secret holds bytes that must not leak: PINs, passwords, keys, seeds.
//
// A [Bytes] refuses to be printed, logged or encoded by any of Go's ordinary
// ways of turning a value into text. It imports the standard library only, and
// every package that touches a secret uses it.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
)

// Bytes is a secret. Convert to []byte only where the bytes are used.
type Bytes []byte

const redacted = "[secret]"

// ErrEncode is returned by every encoder that is asked to write a secret.
var ErrEncode = errors.New("a secret cannot be encoded")

// String is a placeholder, never the secret.
func (Bytes) String() string { return redacted }

// GoString is a placeholder, never the secret.
func (Bytes) GoString() string { return redacted }

// Format writes a placeholder for every verb, %x and %s included.
func (Bytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue makes slog write a placeholder.
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses.
func (Bytes) MarshalText() ([]byte, error) { return nil, ErrEncode }

// MarshalJSON refuses.
func (Bytes) MarshalJSON() ([]byte, error) { return nil, ErrEncode }

// MarshalBinary refuses.
func (Bytes) MarshalBinary() ([]byte, error) { return nil, ErrEncode }

// Equal compares in constant time for equal lengths.
func (b Bytes) Equal(other Bytes) bool { return subtle.ConstantTimeCompare(b, other) == 1 }

// Clone is a copy with memory of its own.
func (b Bytes) Clone() Bytes { return append(Bytes(nil), b...) }

// Wipe overwrites the bytes with zeroes. The owner calls it when the secret is
// no longer needed; nobody may use b afterwards.
func (b Bytes) Wipe() { clear(b) }
