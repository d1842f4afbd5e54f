package api

import "time"

// APIKey is a credential of an API, without its secret.
type APIKey struct {
	Name      string     `json:"name"`
	Tenant    string     `json:"tenant"`
	Role      string     `json:"role"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// Dialect is the one API that it is for; empty is this one and idprime's.
	Dialect string `json:"dialect,omitempty"`
	// ID is what the credential calls itself there.
	ID string `json:"id,omitempty"`
	// HasCertificate is set where a TLS client certificate goes for its secret.
	HasCertificate bool `json:"hasCertificate,omitempty"`
}

// NewAPIKey asks for an API key.
type NewAPIKey struct {
	Name string `json:"name"`
	// Role is view, edit, admin or system, or some of the rights view, add, edit,
	// remove, manage and system with + between; empty is admin.
	Role      string     `json:"role,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// Dialect is the API that it is for; empty and idprime are this one and idprime's.
	Dialect string `json:"dialect,omitempty"`
	// Certificate is the TLS client certificate (PEM) that goes for the secret, and
	// PublicKey the key (PEM) of somebody who signs and has one already.
	Certificate string `json:"certificate,omitempty"`
	PublicKey   string `json:"publicKey,omitempty"`
}

// CreatedAPIKey is the answer to NewAPIKey: a key, or the credential of a dialect.
// Nobody can read it again.
type CreatedAPIKey struct {
	APIKey
	Key        Secret      `json:"key,omitempty"`
	Credential *Credential `json:"credential,omitempty"`
}

// Credential is what a client of a dialect is configured with, in the names and the
// order of that vendor.
type Credential struct {
	// Entrust Identity as a Service.
	ApplicationID string `json:"applicationId,omitempty"`
	SharedSecret  Secret `json:"sharedSecret,omitempty"`

	// SurePassID.
	AccountLoginName string `json:"spAccountLoginName,omitempty"`
	AccountLoginKey  Secret `json:"spAccountLoginKey,omitempty"`

	// RSA SecurID: the key file of an administration API.
	CustomerName    string `json:"customerName,omitempty"`
	AccessID        string `json:"accessID,omitempty"`
	AccessKey       Secret `json:"accessKey,omitempty"`
	AdminRESTAPIURL string `json:"adminRestApiUrl,omitempty"`
	Description     string `json:"description,omitempty"`

	// DualShield.
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret Secret `json:"client_secret,omitempty"`
}

// Wipe overwrites the secrets with zeroes.
func (k *CreatedAPIKey) Wipe() {
	k.Key.Wipe()
	if c := k.Credential; c != nil {
		for _, s := range []Secret{c.SharedSecret, c.AccountLoginKey, c.AccessKey, c.ClientSecret} {
			s.Wipe()
		}
	}
}
