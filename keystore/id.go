package keystore

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"vtoken/keystore/schema"
)

// newID returns a random id.
func newID() schema.ID { return uuid.New() }

// text returns an id as records have it: a GUID in lower case with hyphens.
func text(id schema.ID) string { return uuid.UUID(id).String() }

// parseID parses an id in its canonical form. Any other text names no record, so it is
// record.ErrNotFound.
func parseID[T ~string](what string, s T) (schema.ID, error) {
	id, err := uuid.Parse(string(s))
	if err != nil || id.String() != string(s) {
		return schema.ID{}, missing(what, fmt.Sprintf("%.40q", string(s)))
	}
	return schema.ID(id), nil
}

// idOrNew parses an id, or sets a new one if it is empty.
func idOrNew[T ~string](what string, s *T) (schema.ID, error) {
	if *s == "" {
		id := newID()
		*s = T(text(id))
		return id, nil
	}
	return parseID(what, *s)
}

// lengthError returns an error if a length is wrong.
func lengthError(got, want int) error {
	if got == want {
		return nil
	}
	return errors.New(fmt.Sprint("it has ", got, " bytes, not ", want))
}
