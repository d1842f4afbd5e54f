package api

import "time"

// Prefix begins the path of every operation.
const Prefix = "/v1"

// DefaultPage is the number of items in a page of a listing if the request sets no limit,
// and MaxPage is the maximal limit.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

// Page is one page of a listing. Next is the query parameter "cursor" for the next page,
// or empty on the last page.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Problem is an error (RFC 9457). Kind is the stable name of the error for scripts,
// Detail is for people.
type Problem struct {
	Type      string `json:"type,omitempty"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Kind      string `json:"kind,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

// Status is the state of the daemon.
type Status struct {
	Version   string    `json:"version"`
	StartedAt time.Time `json:"startedAt"`
	// P11Socket is where the PKCS#11 module and p11-kit clients connect.
	P11Socket   string `json:"p11Socket,omitempty"`
	AdminSocket string `json:"adminSocket,omitempty"`
	// API is the URL of the HTTPS listener, empty where there is none.
	API     string `json:"api,omitempty"`
	DataDir string `json:"dataDir,omitempty"`
	// Store is the id of the store, for callers of role system.
	Store    string   `json:"store,omitempty"`
	Dialects []string `json:"dialects"`
	// Clients counts the connected PKCS#11 applications and their sessions, for callers
	// of role system.
	Clients *Clients `json:"clients,omitempty"`
	// Rollback is the state of rollback detection, for callers of role system.
	Rollback *Rollback `json:"rollback,omitempty"`
	// Recovery says whether the store has a recovery passphrase, for callers of role
	// system.
	Recovery *bool `json:"recovery,omitempty"`
	// RestartProblem is why the last planned restart did not happen, for callers of role
	// system.
	RestartProblem string `json:"restartProblem,omitempty"`
	// Caller is the identity that the daemon found for the request.
	Caller Caller `json:"caller"`
}

// Clients counts the PKCS#11 applications that are connected, and their sessions.
type Clients struct {
	Applications int `json:"applications"`
	Sessions     int `json:"sessions"`
}

// Rollback says whether an older copy of the whole data folder would be refused.
type Rollback struct {
	Detected bool `json:"detected"`
	// KEK is the URI of the KEK with the counter that detects it; empty is none.
	KEK string `json:"kek,omitempty"`
	// CounterFails is set if that counter did not answer last time. Until it does, only PINs
	// that were right before in this run are accepted.
	CounterFails bool `json:"counterFails,omitempty"`
	// AcceptedAt is when an administrator last accepted an older copy.
	AcceptedAt *time.Time `json:"acceptedAt,omitempty"`
}

// Caller is the identity and the role of the sender of a request.
type Caller struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Tenant is the id of the one tenant that the caller may access, empty for all.
	Tenant string `json:"tenant,omitempty"`
}

// Tenant is one organisation's part of the store.
type Tenant struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	// Policy is the algorithm policy that new tokens get: "modern", "legacy", or
	// mechanisms such as "CKM_ECDSA,CKM_AES_GCM".
	Policy string `json:"policy"`
	// PINBound says that new cards are PIN-bound.
	PINBound bool `json:"pinBound"`
	// Resume says that applications keep logins with its tokens over a crash of the daemon.
	Resume bool `json:"resume"`
	// OSUsers are the operating system users that the tenant's own administrators may
	// map to its users: names, "#uid", or "*" for all but root.
	OSUsers []string `json:"osUsers,omitempty"`
	// MaxObjects is how many objects one token may hold.
	MaxObjects uint64 `json:"maxObjects"`
	// MaxObjectsPerUser is how many objects all tokens of one owner may hold.
	MaxObjectsPerUser uint64 `json:"maxObjectsPerUser"`
}

// TenantChange changes the one property that it names: policies for new tokens, quotas
// for new objects, or who may be mapped. Existing tokens, objects and maps stay.
type TenantChange struct {
	// Policy is an algorithm policy; empty is "modern".
	Policy   *string   `json:"policy,omitempty"`
	PINBound *bool     `json:"pinBound,omitempty"`
	Resume   *bool     `json:"resume,omitempty"`
	OSUsers  *[]string `json:"osUsers,omitempty"`
	// MaxObjects and MaxObjectsPerUser are quotas; 0 is the default.
	MaxObjects        *uint64 `json:"maxObjects,omitempty"`
	MaxObjectsPerUser *uint64 `json:"maxObjectsPerUser,omitempty"`
}

// NewTenant asks for a tenant.
type NewTenant struct {
	Name string `json:"name"`
}

