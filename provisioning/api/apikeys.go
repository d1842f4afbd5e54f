package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// APIKey is a credential of an API, without its secret.
type APIKey struct {
	Name      string     `json:"name"`
	Tenant    string     `json:"tenant"`
	Role      string     `json:"role"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// Dialect is the one API that it is for. It is empty for a key of this one, which is
	// good for dialects that use the same keys, too.
	Dialect string `json:"dialect,omitempty"`
	// ID is what the credential calls itself there.
	ID string `json:"id,omitempty"`
	// HasCertificate is set where a TLS client certificate goes for its secret.
	HasCertificate bool `json:"hasCertificate,omitempty"`
}

// NewAPIKey asks for an API key.
type NewAPIKey struct {
	Name string `json:"name"`
	// Role is view, edit, admin or system, or some of the rights view, add, edit,
	// remove, manage and system with + between; empty is admin.
	Role      string     `json:"role,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// Dialect is the API that it is for. Empty is this one, and so is a dialect that uses
	// the same keys.
	Dialect string `json:"dialect,omitempty"`
	// Certificate is the TLS client certificate (PEM) that goes for the secret, and
	// PublicKey the key (PEM) of somebody who signs and has one already.
	Certificate string `json:"certificate,omitempty"`
	PublicKey   string `json:"publicKey,omitempty"`
}

// CreatedAPIKey is the answer to NewAPIKey: a key, or the credential of a dialect.
// Nobody can read it again.
type CreatedAPIKey struct {
	APIKey
	Key        Secret     `json:"key,omitempty"`
	Credential Credential `json:"credential,omitempty"`
}

// Credential is what a client of a dialect is configured with, under the names and in the
// order of that vendor. In JSON it is an object.
type Credential []Field

// Field is a part of a credential.
type Field struct {
	Name  string
	Value Secret
}

// MarshalJSON writes the fields as an object, in their order.
func (c Credential) MarshalJSON() ([]byte, error) {
	var object bytes.Buffer
	e := json.NewEncoder(&object)
	e.SetEscapeHTML(false)
	for i, f := range c {
		object.WriteByte("{,"[min(i, 1)])
		if err := e.Encode(f.Name); err != nil {
			return nil, err
		}
		object.WriteByte(':')
		if err := e.Encode(string(f.Value)); err != nil {
			return nil, err
		}
	}
	if len(c) == 0 {
		object.WriteByte('{')
	}
	object.WriteByte('}')
	return object.Bytes(), nil
}

// UnmarshalJSON reads the fields of an object, in their order.
func (c *Credential) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return errors.New("read a credential: it is not a JSON object")
	}
	*c = nil
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("read a credential: %w", err)
		}
		var value Secret
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("read %v of a credential: %w", name, err)
		}
		*c = append(*c, Field{fmt.Sprint(name), value})
	}
	return nil
}

// Wipe overwrites the secrets with zeroes.
func (k *CreatedAPIKey) Wipe() {
	k.Key.Wipe()
	for _, f := range k.Credential {
		f.Value.Wipe()
	}
}
