package idprime

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/secret"
)

// tenantConfiguration is the answer of operation 1. The names of its fields and
// the encoding are ours (DIVERGENCES.md): those of a JSON Web Key (RFC 7518,
// section 6.3.1), spelled out.
type tenantConfiguration struct {
	KeyType   string `json:"keyType"`
	Modulus   string `json:"modulus"`   // base64url, big endian
	Exponent  string `json:"exponent"`  // base64url, big endian
	Algorithm string `json:"algorithm"` // of encryption, as RFC 7518 names it
}

func newTenantConfiguration(k *rsa.PublicKey) tenantConfiguration {
	enc := base64.RawURLEncoding
	return tenantConfiguration{
		KeyType:   "RSA",
		Modulus:   enc.EncodeToString(k.N.Bytes()),
		Exponent:  enc.EncodeToString(big.NewInt(int64(k.E)).Bytes()),
		Algorithm: "RSA-OAEP-256",
	}
}

// tokenDetails is one token in the answer of operation 3b.
type tokenDetails struct {
	TokenID       string    `json:"tokenId"`
	Label         string    `json:"label"`
	Version       string    `json:"version"` // V1.0 or V2.0, of the API that makes such tokens
	Status        string    `json:"status"`  // Open, Complete or Disabled
	MaxRSAKeySize int       `json:"maxRsaKeySize"`
	CreatedOn     time.Time `json:"createdOn"`
}

func newTokenDetails(t provisioning.Token) tokenDetails {
	d := tokenDetails{
		TokenID: string(t.ID), Label: t.Label, Version: "V2.0", Status: "Open",
		MaxRSAKeySize: t.MaxRSABits, CreatedOn: t.CreatedAt.UTC(),
	}
	if t.MaxRSABits == smallRSA {
		d.Version = "V1.0"
	}
	switch {
	case !t.Enabled || t.Deceased:
		d.Status = "Disabled"
	case t.Complete:
		d.Status = "Complete"
	}
	return d
}

// tokenCertificate is one of the TokenCertificates of operation 5.
type tokenCertificate struct {
	SerialNumber    string    `json:"serialNumber"`    // upper-case hexadecimal
	CertificateType string    `json:"certificateType"` // User, where the token has its key, else CA
	Subject         string    `json:"subject"`
	Issuer          string    `json:"issuer"`
	NotBefore       time.Time `json:"notBefore"`
	NotAfter        time.Time `json:"notAfter"`
	Certificate     string    `json:"certificate"` // X.509 DER in base64
}

func newTokenCertificate(c provisioning.Certificate) (tokenCertificate, error) {
	t := tokenCertificate{
		SerialNumber: c.Serial, CertificateType: "CA",
		Certificate: base64.StdEncoding.EncodeToString(c.DER),
	}
	if c.HasKey {
		t.CertificateType = "User"
	}
	cert, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return t, err
	}
	t.Subject, t.Issuer = cert.Subject.String(), cert.Issuer.String()
	t.NotBefore, t.NotAfter = cert.NotBefore.UTC(), cert.NotAfter.UTC()
	return t, nil
}

// apiKey is the answer to the creation of an API key. The key leaves the daemon only
// here.
type apiKey struct {
	Name      string     `json:"name"`
	Key       string     `json:"key"`
	TenantID  string     `json:"tenantId"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt"` // null is never
}

func newAPIKey(k provisioning.APIKey, key secret.Bytes) apiKey {
	a := apiKey{Name: k.Name, Key: string(key), TenantID: string(k.Tenant), CreatedAt: k.CreatedAt.UTC()}
	if !k.ExpiresAt.IsZero() {
		a.ExpiresAt = &k.ExpiresAt
	}
	return a
}
