package object

import (
	"vtoken/vtoken/ck"
)

// ID is the id of a token object: unique in the store, never reused, above 0.
// Session objects have none.
type ID uint64

// Object is an object of a token or a session. It is immutable once it is
// shared: a change makes a new Object.
type Object struct {
	ID ID
	// Attrs are all attributes but the secret ones, sorted by type.
	Attrs Set
	// Secret are the attributes that the rules call secret (CKA_VALUE of a
	// secret key, CKA_PRIVATE_EXPONENT and its like), sorted by type. It is nil
	// where the secret is sealed in the store and has to be asked for.
	Secret Set
	// Version counts the changes of a token object. The store sets it.
	Version uint64
}

// Set is a set of attributes, sorted by type, each type once.
type Set []ck.Attribute
