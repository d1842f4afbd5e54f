package provisioning

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"vtoken/provisioning/pfx"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// MaxCertificates is the maximal size in bytes of the certificates that are stored at
// once.
const MaxCertificates = 256 << 10

// StoreCertificate stores the certificate that was issued for a key: one in DER, or PEM
// followed by its chain. With the id of a key that waits for its certificate, the key
// moves to the token, with its public key, its certificate and the chain, all or nothing.
// It is KeyNotFound if none of the token's holders asked for the key, a Conflict if the
// key is on a token already, and BadInput if the certificate is for another key or the
// key is too large for the token. If others hold the token too, it takes the right for
// OpTokenPlaceKey. Without an id, the certificate must be for a key on the token.
func (s *Service) StoreCertificate(
	ctx context.Context, c Caller, ref TokenRef, id record.KeyID, data []byte,
) (Import, error) {
	var result Import
	check := func(tx ReadTx) (*record.Token, *record.PendingKey, error) {
		t, err := s.token(tx, c, OpTokenCertificate, ref)
		if err != nil || id == "" {
			return t, nil, err
		}
		k, err := s.waitingKey(tx, c, t, id)
		return t, k, err
	}
	// Check the caller and the token first: a caller who may not do this learns nothing
	// about the certificate.
	err := s.view(ctx, func(tx ReadTx) error {
		_, k, err := check(tx)
		if k != nil {
			k.PKCS8.Wipe()
		}
		return err
	})
	if err != nil {
		return result, err
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return result, err
	}
	err = s.update(ctx, func(tx Tx) (err error) {
		secret.OnOwnStack(func() { // it may read a private key
			var t *record.Token
			var k *record.PendingKey
			if t, k, err = check(tx); err == nil {
				result, err = s.placeCertificate(tx, t, k, certs)
			}
		})
		return err
	})
	return result, err
}

// placeCertificate stores the certificate of a pending key, which moves to the token. If
// k is nil, the certificate is for a key on the token.
func (s *Service) placeCertificate(tx Tx, t *record.Token, k *record.PendingKey, certs []*x509.Certificate) (Import, error) {
	if k == nil {
		return s.addCertificate(tx, t, certs)
	}
	defer k.PKCS8.Wipe()
	result, err := s.bind(tx, t, k, certs)
	if err != nil {
		return Import{}, err
	}
	done := *k
	done.PKCS8, done.Token = nil, t.ID
	return result, tx.PutPendingKey(&done)
}

// waitingKey returns a pending key of one of the token's holders that is on no token yet and
// that the caller may put on this one.
func (s *Service) waitingKey(tx ReadTx, c Caller, t *record.Token, id record.KeyID) (*record.PendingKey, error) {
	k, err := s.pendingKey(tx, t.Tenant, id)
	switch {
	case err != nil:
		return nil, err
	case t.Assignment(k.User) == nil:
		k.PKCS8.Wipe()
		return nil, noPendingKey(id)
	case k.Token != "":
		return nil, Errorf(Conflict, "key %s has its certificate already and is on a token; make a new request", id)
	}
	if len(t.Holders) > 1 {
		if err := c.mayDo(OpTokenPlaceKey); err != nil {
			k.PKCS8.Wipe()
			return nil, err
		}
	}
	return k, nil
}

// bind puts the key and its certificates on the token.
func (s *Service) bind(tx Tx, t *record.Token, k *record.PendingKey, certs []*x509.Certificate) (Import, error) {
	key, err := x509.ParsePKCS8PrivateKey(k.PKCS8)
	if err != nil {
		return Import{}, fmt.Errorf("reading pending key %s: %w", k.ID, err)
	}
	b := pfx.Bundle{Source: pfx.FromCertificate}
	if b.Key, err = pfx.SupportedKey(key); err != nil {
		return Import{}, badFile(err)
	}
	if !issuedFor(certs, b.Key.Public()) {
		return Import{}, Errorf(BadInput, "the certificate is not for key %s; store the one that was issued for its request",
			k.ID)
	}
	if err := b.Arrange(certs); err != nil {
		return Import{}, badFile(err)
	}
	pair, err := b.Pair()
	if err != nil {
		return Import{}, badFile(err)
	}
	return storeBundle(tx, t, &b, pair, s.now())
}

