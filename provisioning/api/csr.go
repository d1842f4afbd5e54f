package api

import "time"

// NewCSR asks for a key pair and the request for its certificate.
type NewCSR struct {
	// User is the holder who gets the key; empty is the only holder.
	User string `json:"user,omitempty"`
	// Type is rsa:2048, rsa:3072, rsa:4096, ec:P-256 or ec:P-384; empty is rsa:2048.
	Type string `json:"type,omitempty"`
	// Subject is a distinguished name (RFC 4514) with a CN.
	Subject string `json:"subject"`
	// Emails and UPNs are alternative names: e-mail addresses, and Microsoft's user
	// principal names.
	Emails []string `json:"emails,omitempty"`
	UPNs   []string `json:"upns,omitempty"`
}

// CSR is a certificate request, and the key that waits for the certificate.
type CSR struct {
	Key PendingKey `json:"key"`
	PEM string     `json:"pem"` // PKCS#10 (RFC 2986)
}

// PendingKey is a user's key that waits for its certificate, or got it recently.
type PendingKey struct {
	ID string `json:"id"`
	// Type is that of NewCSR, in the answer to it.
	Type string `json:"type,omitempty"`
	// Token is the token that the key went to; empty while it waits.
	Token     string    `json:"token,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	// ExpiresAt is when it is deleted.
	ExpiresAt time.Time `json:"expiresAt"`
}

// NewCertificate is the certificate that was issued for a key.
type NewCertificate struct {
	// Key is the id of the key that waits for it; empty is a key on the token.
	Key string `json:"key,omitempty"`
	// PEM is the certificate, followed by the rest of its chain if there is one.
	PEM string `json:"pem"`
}
