package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"unicode/utf8"

	"vtoken/vtoken/secret"
)

// Secret is a PIN, a password or an API key on its way: a JSON string. It is
// the one place where a secret may be encoded, and like [secret.Bytes] it
// refuses to be printed.
type Secret []byte

// MarshalJSON writes the secret as a JSON string. It fails for what is not
// UTF-8, which no PIN or password is.
func (s Secret) MarshalJSON() ([]byte, error) {
	if !utf8.Valid(s) {
		return nil, fmt.Errorf("write a secret: it is not UTF-8 text")
	}
	return json.Marshal(string(s))
}

// UnmarshalJSON reads the secret from a JSON string; null is no secret.
func (s *Secret) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		// The cause is left out: it could quote the secret.
		return fmt.Errorf("read a secret: it is not a JSON string")
	}
	*s = Secret(text)
	return nil
}

// Bytes is the secret in the form that the core takes.
func (s Secret) Bytes() secret.Bytes { return secret.Bytes(s) }

// Wipe overwrites the secret with zeroes.
func (s Secret) Wipe() { clear(s) }

// String is a placeholder, never the secret.
func (s Secret) String() string { return secret.Bytes(s).String() }

// GoString is a placeholder, never the secret.
func (s Secret) GoString() string { return secret.Bytes(s).GoString() }

// Format writes a placeholder for every verb.
func (s Secret) Format(f fmt.State, c rune) { secret.Bytes(s).Format(f, c) }

// LogValue makes slog write a placeholder.
func (s Secret) LogValue() slog.Value { return secret.Bytes(s).LogValue() }