func issuedFor(certs []*x509.Certificate, key crypto.PublicKey) bool {
	public, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && slices.ContainsFunc(certs, func(cert *x509.Certificate) bool { return public.Equal(cert.PublicKey) })
}

// addCertificate stores the certificate of a key that the token has.
func (s *Service) addCertificate(tx Tx, t *record.Token, certs []*x509.Certificate) (Import, error) {
	present, err := tx.Objects(t.ID)
	if err != nil {
		return Import{}, err
	}
	b := pfx.Bundle{Source: pfx.FromCertificate, Leaf: certs[0], Chain: certs[1:]}
	key := keyOf(present, b.Leaf)
	if key == nil {
		return Import{}, Errorf(BadInput,
			"token %s has no key for this certificate; the first one must be for a key on the token", t.ID)
	}
	for _, o := range object.WithKeyID(present, ck.CKO_CERTIFICATE, key.KeyID()) {
		if bytes.Equal(o.Attrs.Get(ck.CKA_VALUE), b.Leaf.Raw) {
			return Import{}, Errorf(Conflict, "token %s has this certificate already", t.ID)
		}
	}
	leaf, err := b.LeafFor(key)
	if err != nil {
		return Import{}, badFile(err)
	}
	return putBundle(tx, t, &b, present, []*object.Object{leaf}, s.now())
}

// keyOf returns the private key among a token's objects that a certificate is for, or
// nil. It compares the public key beside it, and its CKA_ID where that was made of the
// public key.
func keyOf(all []*object.Object, cert *x509.Certificate) *object.Object {
	for _, o := range all {
		if o.Class() != ck.CKO_PRIVATE_KEY {
			continue
		}
		if bytes.Equal(o.KeyID(), pfx.KeyID(cert)) || sameKey(o, cert) {
			return o
		}
		for _, public := range object.WithKeyID(all, ck.CKO_PUBLIC_KEY, o.KeyID()) {
			if len(o.KeyID()) > 0 && sameKey(public, cert) {
				return o
			}
		}
	}
	return nil
}

// sameKey reports whether an object has the public key of a certificate, which is of RSA
// or EC.
func sameKey(o *object.Object, cert *x509.Certificate) bool {
	switch cert.PublicKey.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
	default:
		return false
	}
	template, err := object.PublicTemplate(cert.PublicKey)
	if err != nil {
		return false
	}
	for _, a := range template {
		if a.Type != ck.CKA_CLASS && !bytes.Equal(o.Attrs.Get(a.Type), a.Value) {
			return false
		}
	}
	return true
}

// parseCertificates reads one certificate or several in DER, or PEM.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) > MaxCertificates {
		return nil, Errorf(TooLarge, "the certificate has %d bytes; at most %d are read", len(data), MaxCertificates)
	}
	der := []byte{}
	for rest, block := data, (*pem.Block)(nil); ; {
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			der = append(der, block.Bytes...)
		}
	}
	if len(der) == 0 {
		der = data
	}
	if n := countElements(der); n > pfx.MaxCertificates {
		return nil, badFile(pfx.TooManyCertificates(pfx.FromCertificate, n))
	}
	certs, err := x509.ParseCertificates(der)
	if err != nil || len(certs) == 0 {
		return nil, Errorf(BadInput,
			"the file is not an X.509 certificate in DER or PEM; send the certificate that the CA issued")
	}
	return certs, nil
}

// countElements counts the elements of concatenated DER without reading them, up to one
// more than a chain may have.
func countElements(der []byte) (n int) {
	for in := cryptobyte.String(der); n <= pfx.MaxCertificates && !in.Empty(); n++ {
		var element cryptobyte.String
		if !in.ReadAnyASN1Element(&element, new(cbasn1.Tag)) {
			break
		}
	}
	return n
}
