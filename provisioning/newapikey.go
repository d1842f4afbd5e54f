package provisioning

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"vtoken/provisioning/text"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// APIKeyPrefix begins every API key and shared secret, so that scanners for leaked
// secrets recognize one.
const APIKeyPrefix = "vtk_"

// CredentialKind is how a credential authenticates.
type CredentialKind int

// The kinds of credentials.
const (
	// BearerKey is a secret alone: 256 random bits after [APIKeyPrefix], in base64url.
	BearerKey CredentialKind = iota
	// SharedSecret is an id and a secret such as that of a BearerKey.
	SharedSecret
	// Signer is an id and a key that its holder signs with. If the holder brings no key,
	// an RSA key of 2048 bits is made. Its private half is returned once, as PEM in the
	// form of PKCS #1, and is not stored.
	Signer
)

// signerBits is the size of the RSA keys of signers.
const signerBits = 2048

// NewAPIKey asks for an API key or a credential of a dialect.
type NewAPIKey struct {
	Name string
	// Role is RoleAdmin where it is empty. A caller cannot make a key with a right that
	// the caller does not have.
	Role record.Role
	// ExpiresAt is when the key stops working; zero is never.
	ExpiresAt time.Time
	// Dialect is the one API that the credential is for. It works nowhere else. A
	// BearerKey has none.
	Dialect string
	Kind    CredentialKind
	// ID is the id of a SharedSecret or a Signer; empty is a random GUID. No two Signers
	// of a dialect have the same id.
	ID string
	// Certificate is a TLS client certificate (DER) that can be used instead of the
	// secret of a SharedSecret; nil is none. Its signature is not checked: only this
	// certificate counts.
	Certificate []byte
	// PublicKey is that of a Signer who has a key already (SubjectPublicKeyInfo): RSA of
	// 2048 to 8192 bits, or EC on P-256. If it is nil, a key is made.
	PublicKey []byte
}

// checkNewAPIKey checks a request for an API key and fills in the defaults. It refuses a
// key with more rights than the caller has.
func (s *Service) checkNewAPIKey(c Caller, n *NewAPIKey) error {
	if err := checkName("name of the API key", n.Name); err != nil {
		return err
	}
	if n.Role == "" {
		n.Role = record.RoleAdmin
	}
	role, ok := record.ParseRole(string(n.Role))
	switch {
	case !ok:
		return Errorf(BadInput,
			"there is no role %q; the roles are view, edit, admin and system, or some of the rights view, add, edit, remove, manage and system with + between",
			text.Clip(string(n.Role)))
	case !c.May(role.Rights()):
		return Errorf(Forbidden, "role %q may not make keys of role %q; ask for a role with no more than your own rights",
			c.Role, role)
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(s.now()):
		return Errorf(BadInput, "the key would be expired already; give a time in the future")
	}
	n.Role = role
	return n.checkKind()
}

// checkKind checks what depends on the kind, and sets the id of credentials that need
// one.
func (n *NewAPIKey) checkKind() error {
	switch {
	case n.Kind != BearerKey && n.Kind != SharedSecret && n.Kind != Signer:
		return Errorf(BadInput, "the kind of credential is unknown")
	case n.PublicKey != nil && n.Kind != Signer:
		return Errorf(BadInput, "only a credential that signs has a public key; leave it out")
	case n.Kind == BearerKey && (n.ID != "" || n.Certificate != nil || n.Dialect != ""):
		return Errorf(BadInput, "an API key has no id, no certificate and no dialect; leave them out")
	case n.Kind == BearerKey:
		return nil
	case n.Dialect == "":
		return Errorf(BadInput, "a credential with an id is for one dialect; name it")
	case n.Kind == Signer && n.Certificate != nil:
		return Errorf(BadInput, "a credential that signs has no certificate; leave it out")
	}
	if n.Certificate != nil {
		if _, err := x509.ParseCertificate(n.Certificate); err != nil {
			return Errorf(BadInput, "the certificate is not an X.509 certificate; give one as PEM")
		}
	}
	if n.PublicKey != nil && !signs(n.PublicKey) {
		return Errorf(BadInput,
			"the public key is neither RSA of 2048 to 8192 bits nor EC on P-256; give one of these as PEM")
	}
	if n.ID == "" {
		n.ID = uuid.NewString()
	}
	return checkName("id of the credential", n.ID)
}

