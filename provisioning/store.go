package provisioning

import (
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Store is what provisioning needs of the keystore. All of it is safe for
// concurrent use.
type Store interface {
	// View runs fn in a consistent snapshot.
	View(fn func(tx ReadTx) error) error
	// Update runs fn and commits what it wrote, all or nothing, to stable
	// storage before it returns. fn may run more than once and has no effect but
	// through tx. A full disk is CKR_DEVICE_MEMORY.
	Update(fn func(tx Tx) error) error
	// Watch calls fn with the changes of every commit from then on, in their
	// order and before the Update that made them returns. fn does not call Update.
	Watch(fn func([]record.Change))
	// HashPIN makes the verifier of a new PIN. For a PIN-bound token it holds the
	// token's private key, bound; for others that is nil. It is slow on purpose
	// and is called outside of transactions.
	HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error)
	// CheckPIN compares a PIN with a verifier. The right PIN of a PIN-bound token
	// opens its private key, which the caller wipes. The try is counted before.
	CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (right bool, bound secret.Bytes, err error)
	// NewBoundKey makes the key pair of a PIN-bound token: the public key for its
	// record, the private one for HashPIN, which the caller wipes.
	NewBoundKey() (public []byte, private secret.Bytes, err error)
	// OpenSecret returns the secret attributes of an object, from the newest
	// commit; the caller wipes them. bound is nil here: the OTP key of a token is
	// never bound to a PIN.
	OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error)
	// HashAPIKey is the keyed hash under which an API key is stored and found.
	HashAPIKey(key secret.Bytes) []byte
}

// ReadTx reads. Where there is no such record it fails with
// record.ErrNotFound; a list of nothing is empty and no error. What it returns
// may be kept, and must not be changed.
type ReadTx interface {
	Tenant(id record.TenantID) (*record.Tenant, error)
	TenantByName(name string) (*record.Tenant, error)
	// Tenants are all tenants, by name, without their exchange keys.
	Tenants() ([]*record.Tenant, error)
	User(id record.UserID) (*record.User, error)
	// UserByLogin is the user of a tenant with that login or alias.
	UserByLogin(tenant record.TenantID, login string) (*record.User, error)
	// Users are all users of a tenant, by login.
	Users(tenant record.TenantID) ([]*record.User, error)
	// UsersMapped are the users of any tenant, enabled or not, that an operating
	// system user is mapped to, by name or by their OSUsers. It is given by all its
	// spellings: its name and "#uid".
	UsersMapped(spellings ...string) ([]*record.User, error)
	APIKey(tenant record.TenantID, name string) (*record.APIKey, error)
	// APIKeyByHash finds a key, of any tenant, by what HashAPIKey made of it.
	APIKeyByHash(hash []byte) (*record.APIKey, error)
	// APIKeys are all API keys of a tenant, by name.
	APIKeys(tenant record.TenantID) ([]*record.APIKey, error)
	Token(id record.TokenID) (*record.Token, error)
	// TokenBySerial is the token of a tenant with that serial number.
	TokenBySerial(tenant record.TenantID, serial string) (*record.Token, error)
	// Group is one group, and Groups all groups of a tenant, by name.
	Group(id record.GroupID) (*record.Group, error)
	Groups(tenant record.TenantID) ([]*record.Group, error)
	// PendingKey is a key pair that waits for its certificate, with its private
	// key, which the caller does not change.
	PendingKey(id record.KeyID) (*record.PendingKey, error)
	// PendingKeysOf are those of a user, PendingKeys all of a tenant, the oldest
	// first and without their private keys.
	PendingKeysOf(user record.UserID) ([]*record.PendingKey, error)
	PendingKeys(tenant record.TenantID) ([]*record.PendingKey, error)
	// TokensOf lists the tokens that a user holds, by slot id.
	TokensOf(user record.UserID) ([]*record.Token, error)
	// TokensOfTenant lists at most limit tokens of a tenant by slot id, beginning
	// after the slot given (0 is from the start).
	TokensOfTenant(tenant record.TenantID, after uint64, limit int) ([]*record.Token, error)
	// Objects lists the token's objects, without their secret attributes.
	Objects(token record.TokenID) ([]*object.Object, error)
}

// Tx reads and writes.
type Tx interface {
	ReadTx
	// PutTenant stores a tenant: with ID "" a new one, which gets its id and
	// creation time, otherwise in place of the one there is. A name that is taken
	// is record.ErrExists, and so it is for the other records. ExchangeKey nil
	// keeps the key that is stored.
	PutTenant(t *record.Tenant) error
	// DeleteTenant removes a tenant with everything in it.
	DeleteTenant(id record.TenantID) error
	// PutUser stores a user as PutTenant does a tenant; record.ErrNotFound where there is
	// none with its ID.
	PutUser(u *record.User) error
	// DeleteUser removes a user; record.ErrInUse where the user holds tokens.
	DeleteUser(id record.UserID) error
	// PutGroup stores a group as PutUser does a user.
	PutGroup(g *record.Group) error
	DeleteGroup(id record.GroupID) error
	// PutPendingKey stores a pending key, new or changed, of a user who is there.
	// With ID "" it gets an id. It goes with its user.
	PutPendingKey(k *record.PendingKey) error
	DeletePendingKey(id record.KeyID) error
	// PutAPIKey stores an API key, new or changed, under its tenant and name.
	PutAPIKey(k *record.APIKey) error
	DeleteAPIKey(tenant record.TenantID, name string) error
	// NewToken stores a new token. An ID that is set is kept: the verifiers of its
	// PINs are bound to it. The store gives it its slot, serial number (where
	// empty), version and creation time, and makes one without PINs PIN-bound where
	// the tenant wants it so.
	NewToken(t *record.Token) error
	// PutToken replaces the record of a token that exists. A new BoundKey seals
	// the secrets that are there; it replaces another one on an empty token only.
	PutToken(t *record.Token) error
	// DeleteToken removes a token with all its objects.
	DeleteToken(id record.TokenID) error
	// PutObject stores an object: with ID 0 a new one, which gets its id.
	PutObject(token record.TokenID, o *object.Object) error
	// DeleteObjects removes all objects of a token.
	DeleteObjects(token record.TokenID) error
}
