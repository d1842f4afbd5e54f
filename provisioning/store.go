package provisioning

import (
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Store is what provisioning needs of the keystore. All methods are safe for concurrent
// use.
type Store interface {
	// View runs fn in a consistent snapshot.
	View(fn func(tx ReadTx) error) error
	// Update runs fn and commits its writes to stable storage, all or nothing, before it
	// returns. fn may run more than once and has no effect but through tx. A full disk is
	// CKR_DEVICE_MEMORY.
	Update(fn func(tx Tx) error) error
	// Watch calls fn with the changes of every later commit, in order, before the Update
	// that made them returns. fn does not call Update.
	Watch(fn func([]record.Change))
	// HashPIN makes the verifier of a new PIN. For a PIN-bound token the PIN opens the
	// token's private key, bound, once the verifier is stored; for others bound is nil. It
	// is slow on purpose and is called outside of transactions.
	HashPIN(token record.TokenID, role pin.Role, p, bound secret.Bytes) ([]byte, error)
	// CheckPIN compares a PIN with a verifier. The right PIN of a PIN-bound token opens
	// its private key, which the caller wipes. The caller has counted the try.
	CheckPIN(token record.TokenID, role pin.Role, verifier []byte, p secret.Bytes) (right bool, bound secret.Bytes, err error)
	// NewBoundKey makes the key pair of a PIN-bound token: the public key for its
	// record, the private one for HashPIN, which the caller wipes.
	NewBoundKey() (public []byte, private secret.Bytes, err error)
	// PresentBoundKey is the key pair of a PIN-bound token, for who has its private key, or
	// one that it had before a PIN was changed in this run; ok is false for anybody else.
	// The caller wipes the private key.
	PresentBoundKey(token record.TokenID, private secret.Bytes) (public []byte, present secret.Bytes, ok bool)
	// OpenSecret returns the secret attributes of an object, from the newest
	// commit; the caller wipes them. bound is nil here: the OTP key of a token is
	// never bound to a PIN.
	OpenSecret(token record.TokenID, id object.ID, bound secret.Bytes) (object.Set, error)
	// HashAPIKey returns the keyed hash under which an API key is stored and found.
	HashAPIKey(key secret.Bytes) []byte
}

// ReadTx reads. It returns record.ErrNotFound where there is no such record; an empty
// list is no error. The caller may keep the results and must not change them.
type ReadTx interface {
	Tenant(id record.TenantID) (*record.Tenant, error)
	TenantByName(name string) (*record.Tenant, error)
	// Tenants returns all tenants, by name, without their exchange keys.
	Tenants() ([]*record.Tenant, error)
	User(id record.UserID) (*record.User, error)
	// UserByLogin returns the user of a tenant with that login or alias.
	UserByLogin(tenant record.TenantID, login string) (*record.User, error)
	// Users returns all users of a tenant, by login.
	Users(tenant record.TenantID) ([]*record.User, error)
	// UsersMapped returns the users of all tenants, enabled or not, that an operating
	// system user is mapped to, by name or by their OSUsers. It takes all spellings: the
	// name and "#uid".
	UsersMapped(spellings ...string) ([]*record.User, error)
	APIKey(tenant record.TenantID, name string) (*record.APIKey, error)
	// APIKeyByHash finds a key of any tenant by its HashAPIKey.
	APIKeyByHash(hash []byte) (*record.APIKey, error)
	// APIKeys returns all API keys of a tenant, by name.
	APIKeys(tenant record.TenantID) ([]*record.APIKey, error)
	Token(id record.TokenID) (*record.Token, error)
	// TokenBySerial returns the token of a tenant with that serial number.
	TokenBySerial(tenant record.TenantID, serial string) (*record.Token, error)
	// Group returns one group, and Groups all groups of a tenant, by name.
	Group(id record.GroupID) (*record.Group, error)
	Groups(tenant record.TenantID) ([]*record.Group, error)
	// PendingKey returns a key pair that waits for its certificate, with its private key.
	// The caller does not change it.
	PendingKey(id record.KeyID) (*record.PendingKey, error)
	// PendingKeysOf returns those of a user, PendingKeys all of a tenant, the oldest
	// first and without their private keys.
	PendingKeysOf(user record.UserID) ([]*record.PendingKey, error)
	PendingKeys(tenant record.TenantID) ([]*record.PendingKey, error)
	// TokensOf lists the tokens that a user holds, by slot id.
	TokensOf(user record.UserID) ([]*record.Token, error)
	// TokensOfTenant lists at most limit tokens of a tenant by slot id, after the given
	// slot (0 is from the start).
	TokensOfTenant(tenant record.TenantID, after uint64, limit int) ([]*record.Token, error)
	// Objects lists the token's objects, without their secret attributes.
	Objects(token record.TokenID) ([]*object.Object, error)
}

// Tx reads and writes.
type Tx interface {
	ReadTx
	// PutTenant stores a tenant: a new one where its ID is empty, which gets an id and a
	// creation time, otherwise a changed one. A name that is taken is record.ErrExists,
	// as for the other records. A nil ExchangeKey keeps the stored key.
	PutTenant(t *record.Tenant) error
	// DeleteTenant deletes a tenant with everything in it.
	DeleteTenant(id record.TenantID) error
	// PutUser stores a user as PutTenant does a tenant; record.ErrNotFound where there is
	// none with its ID.
	PutUser(u *record.User) error
	// DeleteUser deletes a user. It returns record.ErrInUse where the user holds tokens.
	DeleteUser(id record.UserID) error
	// PutGroup stores a group as PutUser does a user.
	PutGroup(g *record.Group) error
	DeleteGroup(id record.GroupID) error
	// PutPendingKey stores a pending key, new or changed, of an existing user. A new one
	// has no ID and gets one. It is deleted with its user.
	PutPendingKey(k *record.PendingKey) error
	DeletePendingKey(id record.KeyID) error
	// PutAPIKey stores an API key, new or changed, under its tenant and name.
	PutAPIKey(k *record.APIKey) error
	DeleteAPIKey(tenant record.TenantID, name string) error
	// NewToken stores a new token. It keeps an ID that is set, because verifiers of PINs
	// are bound to it. The store sets its slot, its serial number where it is empty, its
	// version and its creation time, and makes a token without PINs PIN-bound where the
	// tenant wants that.
	NewToken(t *record.Token) error
	// PutToken replaces the record of an existing token. A new BoundKey encrypts the
	// secrets that the token has; only on an empty token may it replace another one.
	PutToken(t *record.Token) error
	// DeleteToken deletes a token with all its objects.
	DeleteToken(id record.TokenID) error
	// PutObject stores an object: a new one, which gets an id, where its ID is 0.
	PutObject(token record.TokenID, o *object.Object) error
	// DeleteObjects deletes all objects of a token.
	DeleteObjects(token record.TokenID) error
}
