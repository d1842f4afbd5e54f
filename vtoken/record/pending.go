package record

import (
	"time"

	"vtoken/vtoken/secret"
)

// KeyID is the id of a pending key: a GUID as the others.
type KeyID string

// PendingKey is a key pair that was made for a certificate signing request and
// waits for its certificate. It belongs to a user and to no token yet.
type PendingKey struct {
	ID     KeyID
	Tenant TenantID
	User   UserID
	// PKCS8 is the private key; empty once it is on a token.
	PKCS8 secret.Bytes
	// Token is the token that the key went to; empty before.
	Token     TokenID
	CreatedAt time.Time
	// ExpiresAt is when the record is swept.
	ExpiresAt time.Time
}
