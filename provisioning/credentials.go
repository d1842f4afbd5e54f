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

// Credential is a credential that was found.
type Credential struct {
	// Caller is who holds it.
	Caller Caller
	// ID is what it calls itself, empty for an API key.
	ID string
	// PublicKey checks what the holder of a [Signer] signs; it is nil for others,
	// whose secret was checked.
	PublicKey crypto.PublicKey

	dialect string
	hash    []byte // tells it from one that took its name later
}

// Authenticate is the caller that an API key stands for. A key that is missing,
// unknown, revoked or expired is Unauthenticated, with the same sentence for
// all, and so is a credential of a dialect. The key is compared through a keyed
// hash, so the time it takes tells nothing about stored keys.
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

// AuthenticateSecret is the [SharedSecret] of a dialect with that id and secret.
// Whatever is wrong with them is Unauthenticated, in the same words.
func (s *Service) AuthenticateSecret(ctx context.Context, dialect, id string, key secret.Bytes) (Credential, error) {
	if dialect == "" || len(id) > maxSecret*4 || !plausibleSecret(key) {
		return Credential{}, unknownCredential(dialect)
	}
	return s.findKey(ctx, dialect, s.hashSecret(dialect, id, key))
}

// AuthenticateCertificate is the credential of a dialect that is bound to the TLS
// client certificate (DER), whose key the caller has proved to have. It is
// Unauthenticated where there is none.
func (s *Service) AuthenticateCertificate(ctx context.Context, dialect string, certificate *x509.Certificate) (Credential, error) {
	now := s.now()
	if dialect == "" || certificate == nil || now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
		return Credential{}, unknownCredential(dialect)
	}
	return s.findKey(ctx, dialect, s.hashCertificate(dialect, certificate.Raw))
}

// Signer is the [Signer] of a dialect with that id. It is nobody yet who calls:
// what came with the id has to be a signature that the PublicKey verifies. An id
// that is unknown is Unauthenticated.
func (s *Service) Signer(ctx context.Context, dialect, id string) (Credential, error) {
	if dialect == "" || len(id) > maxSecret*4 {
		return Credential{}, unknownCredential(dialect)
	}
	return s.findKey(ctx, dialect, s.hashSigner(dialect, id))
}

// Again is the credential as it is now, for whoever holds a session that was
// begun with it: its role may have changed. One that was revoked or has expired
// since is Unauthenticated.
func (s *Service) Again(ctx context.Context, c Credential) (Credential, error) {
	return s.findKey(ctx, c.dialect, c.hash)
}

func unknownCredential(dialect string) error {
	if dialect == "" {
		return unknownKey()
	}
	return Errorf(Unauthenticated, "the credential is unknown, revoked or expired; make one with `vtoken apikey create --dialect %s`", dialect)
}

// findKey is the credential of the dialect that is found by a hash.
func (s *Service) findKey(ctx context.Context, dialect string, hash []byte) (Credential, error) {
	var k *record.APIKey
	err := s.view(ctx, func(tx ReadTx) (err error) {
		k, err = tx.APIKeyByHash(hash)
		return err
	})
	if there, err := exists(err); err != nil {
		return Credential{}, err
	} else if !there || !s.works(k, dialect, hash) {
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

// works reports whether the key is one of the dialect, found by a hash of its
// own, and good at this time.
func (s *Service) works(k *record.APIKey, dialect string, hash []byte) bool {
	found := subtle.ConstantTimeCompare(k.Hash, hash) | subtle.ConstantTimeCompare(k.CertificateHash, hash)
	return found == 1 && k.Dialect == dialect && (k.ExpiresAt.IsZero() || s.now().Before(k.ExpiresAt))
}
