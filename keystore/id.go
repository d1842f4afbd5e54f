package keystore

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"vtoken/keystore/schema"
)

// newID is a random id.
func newID() schema.ID { return uuid.New() }

// text is the form of an id in records: a GUID in lower case with hyphens.
func text(id schema.ID) string { return uuid.UUID(id).String() }

// parseID reads the one text of an id. What is no id names nothing, so it is
// record.ErrNotFound.
func parseID[T ~string](what string, s T) (schema.ID, error) {
	id, err := uuid.Parse(string(s))
	if err != nil || id.String() != string(s) {
		return schema.ID{}, missing(what, fmt.Sprintf("%.40q", string(s)))
	}
	return schema.ID(id), nil
}

// idOrNew reads an id, or makes one and sets it where there is none.
func idOrNew[T ~string](what string, s *T) (schema.ID, error) {
	if *s == "" {
		id := newID()
		*s = T(text(id))
		return id, nil
	}
	return parseID(what, *s)
}

// lengthError is an error where a length is wrong.
func lengthError(got, want int) error {
	if got == want {
		return nil
	}
	return errors.New(fmt.Sprint("it has ", got, " bytes, not ", want))
}
