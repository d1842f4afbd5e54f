package pfx

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vtoken/provisioning/pfxfile"
	"vtoken/provisioning/work"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// Bundle is one key, the certificate for it, and others.
type Bundle struct {
	Key   crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey
	Leaf  *x509.Certificate
	Chain []*x509.Certificate // the issuers in order, then any others
	// Name is the key's friendly name, or empty.
	Name string
	// Source is the kind of file that it was read from, for messages.
	Source Source
}

// Source is a kind of file, as messages call it.
type Source string

// The kinds of file that bundles come from.
const (
	FromPFX         Source = "PFX"
	FromCertificate Source = "certificate"
)

// MaxCertificates is how many certificates one file may have.
const MaxCertificates = 32

// maxRounds bounds the rounds of key derivation for one PFX, in all. Exporters use 2,000
// to 600,000 for each of two to four keys.
const maxRounds = 4_000_000

// Error says what is wrong with a file, in a sentence for its sender. It holds no secret.
type Error struct {
	Detail string
	Err    error // the cause, for logs; it may be nil
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Detail }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func errorf(format string, args ...any) error { return &Error{Detail: fmt.Sprintf(format, args...)} }

// Read decodes a PFX. What is wrong with the file is an [Error]; any other error is that
// of ctx.
func Read(ctx context.Context, data []byte, password secret.Bytes) (Bundle, error) {
	if len(password) == 0 {
		return Bundle{}, errorf("the PFX password is empty; export the PFX with a password and send it along")
	}
	f, err := pfxfile.Read(data, password, work.New(ctx, maxRounds))
	if err != nil {
		return Bundle{}, explain(err)
	}
	defer f.Wipe()
	b := Bundle{Name: f.KeyName, Source: FromPFX}
	switch {
	case f.Key == nil:
		return Bundle{}, errorf("the PFX has no private key; export the key together with its certificate")
	case len(f.Certificates) == 0:
		return Bundle{}, errorf("the PFX has no certificate; export the certificate together with its key")
	case len(f.Certificates) > MaxCertificates:
		return Bundle{}, TooManyCertificates(b.Source, len(f.Certificates))
	}
	key, err := parseKey(f.Key)
	if err != nil {
		return Bundle{}, err
	}
	if b.Key, err = SupportedKey(key); err != nil {
		return Bundle{}, err
	}
	certs := make([]*x509.Certificate, len(f.Certificates))
	for i, der := range f.Certificates {
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return Bundle{}, unreadable(err)
		}
	}
	return b, b.Arrange(certs)
}

// explain turns an error of package pfxfile into one for the sender. The end of the
// request stays what it is.
func explain(err error) error {
	var over *work.OverError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &over):
		return errorf("the PFX asks for %d or more rounds of key derivation; export it again with at most %d in all",
			over.Wanted, over.Limit)
	}
	return &Error{Detail: err.Error(), Err: err}
}

// parseKey reads a private key whose numbers have a sound size. A panic of the library is
// reported like any other damage: no file may end the daemon.
func parseKey(der secret.Bytes) (key any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errorf("the PFX is damaged; export it again")
		}
	}()
	key, err = x509.ParsePKCS8PrivateKey(der)
	switch {
	case err == nil:
		return key, nil
	case onUnknownCurve(der):
		return nil, &Error{Detail: "the PFX has a key on an elliptic curve that is not supported; use P-256, P-384 or P-521", Err: err}
	}
	return nil, unreadable(err)
}

func unreadable(err error) error {
	return &Error{Detail: "the PFX has a certificate or key that cannot be read", Err: err}
}

// TooManyCertificates is the error for a file with n certificates.
func TooManyCertificates(source Source, n int) error {
	return errorf("the %s file has %d certificates; at most %d are imported at once", source, n, MaxCertificates)
}

// curves are those of the EC keys that tokens hold.
var curves = []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}

// SupportedKey refuses keys that no token can hold.
func SupportedKey(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < object.MinRSAPrivateBits {
			return nil, errorf("the PFX has an RSA key of %d bits, which is too weak; use 2048 or more", bits)
		}
		if len(k.Primes) != 2 {
			return nil, errorf("the PFX has an RSA key with %d primes; PKCS#11 tokens hold keys with two", len(k.Primes))
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if !slices.Contains(curves, k.Curve) {
			return nil, errorf("the PFX has a key on curve %s; use P-256, P-384 or P-521", k.Curve.Params().Name)
		}
		return k, nil
	}
	return nil, errorf("the PFX has a key of type %s; use RSA, or EC on P-256, P-384 or P-521", keyKind(key))
}

// keyKind is the name of the package that a key's type is from, such as ED25519.
func keyKind(key any) string {
	pkg, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", key), "*"), ".")
	return strings.ToUpper(pkg)
}

// Arrange sorts certificates into the Leaf, which is that of the key, and the Chain: its
// issuers in order, then the rest in their order, each once.
func (b *Bundle) Arrange(certs []*x509.Certificate) error {
	if len(certs) > MaxCertificates {
		return TooManyCertificates(b.Source, len(certs))
	}
	public := b.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	var others []*x509.Certificate
	for _, cert := range certs {
		switch {
		case b.Leaf == nil && public.Equal(cert.PublicKey):
			b.Leaf = cert
		case b.Leaf != nil && cert.Equal(b.Leaf), slices.ContainsFunc(others, cert.Equal):
		default:
			others = append(others, cert)
		}
	}
	if b.Leaf == nil {
		return errorf("the PFX has a private key but no certificate for it; export the key together with its certificate")
	}
	for at := b.Leaf; at != nil; {
		issuer := slices.IndexFunc(others, func(cert *x509.Certificate) bool { return issues(cert, at) })
		if issuer < 0 {
			break
		}
		at = others[issuer]
		b.Chain = append(b.Chain, at)
		others = slices.Delete(others, issuer, issuer+1)
	}
	b.Chain = append(b.Chain, others...)
	return nil
}

// issues reports whether parent's name, and key id where there is one, are those
// that child names as its issuer.
func issues(parent, child *x509.Certificate) bool {
	if string(parent.RawSubject) != string(child.RawIssuer) {
		return false
	}
	return len(child.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 ||
		string(child.AuthorityKeyId) == string(parent.SubjectKeyId)
}