// User holds tokens.
type User struct {
	ID      string   `json:"id"`
	Tenant  string   `json:"tenant"`
	Login   string   `json:"login"`
	Enabled bool     `json:"enabled"`
	OSUsers []string `json:"osUsers"`
	// NotByName says that the operating system user with the name of Login is not mapped.
	// Otherwise it is mapped, in the default tenant, if OSUsers is empty.
	NotByName bool      `json:"notByName,omitempty"`
	Domain    string    `json:"domain,omitempty"`
	Aliases   []string  `json:"aliases,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// NewUser asks for a user.
type NewUser struct {
	Login string `json:"login"`
	// OSUsers are the operating system users that act as the user: names, or "#uid".
	// Without any, in the default tenant, it is the one with the name of Login, if the
	// caller may map that one.
	OSUsers []string `json:"osUsers,omitempty"`
}

// UserChange changes the one property that it names. An empty list of OSUsers restores
// the default.
type UserChange struct {
	Enabled *bool     `json:"enabled,omitempty"`
	OSUsers *[]string `json:"osUsers,omitempty"`
	Domain  *string   `json:"domain,omitempty"`
	Aliases *[]string `json:"aliases,omitempty"`
}

// KEK is a key-encryption key that opens the store.
type KEK struct {
	ID  string `json:"id"`
	URI string `json:"uri"`
	// Kind is file, passphrase, tpm2 or pkcs11.
	Kind string `json:"kind"`
	// Recovery is set for a passphrase, which opens the store on any machine.
	Recovery  bool      `json:"recovery"`
	CreatedAt time.Time `json:"createdAt"`
	// Ready is set if the KEK opens the store now; otherwise Problem says why not.
	Ready    bool   `json:"ready"`
	Problem  string `json:"problem,omitempty"`
	Protects string `json:"protects,omitempty"` // from whom, in a sentence
	// OtherCounters names the counters in the KEK's hardware that the store does not use.
	OtherCounters []string `json:"otherCounters,omitempty"`
	// Configure is the line that the daemon's configuration needs to use the KEK at its
	// next start.
	Configure string `json:"configure,omitempty"`
}

// NewKEK asks for another KEK.
type NewKEK struct {
	URI string `json:"uri"`
	// Generate makes an HSM generate the key first.
	Generate bool `json:"generate,omitempty"`
}

// Rotation is the progress of a rotation of the root key.
type Rotation struct {
	// Left counts the keys that are not wrapped under the new root key yet; it is 0 if no
	// rotation is running.
	Left int `json:"left"`
	// Tenants counts the tenants whose records are not all under their new keys yet.
	Tenants int `json:"tenants,omitempty"`
}

// NewKeys says which keys of the store to replace, besides the root key or instead of it.
type NewKeys struct {
	// All replaces the root key, and the keys of all tenants and tokens.
	All bool
	// Tenant replaces the keys of one tenant and of its tokens, and not the root key. It is
	// a name or an id.
	Tenant string
}

// Token is a virtual smart card.
type Token struct {
	ID         string `json:"id"`
	Tenant     string `json:"tenant"`
	Slot       uint64 `json:"slot"`
	Serial     string `json:"serial"`
	Label      string `json:"label"`
	User       string `json:"user"`
	UserID     string `json:"userId"`
	Complete   bool   `json:"complete"`
	Enabled    bool   `json:"enabled"`
	MaxRSABits int    `json:"maxRsaBits"`
	Policy     string `json:"policy"` // as that of a Tenant
	// PINBound says that only its PINs open its private keys, so setting a PIN takes
	// another one.
	PINBound  bool      `json:"pinBound"`
	UserPIN   PINStatus `json:"userPin"`
	SOPIN     PINStatus `json:"soPin"`
	CreatedAt time.Time `json:"createdAt"`
	// URI names the token in other programs (RFC 7512) by its serial number, so that it
	// does not change with the label.
	URI string `json:"uri"`

	// Kind is card or otp.
	Kind    string   `json:"kind"`
	Product *Product `json:"product,omitempty"`
	// Holders are all users who hold it, the owner (User) first.
	Holders []Holder `json:"holders"`
	Groups  []string `json:"groups,omitempty"`
	// Activation is new, pending or activated.
	Activation string     `json:"activation"`
	Deceased   bool       `json:"deceased,omitempty"`
	Confined   bool       `json:"confined,omitempty"`
	Device     string     `json:"device,omitempty"`
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`
	// OTP is set for tokens of kind otp.
	OTP *OTP `json:"otp,omitempty"`
	// Actions are the operations that the state of the token allows now.
	Actions []string `json:"actions"`
}

// PINStatus is the state of one role's PIN.
type PINStatus struct {
	Set    bool `json:"set"`
	Locked bool `json:"locked"`
	// TriesLeft is the number of wrong tries until the PIN is locked, -1 for no limit.
	TriesLeft int `json:"triesLeft"`
	// MustChange says that the holder must change the PIN.
	MustChange bool `json:"mustChange"`
	// MinLength and MaxLength are the bounds of a new PIN, in characters.
	MinLength int `json:"minLength"`
	MaxLength int `json:"maxLength"`
}

