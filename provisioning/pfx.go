package provisioning

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

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

// readPFX decodes a PFX (RFC 7292). Every error is of kind BadInput.
func readPFX(data []byte, password secret.Bytes) (bundle, error) {
	if len(password) == 0 {
		return bundle{}, Errorf(BadInput, "the PFX password is empty; export the PFX with a password and send it along")
	}
	scan, err := scanPFX(data)
	if err != nil {
		return bundle{}, err
	}
	key, first, rest, err := decodePFX(data, string(password))
	if err != nil {
		return bundle{}, err
	}
	b := bundle{name: scan.keyName, what: "PFX"}
	if b.key, err = supportedKey(key); err != nil {
		return bundle{}, err
	}
	if err := b.arrange(append([]*x509.Certificate{first}, rest...)); err != nil {
		return bundle{}, err
	}
	return b, nil
}

// decodePFX runs the library. A panic inside it is a damaged PFX like any other:
// nobody's daemon ends because of one file.
func decodePFX(data []byte, password string) (key any, first *x509.Certificate, rest []*x509.Certificate, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Errorf(BadInput, "the PFX is damaged; export it again")
		}
	}()
	key, first, rest, err = pkcs12.DecodeChain(data, password)
	return key, first, rest, explainPFX(err)
}

// pfxReasons explains what the library says. It has few typed errors, so the
// table goes by its words; the tests have a file for each row.
var pfxReasons = []struct{ words, reason string }{
	{"decryption password incorrect", "the PFX password is wrong, or the PFX is damaged; check the password"},
	{"no MAC in data", "the PFX has no integrity check (MAC), so its password cannot be checked; export it again with one"},
	{"expected exactly one key bag", "the PFX has several private keys; export each key with its certificate into a PFX of its own"},
	{"private key missing", "the PFX has no private key; export the key together with its certificate"},
	{"certificate missing", "the PFX has no certificate; export the certificate together with its key"},
	{"expected exactly one certificate", "the PFX has a certificate entry that does not hold one certificate; export it again"},
	{"unsupported elliptic curve", "the PFX has a key on an elliptic curve that is not supported; use P-256, P-384 or P-521"},
	{"decryption error", "the PFX password is wrong, or the contents are encrypted under another one than the integrity check; export it again with one password"},
	{"x509: ", "the PFX has a certificate or key that cannot be read"},
}

func explainPFX(err error) error {
	if err == nil {
		return nil
	}
	var missing pkcs12.NotImplementedError
	if errors.As(err, &missing) {
		return Errorf(BadInput, "the PFX is built in a way that is not supported (%s); convert it with `openssl pkcs12` and import the result", strings.TrimPrefix(string(missing), "pkcs12: "))
	}
	for _, r := range pfxReasons {
		if strings.Contains(err.Error(), r.words) {
			return &Error{Kind: BadInput, Detail: r.reason, Err: err}
		}
	}
	return &Error{Kind: BadInput, Detail: "the file is not a PFX, or it is damaged; export it again", Err: err}
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
		return Errorf(BadInput, "the %s file has %d certificates; at most %d are imported at once", b.what, len(certs), maxChain)
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
