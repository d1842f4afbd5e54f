package provisioning

import (
	"bytes"
	"context"
	"crypto"
	"crypto/subtle"
	"crypto/x509"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// Credential is an authenticated credential.
type Credential struct {
	// Caller is who holds it.
	Caller Caller
	// ID is the id of the credential, empty for an API key.
	ID string
	// PublicKey verifies what the holder of a [Signer] signs. It is nil for other kinds,
	// whose secret is checked already.
	PublicKey crypto.PublicKey

	dialect string
	hash    []byte // tells it from one that took its name later
}

// Authenticate returns the caller of an API key. A missing, unknown, revoked or expired
// key is Unauthenticated, with the same sentence for all, and so is a credential of a
// dialect. The key is compared through a keyed hash, so the time it takes tells nothing
// about stored keys.
func (s *Service) Authenticate(ctx context.Context, key secret.Bytes) (Caller, error) {
	if len(key) == 0 {
		return Caller{}, Errorf(Unauthenticated, "no API key was given; send one in the Authorization header")
	}
	if !plausibleSecret(key) {
		return Caller{}, unknownKey()
	}
	k, err := s.findKey(ctx, "", s.store.HashAPIKey(key))
	if err != nil {
		return Caller{}, err
	}
	return k.Caller, nil
}

func unknownKey() error {
	return Errorf(Unauthenticated, "the API key is unknown, revoked or expired; make one with `vtoken apikey create`")
}

// AuthenticateSecret returns the [SharedSecret] of a dialect with that id and secret.
// Every error is Unauthenticated, with the same sentence.
func (s *Service) AuthenticateSecret(ctx context.Context, dialect, id string, key secret.Bytes) (Credential, error) {
	if dialect == "" || len(id) > maxSecret*4 || !plausibleSecret(key) {
		return Credential{}, unknownCredential(dialect)
	}
	return s.findKey(ctx, dialect, s.hashSecret(dialect, id, key))
}

// AuthenticateCertificate returns the credential of a dialect that is bound to a TLS
// client certificate. The caller has verified that the client has its key. It is
// Unauthenticated where there is no such credential.
func (s *Service) AuthenticateCertificate(
	ctx context.Context, dialect string, certificate *x509.Certificate,
) (Credential, error) {
	now := s.now()
	if dialect == "" || certificate == nil || now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return Credential{}, unknownCredential(dialect)
	}
	return s.findKey(ctx, dialect, s.hashCertificate(dialect, certificate.Raw))
}

// Signer returns the [Signer] of a dialect with that id. It authenticates nobody: the
// caller must verify a signature with the PublicKey. An unknown id is Unauthenticated.
func (s *Service) Signer(ctx context.Context, dialect, id string) (Credential, error) {
	if dialect == "" || len(id) > maxSecret*4 {
		return Credential{}, unknownCredential(dialect)
	}
	return s.findKey(ctx, dialect, s.hashSigner(dialect, id))
}

// Reauthenticate reads a credential once more, for a session that was begun with it: its role may
// have changed. A credential that was revoked or has expired since is Unauthenticated.
func (s *Service) Reauthenticate(ctx context.Context, c Credential) (Credential, error) {
	return s.findKey(ctx, c.dialect, c.hash)
}

func unknownCredential(dialect string) error {
	if dialect == "" {
		return unknownKey()
	}
	return Errorf(Unauthenticated,
		"the credential is unknown, revoked or expired; make one with `vtoken apikey create --dialect %s`", dialect)
}

// findKey returns the credential of the dialect with that hash.
func (s *Service) findKey(ctx context.Context, dialect string, hash []byte) (Credential, error) {
	var k *record.APIKey
	err := s.view(ctx, func(tx ReadTx) (err error) {
		k, err = tx.APIKeyByHash(hash)
		return err
	})
	if found, err := exists(err); err != nil {
		return Credential{}, err
	} else if !found || !s.isUsable(k, dialect, hash) {
		return Credential{}, unknownCredential(dialect)
	}
	c := Credential{
		Caller: Caller{Name: k.Name, Tenant: k.Tenant, Role: k.Role}, ID: k.ID,
		dialect: dialect, hash: bytes.Clone(hash),
	}
	if k.PublicKey != nil {
		if c.PublicKey, err = x509.ParsePKIXPublicKey(k.PublicKey); err != nil {
			return Credential{}, Errorf(Internal, "reading the public key of the credential %q: %w", text.Clip(k.Name), err)
		}
	}
	return c, nil
}

// isUsable reports whether a key belongs to the dialect, was found by a hash of its own, and
// is valid now. No hash is nobody's, though a key without a certificate has none of that.
func (s *Service) isUsable(k *record.APIKey, dialect string, hash []byte) bool {
	found := subtle.ConstantTimeCompare(k.Hash, hash) | subtle.ConstantTimeCompare(k.CertificateHash, hash)
	return len(hash) > 0 && found == 1 && k.Dialect == dialect && (k.ExpiresAt.IsZero() || s.now().Before(k.ExpiresAt))
}
