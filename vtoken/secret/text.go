package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"unicode/utf8"
)

// Text is a PIN, a password or an API key on its way: a JSON string. It is
// the one place where a secret may be encoded, and like [Bytes] it refuses to be
// printed.
type Text []byte

// MarshalJSON writes the secret as a JSON string. It fails for what is not
// UTF-8, which no PIN or password is.
func (s Text) MarshalJSON() ([]byte, error) {
	if !utf8.Valid(s) {
		return nil, fmt.Errorf("write a secret: it is not UTF-8 text")
	}
	return json.Marshal(string(s))
}

// UnmarshalJSON reads the secret from a JSON string; null is no secret.
func (s *Text) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		// The cause is left out: it could quote the secret.
		return fmt.Errorf("read a secret: it is not a JSON string")
	}
	*s = Text(text)
	return nil
}

// Bytes is the secret in the form that the core takes.
func (s Text) Bytes() Bytes { return Bytes(s) }

// Wipe overwrites the secret with zeroes.
func (s Text) Wipe() { clear(s) }

// String is a placeholder, never the secret.
func (s Text) String() string { return Bytes(s).String() }

// GoString is a placeholder, never the secret.
func (s Text) GoString() string { return Bytes(s).GoString() }

// Format writes a placeholder for every verb.
func (s Text) Format(f fmt.State, c rune) { Bytes(s).Format(f, c) }

// LogValue makes slog write a placeholder.
func (s Text) LogValue() slog.Value { return Bytes(s).LogValue() }
