package vtoken

import (
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Store is what the engine needs of the keystore. All of it is safe for
// concurrent use.
type Store interface {
	// View runs fn in a consistent snapshot. fn keeps nothing of tx.
	View(fn func(tx ReadTx) error) error
	// Update runs fn and commits what it wrote, all or nothing, to stable
	// storage before it returns. Concurrent updates share one commit, so fn may
	// run more than once and has no effect but through tx. A full disk is
	// CKR_DEVICE_MEMORY, another fault of the storage CKR_DEVICE_ERROR.
	Update(fn func(tx Tx) error) error
	// Watch calls fn with the changes of every commit, ours included, in the
	// order of commits and before the Update that made them returns. fn does
	// not call Update.
	Watch(fn func([]record.Change))
	// HashPIN makes the verifier of a new PIN. It takes tens of milliseconds on
	// purpose (Argon2id) and is called outside of transactions.
	HashPIN(token record.TokenID, role pin.Role, p secret.Bytes) ([]byte, error)
	// CheckPIN compares a PIN with a verifier, in the same time whether it is
	// right or not.
	CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (bool, error)
	// OpenSecret returns the secret attributes of a token object, from the
	// newest commit. The caller wipes them.
	OpenSecret(token record.TokenID, id object.ID) (object.Set, error)
}

// ReadTx reads. What it returns may be kept, and must not be changed.
type ReadTx interface {
	// Token fails with record.ErrNotFound.
	Token(id record.TokenID) (*record.Token, error)
	// TokensOf lists the tokens that a user holds, by slot id.
	TokensOf(user record.UserID) ([]*record.Token, error)
	// UsersOf lists the enabled users that an OS process acts for: those whose
	// OSUsers name its uid or its user's name, else the one of that name in the
	// default tenant.
	UsersOf(peer record.Peer) ([]*record.User, error)
	// Objects lists the token's objects, without their secret attributes.
	Objects(token record.TokenID) ([]*object.Object, error)
	// Object is one object of the token, without its secret attributes. It
	// fails with record.ErrNotFound.
	Object(token record.TokenID, id object.ID) (*object.Object, error)
}

// Tx reads and writes.
type Tx interface {
	ReadTx
	// NewToken stores a new token; the store gives it its id, slot, serial
	// number (where empty), version, creation time and the tenant's algorithm
	// policy (where it has none).
	NewToken(t *record.Token) error
	// PutToken replaces the record of a token that exists.
	PutToken(t *record.Token) error
	// PutObject stores an object: with ID 0 a new one, which gets its id. With
	// Secret nil an object that exists keeps the secret that it has.
	PutObject(token record.TokenID, o *object.Object) error
	// DeleteObject removes an object; record.ErrNotFound where there is none.
	DeleteObject(token record.TokenID, id object.ID) error
	// DeleteObjects removes all objects of a token (C_InitToken).
	DeleteObjects(token record.TokenID) error
}