// signs reports whether a signer may have the public key.
func signs(spki []byte) bool {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return false
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && k.N.BitLen() <= 8192
	case *ecdsa.PublicKey:
		return k.Curve == elliptic.P256()
	}
	return false
}

// newAPIKey makes the record of a key and its secret.
func (s *Service) newAPIKey(
	ctx context.Context, c Caller, tenant record.TenantID, n NewAPIKey,
) (*record.APIKey, secret.Bytes, error) {
	k := &record.APIKey{
		Name: n.Name, Tenant: tenant, Role: n.Role, CreatedAt: s.now(), ExpiresAt: n.ExpiresAt.UTC(),
		Dialect: n.Dialect, ID: n.ID,
	}
	if n.Certificate != nil {
		k.CertificateHash = s.hashCertificate(n.Dialect, n.Certificate)
	}
	if n.Kind == Signer {
		if k.Hash = s.hashSigner(n.Dialect, n.ID); n.PublicKey != nil {
			k.PublicKey = n.PublicKey
			return k, nil, nil
		}
		public, private, err := s.newSigner(ctx, c)
		k.PublicKey = public
		return k, private, err
	}
	key := newSecret()
	if k.Hash = s.store.HashAPIKey(key); n.Kind == SharedSecret {
		k.Hash = s.hashSecret(n.Dialect, n.ID, key)
	}
	return k, key, nil
}

func newSecret() secret.Bytes {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it stops the process instead
	defer clear(random[:])
	key := make(secret.Bytes, 0, len(APIKeyPrefix)+base64.RawURLEncoding.EncodedLen(len(random)))
	key = append(key, APIKeyPrefix...)
	return secret.Bytes(base64.RawURLEncoding.AppendEncode(key, random[:]))
}

func (s *Service) newSigner(ctx context.Context, c Caller) (public []byte, private secret.Bytes, err error) {
	key, err := s.newRSA(ctx, c, signerBits)
	if err != nil {
		return nil, nil, fmt.Errorf("making the key of the credential: %w", err)
	}
	if public, err = x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil {
		return nil, nil, Errorf(Internal, "encoding the key of the credential: %w", err)
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	defer clear(der)
	return public, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}), nil
}

// Credentials are found by a keyed hash of their parts. No two kinds can have the same
// input: an API key begins with its prefix, the others with their kind, and each part
// follows its length.

func (s *Service) hashSecret(dialect, id string, key secret.Bytes) []byte {
	return s.hashParts("secret", dialect, id, string(key))
}

func (s *Service) hashSigner(dialect, id string) []byte {
	return s.hashParts("signer", dialect, id)
}

func (s *Service) hashCertificate(dialect string, der []byte) []byte {
	sum := sha256.Sum256(der)
	return s.hashParts("certificate", dialect, string(sum[:]))
}

func (s *Service) hashParts(kind string, parts ...string) []byte {
	text := secret.Bytes(kind)
	for _, p := range parts {
		text = append(text, byte(len(p)>>8), byte(len(p)))
		text = append(text, p...)
	}
	defer text.Wipe()
	return s.store.HashAPIKey(text)
}

// plausibleSecret reports whether text has the form of an API key or a shared secret.
func plausibleSecret(key secret.Bytes) bool {
	return len(key) <= maxSecret && strings.HasPrefix(string(key[:min(len(key), len(APIKeyPrefix))]), APIKeyPrefix)
}

// maxSecret is the length in bytes up to which text is looked up as a key or a secret.
const maxSecret = 256
