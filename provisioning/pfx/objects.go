package pfx

import (
	"bytes"
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"

	"vtoken/provisioning/text"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// Pair makes the objects of the private key, its public key and its certificate, in that
// order.
func (b *Bundle) Pair() ([]*object.Object, error) {
	id, label := KeyID(b.Leaf), labelOf(b.Name, b.Leaf)
	private, public, err := keyTemplates(b.Key, b.Leaf, id, label)
	if err != nil {
		return nil, err
	}
	list := make([]*object.Object, 0, 3)
	for _, t := range []ck.Template{private, public, certificateTemplate(b.Leaf, object.CategoryUser, id, label)} {
		o, err := build(t)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// LeafFor makes the object of the certificate for a key that is an object already: with
// its CKA_ID, and its label where it has one.
func (b *Bundle) LeafFor(key *object.Object) (*object.Object, error) {
	return build(certificateTemplate(b.Leaf, object.CategoryUser, key.KeyID(), labelOf(key.Label(), b.Leaf)))
}

// ChainBeside makes the objects of the chain's certificates that are not among those of
// a token yet.
func (b *Bundle) ChainBeside(present []*object.Object) ([]*object.Object, error) {
	var made []*object.Object
	for _, cert := range b.Chain {
		if slices.ContainsFunc(present, func(o *object.Object) bool {
			return o.Class() == ck.CKO_CERTIFICATE && bytes.Equal(o.Attrs.Get(ck.CKA_VALUE), cert.Raw)
		}) {
			continue
		}
		id := KeyID(cert)
		if len(object.WithKeyID(present, ck.CKO_CERTIFICATE, id)) > 0 {
			// Another certificate of the same key. Java's key store fails on two
			// certificates with one CKA_ID.
			sum := sha1.Sum(cert.Raw)
			id = sum[:]
		}
		category := object.CategoryOther
		if cert.IsCA {
			category = object.CategoryAuthority
		}
		o, err := build(certificateTemplate(cert, category, id, labelOf("", cert)))
		if err != nil {
			return nil, err
		}
		made, present = append(made, o), append(present, o)
	}
	return made, nil
}

// build makes an object. The sender is told word for word what the rules of objects
// refuse: the words name the attribute and the rule, and no value.
func build(t ck.Template) (*object.Object, error) {
	o, err := object.Build(object.Source{Origin: object.Create, MinRSABits: object.MinRSABits}, t)
	if err != nil {
		return nil, &Error{Detail: "the object is invalid: " + err.Error(), Err: err}
	}
	return o, nil
}

// keyTemplates are the templates of a key pair: what an application would give to
// C_CreateObject. The rules of objects decide what the key may be used for. The
// certificate's key usage does not narrow that: it binds those who rely on the
// certificate, and hosts check it, while a card that refuses what its owner needs cannot
// be repaired.
func keyTemplates(
	key crypto.Signer, cert *x509.Certificate, id []byte, label string,
) (private, public ck.Template, err error) {
	if private, err = object.PrivateTemplate(key); err != nil {
		return nil, nil, fmt.Errorf("making the template of a private key: %w", err)
	}
	if public, err = object.PublicTemplate(key.Public()); err != nil {
		return nil, nil, fmt.Errorf("making the template of a public key: %w", err)
	}
	shared := ck.Template{
		ck.Bool(ck.CKA_TOKEN, true),
		ck.String(ck.CKA_LABEL, label),
		ck.Bytes(ck.CKA_ID, id),
		ck.Bytes(ck.CKA_SUBJECT, cert.RawSubject),
	}
	private = append(append(private, shared...),
		ck.Bool(ck.CKA_PRIVATE, true), ck.Bool(ck.CKA_SENSITIVE, true), ck.Bool(ck.CKA_EXTRACTABLE, false))
	public = append(append(public, shared...), ck.Bool(ck.CKA_PRIVATE, false))
	return private, public, nil
}

// certificateTemplate is the template of a certificate. Package object adds the subject,
// the issuer and the serial number, by which Java and others find issuers.
func certificateTemplate(cert *x509.Certificate, category uint64, id []byte, label string) ck.Template {
	return append(object.CertificateTemplate(cert.Raw),
		ck.Ulong(ck.CKA_CERTIFICATE_CATEGORY, category),
		ck.Bool(ck.CKA_TOKEN, true),
		ck.Bool(ck.CKA_PRIVATE, false),
		ck.String(ck.CKA_LABEL, label),
		ck.Bytes(ck.CKA_ID, id))
}

// KeyID returns the CKA_ID of a certificate and its key: the SHA-1 hash of the subject
// public key (RFC 5280, section 4.2.1.2, method 1), 20 bytes. It is a name and not a
// security measure.
func KeyID(cert *x509.Certificate) []byte {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	sum := sha1.Sum(cert.RawSubjectPublicKeyInfo)
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &info); err == nil {
		sum = sha1.Sum(info.Key.RightAlign())
	}
	return sum[:]
}

// labelOf is the first of the names that makes a label: the friendly name, the
// certificate's common name, its whole subject, its serial number.
func labelOf(friendly string, cert *x509.Certificate) string {
	for _, name := range []string{friendly, cert.Subject.CommonName, cert.Subject.String()} {
		if name = text.Label(name); name != "" {
			return name
		}
	}
	return Serial(cert)
}

// Serial returns a certificate's serial number in upper-case hexadecimal, two digits a
// byte.
func Serial(cert *x509.Certificate) string {
	if cert.SerialNumber.Sign() < 0 {
		return "-" + fmt.Sprintf("%X", new(big.Int).Neg(cert.SerialNumber).Bytes())
	}
	if cert.SerialNumber.Sign() == 0 {
		return "00"
	}
	return fmt.Sprintf("%X", cert.SerialNumber.Bytes())
}
