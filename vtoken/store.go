package vtoken

import (
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Store is what the engine needs of the keystore. It is safe for concurrent use.
type Store interface {
	// View runs fn in a consistent snapshot. fn keeps nothing of tx.
	View(fn func(tx ReadTx) error) error
	// Update runs fn and commits what it wrote, all or nothing, to stable storage before it
	// returns. Concurrent updates share one commit, so fn may run more than once, and has no
	// effect except through tx. A full disk is CKR_DEVICE_MEMORY, any other storage error
	// CKR_DEVICE_ERROR.
	Update(fn func(tx Tx) error) error
	// Watch calls fn with the changes of every commit, our own included, in the order of the
	// commits and before the Update that made them returns. fn does not call Update.
	Watch(fn func([]record.Change))
	// HashPIN makes the verifier of a new PIN. For a PIN-bound token the PIN opens the
	// token's private key, bound, once the verifier is stored; for others that is nil. It takes tens of
	// milliseconds on purpose (Argon2id) and is called outside of transactions.
	HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error)
	// CheckPIN compares a PIN with a verifier, in the same time whether it is
	// right or not. The right PIN of a PIN-bound token opens its private key,
	// which the caller wipes.
	CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (right bool, bound secret.Bytes, err error)
	// NewBoundKey makes the key pair of a PIN-bound token: the public key for its
	// record, the private one for HashPIN, which the caller wipes.
	NewBoundKey() (public []byte, private secret.Bytes, err error)
	// OpenSecret returns the secret attributes of a token object, from the
	// newest commit. Those of private objects of a PIN-bound token need its
	// private key, and are CKR_USER_NOT_LOGGED_IN without. The caller wipes them.
	OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error)
}

// ReadTx reads. Callers may keep its results, and must not change them.
type ReadTx interface {
	// Token fails with record.ErrNotFound.
	Token(id record.TokenID) (*record.Token, error)
	// TokensOf lists the tokens that a user holds, by slot id.
	TokensOf(user record.UserID) ([]*record.Token, error)
	// UsersOf lists the enabled users that an OS process acts for: the one of its OS
	// user's name in the default tenant, if that one is mapped by name, and those
	// whose OSUsers name its uid or its OS user's name. Applications make their
	// tokens for the first.
	UsersOf(peer record.Peer) ([]*record.User, error)
	// ForgetsLogins reports whether logins with the tokens of a tenant end with the daemon,
	// and are not given back after a crash.
	ForgetsLogins(tenant record.TenantID) (bool, error)
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
	// policy (where it has none), and makes one without PINs PIN-bound where the
	// tenant wants it so.
	NewToken(t *record.Token) error
	// PutToken replaces the record of a token that exists. A new BoundKey seals
	// the secrets that are there; it replaces another one on an empty token only. A PIN
	// that is changed gives a PIN-bound token a new BoundKey by itself.
	PutToken(t *record.Token) error
	// PutObject stores an object, and sets its version: with ID 0 a new one, which gets
	// its id; otherwise in place of the one there is, record.ErrNotFound where there is
	// none. With Secret nil an object that exists keeps the secret that it has.
	PutObject(token record.TokenID, o *object.Object) error
	// DeleteObject removes an object; record.ErrNotFound where there is none.
	DeleteObject(token record.TokenID, id object.ID) error
	// DeleteObjects removes all objects of a token (C_InitToken).
	DeleteObjects(token record.TokenID) error
}
