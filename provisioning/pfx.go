package provisioning

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"vtoken/provisioning/pfxfile"
	"vtoken/provisioning/work"
	"vtoken/vtoken/secret"
)

// bundle is what a PFX holds: one key, the certificate for it, and others.
type bundle struct {
	key   crypto.Signer // *rsa.PrivateKey or *ecdsa.PrivateKey
	leaf  *x509.Certificate
	chain []*x509.Certificate // the issuers in order, then any others
	name  string              // the key's friendly name, or empty
	what  string              // what it was read from, for messages: "PFX" or "certificate"
}

// maxChain bounds the certificates of one PFX.
const maxChain = 32

// maxPFXWork is what reading a PFX may cost: so many rounds of key derivation, in all.
// Exporters use 2,000 to 600,000 for each of two to four keys.
const maxPFXWork = 4_000_000

// readPFX decodes a PFX (RFC 7292). Every error is of kind BadInput, but where the
// request has ended.
func readPFX(ctx context.Context, data []byte, password secret.Bytes) (bundle, error) {
	if len(password) == 0 {
		return bundle{}, Errorf(BadInput, "the PFX password is empty; export the PFX with a password and send it along")
	}
	f, err := pfxfile.Read(data, password, work.New(ctx, maxPFXWork))
	if err != nil {
		return bundle{}, explainPFX(err)
	}
	defer f.Wipe()
	b := bundle{name: f.KeyName, what: "PFX"}
	switch {
	case f.Key == nil:
		return bundle{}, Errorf(BadInput, "the PFX has no private key; export the key together with its certificate")
	case len(f.Certificates) == 0:
		return bundle{}, Errorf(BadInput, "the PFX has no certificate; export the certificate together with its key")
	case len(f.Certificates) > maxChain:
		return bundle{}, tooManyCertificates(b.what, len(f.Certificates))
	}
	key, err := parseKey(f.Key)
	if err != nil {
		return bundle{}, err
	}
	if b.key, err = supportedKey(key); err != nil {
		return bundle{}, err
	}
	certs := make([]*x509.Certificate, len(f.Certificates))
	for i, der := range f.Certificates {
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return bundle{}, unreadable(err)
		}
	}
	return b, b.arrange(certs)
}

// explainPFX makes an error of a file what the caller is told.
func explainPFX(err error) error {
	var over *work.OverError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &over):
		return Errorf(BadInput, "the PFX asks for %d or more rounds of key derivation; export it again with at most %d in all", over.Wanted, over.Limit)
	}
	return &Error{Kind: BadInput, Detail: err.Error(), Err: err}
}

// parseKey reads a private key whose numbers are of a good size. A panic of the
// library is a damaged file like any other: nobody's daemon ends because of one.
func parseKey(der secret.Bytes) (key any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Errorf(BadInput, "the PFX is damaged; export it again")
		}
	}()
	key, err = x509.ParsePKCS8PrivateKey(der)
	switch {
	case err == nil:
		return key, nil
	case strings.Contains(err.Error(), "elliptic curve"): // the library has no type for it
		return nil, &Error{Kind: BadInput, Detail: "the PFX has a key on an elliptic curve that is not supported; use P-256, P-384 or P-521", Err: err}
	}
	return nil, unreadable(err)
}

func unreadable(err error) error {
	return &Error{Kind: BadInput, Detail: "the PFX has a certificate or key that cannot be read", Err: err}
}

func tooManyCertificates(what string, n int) error {
	return Errorf(BadInput, "the %s file has %d certificates; at most %d are imported at once", what, n, maxChain)
}

// supportedKey refuses keys that no token can hold.
func supportedKey(key any) (crypto.Signer, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < 2048 {
			return nil, Errorf(BadInput, "the PFX has an RSA key of %d bits, which is too weak; use 2048 or more", bits)
		}
		if len(k.Primes) != 2 {
			return nil, Errorf(BadInput, "the PFX has an RSA key with %d primes; PKCS#11 tokens hold keys with two", len(k.Primes))
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if _, ok := curveOID(k.Curve); !ok {
			return nil, Errorf(BadInput, "the PFX has a key on curve %s; use P-256, P-384 or P-521", k.Curve.Params().Name)
		}
		return k, nil
	}
	return nil, Errorf(BadInput, "the PFX has a key of type %s; use RSA, or EC on P-256, P-384 or P-521", keyKind(key))
}

// keyKind is the name of the package that a key's type is from, such as ED25519.
func keyKind(key any) string {
	pkg, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", key), "*"), ".")
	return strings.ToUpper(pkg)
}

// arrange sorts certificates into the one of the key and the others: first its
// issuers in order, then the rest as they came, each once.
func (b *bundle) arrange(certs []*x509.Certificate) error {
	if len(certs) > maxChain {
		return tooManyCertificates(b.what, len(certs))
	}
	public := b.key.Public().(interface{ Equal(crypto.PublicKey) bool })
	var others []*x509.Certificate
	for _, cert := range certs {
		switch {
		case b.leaf == nil && public.Equal(cert.PublicKey):
			b.leaf = cert
		case b.leaf != nil && cert.Equal(b.leaf), contains(others, cert):
		default:
			others = append(others, cert)
		}
	}
	if b.leaf == nil {
		return Errorf(BadInput, "the PFX has a private key but no certificate for it; export the key together with its certificate")
	}
	for at := b.leaf; at != nil; {
		issuer := -1
		for i, cert := range others {
			if issues(cert, at) {
				issuer = i
				break
			}
		}
		if issuer < 0 {
			break
		}
		at = others[issuer]
		b.chain = append(b.chain, at)
		others = append(others[:issuer:issuer], others[issuer+1:]...)
	}
	b.chain = append(b.chain, others...)
	return nil
}

func contains(list []*x509.Certificate, cert *x509.Certificate) bool {
	for _, c := range list {
		if c.Equal(cert) {
			return true
		}
	}
	return false
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
