// Package record holds the things that vtoken stores, as plain values: tenants,
// users, tokens, API keys. Objects of tokens are in package object.
//
// The engine, the provisioning core and the keystore exchange these values; it
// is the one place where their fields are written down. Nothing here does I/O.
package record

import (
	"errors"
	"time"

	"vtoken/vtoken/object"
	"vtoken/vtoken/policy"
	"vtoken/vtoken/secret"
)

// The ids of records: GUIDs in lower case with hyphens (RFC 9562).
type (
	TenantID string
	UserID   string
	TokenID  string
	GroupID  string
)

// DefaultTenant is the name of the tenant that is made on first start.
const DefaultTenant = "default"

// Tenant is one organisation's part of the store, under a key of its own.
type Tenant struct {
	ID        TenantID
	Name      string
	CreatedAt time.Time
	// ExchangeKey is the PKCS#8 form of the RSA key under which clients may
	// encrypt passwords and PINs that they send.
	ExchangeKey secret.Bytes
	// Policy is the algorithm policy that new tokens of the tenant get where
	// nobody chooses one for them.
	Policy policy.Policy
	// PINBound says that new tokens of the tenant are PIN-bound.
	PINBound bool
	// NoResume says that logins with the tenant's tokens do not outlive a crash of the daemon.
	NoResume bool
	// Quota bounds the objects on the tenant's tokens.
	Quota Quota
	// Settings are what the dialects keep of the tenant, under a name each.
	Settings map[string]secret.Bytes
	// OSUsers are the operating system users that the tenant's own administrators
	// may map to its users: names, "#uid", or [AnyOSUser]. An administrator of the
	// machine sets them.
	OSUsers []string
}

// AnyOSUser in the OSUsers of a tenant stands for every operating system user but
// root.
const AnyOSUser = "*"

// User is a person or a service that holds tokens.
type User struct {
	ID     UserID
	Tenant TenantID
	Login  string // unique in the tenant among logins and aliases, compared as it is
	// Domain is the directory that the login is of, as some provisioning systems
	// name it; empty where nobody said one. It tells no two users apart.
	Domain string
	// Aliases are further names that the user is found by, at most 16.
	Aliases   []string
	Enabled   bool
	CreatedAt time.Time
	// OSUsers are the operating system users, by name or as "#uid", that are
	// mapped to this user.
	OSUsers []string
	// NotByName says that the OS user of the same name as Login is not mapped.
	// Otherwise it is, where the user is in the default tenant and has no OSUsers.
	NotByName bool
}

// Group is a set that tokens without a holder are put aside for.
type Group struct {
	ID        GroupID
	Tenant    TenantID
	Name      string // unique in the tenant
	CreatedAt time.Time
}

// APIKey is a credential of the provisioning API. The key itself is not stored.
type APIKey struct {
	Name      string // unique in the tenant
	Tenant    TenantID
	Role      Role
	Hash      []byte // keyed hash of what the credential is found by
	CreatedAt time.Time
	ExpiresAt time.Time // zero is never

	// Dialect is the one API that the credential is for; empty is our own and
	// those that take the same keys.
	Dialect string
	// ID is what the credential calls itself, where it is not its secret alone.
	ID string
	// PublicKey is the key that checks what the holder signs (SubjectPublicKeyInfo),
	// for credentials without a shared secret.
	PublicKey []byte
	// CertificateHash is the keyed hash of the TLS client certificate that the
	// credential can be used with instead of its secret; nil is none.
	CertificateHash []byte
}

// Role is what an API key may do: the name of a role, or of rights with + between.
type Role string

// The named roles, each including the ones before it.
const (
	RoleView   Role = "view"   // read
	RoleEdit   Role = "edit"   // and create and change
	RoleAdmin  Role = "admin"  // and delete, and manage API keys of the tenant
	RoleSystem Role = "system" // everything, in every tenant
)

// Peer is the process at the other end of a Unix socket, as the kernel told it
// (SO_PEERCRED).
type Peer struct {
	UID, GID uint32
	PID      int32
}

// Change is one committed change of a token or of one of its objects, as the
// store tells it to its watchers. Values in it are shared: nobody changes them.
type Change struct {
	TokenID TokenID
	// Token is the new record, or nil where the change is to an object or the
	// token is gone.
	Token *Token
	// Deleted says that the token is gone with all its objects.
	Deleted bool
	// ObjectID is the object that changed, or 0.
	ObjectID object.ID
	// Object is the new object without its secret attributes, or nil where the
	// object is gone.
	Object *object.Object
	// UserID is the user whose record changed (login, mapping, enabled or not)
	// or who is gone, or "". TokenID is empty then. Watchers ask again who sees
	// what.
	UserID UserID
	// UserLost says that processes act for the user no more, or some of them: it was
	// disabled, is mapped to fewer OS users, or is gone. What they have through the user
	// ends, even if the next commit gives it back.
	UserLost bool
}

// Errors of the store that callers tell apart. They may be wrapped.
var (
	// ErrNotFound is what reading, replacing or deleting a record returns where
	// there is none.
	ErrNotFound = errors.New("not found")
	// ErrExists is what storing a record returns where another one has its
	// name, login, serial number or key.
	ErrExists = errors.New("exists already")
	// ErrInUse is what deleting a record returns where others depend on it.
	ErrInUse = errors.New("in use")
)
