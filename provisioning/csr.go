package provisioning

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"

	"vtoken/provisioning/text"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// PendingLifetime is how long a key waits for its certificate, and maxPending how
// many keys of one user may wait at a time.
const (
	PendingLifetime = 7 * 24 * time.Hour
	maxPending      = 16
)

// NewCSR describes a certificate signing request.
type NewCSR struct {
	// Curve is the curve of an EC key: "P-256" or "P-384". If it is empty, the key is
	// RSA, of RSABits: 2048 (also where it is 0), 3072 or 4096.
	Curve   string
	RSABits int
	// Signature is the signature algorithm of the request; 0 is SHA-256, or SHA-384 for
	// P-384.
	Signature x509.SignatureAlgorithm
	// Subject is a distinguished name in the form of RFC 4514, with a CN.
	Subject string
	// KeyUsage and ExtKeyUsage are the extensions to request; 0 and none request none.
	KeyUsage    x509.KeyUsage
	ExtKeyUsage []asn1.ObjectIdentifier
	// Emails and UPNs are alternative names: e-mail addresses, and Microsoft's user
	// principal names.
	Emails, UPNs []string
}

// CSR is a certificate signing request for a key that waits for its certificate.
type CSR struct {
	Key PendingKey
	DER []byte // PKCS#10 (RFC 2986)
}

// PendingKey is a key that waits for its certificate, as callers see it.
type PendingKey struct {
	ID        record.KeyID
	User      record.UserID
	Algorithm string         // RSA or EC; empty in listings
	Bits      int            // likewise 0
	Token     record.TokenID // where it went, empty while it waits
	CreatedAt time.Time
	ExpiresAt time.Time
}

// GenerateCSR makes a key pair for a user and the request for its certificate. The store
// keeps the private key, encrypted, until [Service.StoreCertificate] puts it on one of
// the user's tokens, for at most [PendingLifetime]. A user with too many waiting keys is
// a Conflict.
func (s *Service) GenerateCSR(ctx context.Context, c Caller, tenant record.TenantID, user string, n NewCSR) (CSR, error) {
	if err := c.authorize(OpCSR, tenant); err != nil {
		return CSR{}, err
	}
	template, err := n.template()
	if err != nil {
		return CSR{}, err
	}
	// Check first, so that no key is made that cannot be stored.
	err = s.view(ctx, func(tx ReadTx) error {
		_, err := s.pendingUser(tx, tenant, user)
		return err
	})
	if err != nil {
		return CSR{}, err
	}
	stored, der, err := s.makeKey(ctx, c, tenant, user, n, template)
	if err != nil {
		return CSR{}, err
	}
	view := pendingView(&stored)
	view.Algorithm, view.Bits = n.kind()
	return CSR{Key: view, DER: der}, nil
}

// makeKey makes a key, signs its request and stores it, on a stack that is cleared.
func (s *Service) makeKey(
	ctx context.Context, c Caller, tenant record.TenantID, user string, n NewCSR, template *x509.CertificateRequest,
) (stored record.PendingKey, der []byte, err error) {
	secret.OnOwnStack(func() {
		var key crypto.Signer
		if key, err = s.newKeyPair(ctx, c, n); err != nil {
			return
		}
		if der, err = x509.CreateCertificateRequest(rand.Reader, template, key); err != nil {
			err = fmt.Errorf("signing a certificate request: %w", err)
			return
		}
		stored, err = s.keepKey(ctx, tenant, user, key)
	})
	return stored, der, err
}

// keepKey stores a new key for a user.
func (s *Service) keepKey(
	ctx context.Context, tenant record.TenantID, user string, key crypto.Signer,
) (record.PendingKey, error) {
	stored := record.PendingKey{ID: newID[record.KeyID](), Tenant: tenant, CreatedAt: s.now(), ExpiresAt: s.now().Add(PendingLifetime)}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return stored, fmt.Errorf("encoding the key of a certificate request: %w", err)
	}
	defer clear(private)
	err = s.update(ctx, func(tx Tx) error {
		u, err := s.pendingUser(tx, tenant, user)
		if err != nil {
			return err
		}
		if err := s.sweep(tx, u.ID); err != nil {
			return err
		}
		stored.User = u.ID
		fresh := stored
		fresh.PKCS8 = private
		return tx.PutPendingKey(&fresh)
	})
	return stored, err
}

// pendingUser returns the user who gets a new key.
func (s *Service) pendingUser(tx ReadTx, tenant record.TenantID, user string) (*record.User, error) {
	u, err := userOf(tx, tenant, user)
	if err != nil {
		return nil, err
	}
	all, err := tx.PendingKeysOf(u.ID)
	if err != nil {
		return nil, err
	}
	waiting := 0
	for _, k := range all {
		if k.Token == "" && s.now().Before(k.ExpiresAt) {
			waiting++
		}
	}
	if waiting >= maxPending {
		return nil, Errorf(Conflict,
			"%d keys of user %q wait for their certificates already; store those first, or delete some",
			waiting, text.Clip(u.Login))
	}
	return u, nil
}

// kind returns the algorithm and size of the key.
func (n *NewCSR) kind() (algorithm string, bits int) {
	switch n.Curve {
	case "P-256":
		return "EC", 256
	case "P-384":
		return "EC", 384
	}
	if n.RSABits == 0 {
		return "RSA", 2048
	}
	return "RSA", n.RSABits
}

// newKeyPair makes the key. RSA takes a processor for up to seconds, so it waits for its
// turn.
func (s *Service) newKeyPair(ctx context.Context, c Caller, n NewCSR) (crypto.Signer, error) {
	algorithm, bits := n.kind()
	switch {
	case algorithm == "RSA":
		return s.newRSA(ctx, c, bits)
	case bits == 384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// newRSA makes an RSA key when it is the caller's turn.
func (s *Service) newRSA(ctx context.Context, c Caller, bits int) (key *rsa.PrivateKey, err error) {
	err = s.inTurn(ctx, c, func(pause func() error) (err error) {
		key, err = mech.GenerateRSA(bits, pause)
		return err
	})
	return key, err
}

func pendingView(k *record.PendingKey) PendingKey {
	return PendingKey{ID: k.ID, User: k.User, Token: k.Token, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt}
}