// NewToken asks for a token.
type NewToken struct {
	// User is the login or the id of the holder, who must exist. It is empty with
	// Unassigned.
	User string `json:"user,omitempty"`
	// Unassigned makes a token without a holder.
	Unassigned bool `json:"unassigned,omitempty"`
	// Serial is the serial number; if it is empty, one is made.
	Serial    string     `json:"serial,omitempty"`
	Product   *Product   `json:"product,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Groups    []string   `json:"groups,omitempty"`
	// OTP makes an OTP token. Inactive leaves its activation for later.
	OTP      *NewOTP `json:"otp,omitempty"`
	Inactive bool    `json:"inactive,omitempty"`
	// Label may be empty, for the serial number.
	Label   string `json:"label,omitempty"`
	UserPIN Secret `json:"userPin,omitempty"`
	SOPIN   Secret `json:"soPin,omitempty"`
	// Complete ends the provisioning at once, for a token that its holder fills.
	Complete bool `json:"complete,omitempty"`
	// PINBound makes it PIN-bound, for good. A tenant can require that for its cards.
	PINBound bool `json:"pinBound,omitempty"`
}

// TokenChange changes the one property that it names.
type TokenChange struct {
	Label   *string `json:"label,omitempty"`
	Enabled *bool   `json:"enabled,omitempty"`
	// Policy is an algorithm policy as that of a Tenant; empty is the tenant's.
	Policy *string `json:"policy,omitempty"`
	// ExpiresAt is an expiry time, or empty for none.
	ExpiresAt *string `json:"expiresAt,omitempty"`
	// Confined closes the download of the token.
	Confined *bool `json:"confined,omitempty"`
	// Groups are for a token without a holder.
	Groups *[]string `json:"groups,omitempty"`
	// Deceased, which can only be true, ends the token for good.
	Deceased *bool `json:"deceased,omitempty"`
}

// NewPIN sets a PIN and restores all its tries.
type NewPIN struct {
	// Role is user or so.
	Role string `json:"role"`
	PIN  Secret `json:"pin"`
	// CurrentPIN is a PIN that the token has, of the role CurrentRole (so where
	// empty), as the right to set one: PIN-bound tokens need it, and with the SO
	// PIN it goes on complete tokens too.
	CurrentPIN  Secret `json:"currentPin,omitempty"`
	CurrentRole string `json:"currentRole,omitempty"`
}

// Certificate is one certificate of a token.
type Certificate struct {
	// SerialNumber is in upper-case hexadecimal digits, two for each byte.
	SerialNumber string `json:"serialNumber"`
	// Subject, Issuer and the times are missing where the certificate does not
	// parse.
	Subject   string     `json:"subject,omitempty"`
	Issuer    string     `json:"issuer,omitempty"`
	NotBefore *time.Time `json:"notBefore,omitempty"`
	NotAfter  *time.Time `json:"notAfter,omitempty"`
	// HasKey tells the holder's certificate from those of its chain.
	HasKey bool `json:"hasKey"`
	// ID is CKA_ID in hexadecimal digits, Label is CKA_LABEL.
	ID    string `json:"id,omitempty"`
	Label string `json:"label,omitempty"`
	// PEM is the certificate as text.
	PEM string `json:"pem"`
}

// Imported is what came out of a PFX.
type Imported struct {
	// SerialNumbers are those of the certificates, the key's own first, in
	// upper-case hexadecimal digits.
	SerialNumbers []string `json:"serialNumbers"`
	// ID is CKA_ID of the key and its certificate in hexadecimal digits, Label is
	// their CKA_LABEL.
	ID    string `json:"id"`
	Label string `json:"label"`
	// Warnings say what may surprise applications.
	Warnings []string `json:"warnings"`
}

// Object is an object of a token, in overview.
type Object struct {
	// Class is certificate, public key, private key, secret key or data.
	Class string `json:"class"`
	Label string `json:"label,omitempty"`
	// ID is CKA_ID in hexadecimal digits.
	ID string `json:"id,omitempty"`
	// KeyType is that of a key, such as RSA, EC or AES; Bits is its size, where
	// one is known.
	KeyType string `json:"keyType,omitempty"`
	Bits    int    `json:"bits,omitempty"`
	// Subject, SerialNumber and NotAfter are of certificates.
	Subject      string     `json:"subject,omitempty"`
	SerialNumber string     `json:"serialNumber,omitempty"`
	NotAfter     *time.Time `json:"notAfter,omitempty"`
	// URI names the object in other programs (RFC 7512).
	URI string `json:"uri"`
}

// PINRole says whose PIN is to be unlocked or cleared.
type PINRole struct {
	// Role is user or so.
	Role string `json:"role"`
}
