package provisioning

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"vtoken/vtoken/ck"
)

// Categories of certificates (CK_CERTIFICATE_CATEGORY, section 4.6.2).
const (
	categoryUser      uint64 = 1
	categoryAuthority uint64 = 2
	categoryOther     uint64 = 3
)

// keyTemplates are the templates of a key pair: what an application would give
// to C_CreateObject. What the key may be used for is left to the object rules,
// and is not narrowed by the certificate's key usage: that binds those who rely
// on the certificate, and hosts check it, while a card that refuses what its
// owner needs cannot be mended.
func keyTemplates(key crypto.Signer, cert *x509.Certificate, id []byte, label string) (private, public ck.Template, err error) {
	common := ck.Template{
		ck.Bool(ck.CKA_TOKEN, true),
		ck.String(ck.CKA_LABEL, label),
		ck.Bytes(ck.CKA_ID, id),
		ck.Bytes(ck.CKA_SUBJECT, cert.RawSubject),
	}
	private = append(common[:len(common):len(common)],
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY),
		ck.Bool(ck.CKA_PRIVATE, true), ck.Bool(ck.CKA_SENSITIVE, true), ck.Bool(ck.CKA_EXTRACTABLE, false))
	public = append(common[:len(common):len(common)],
		ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY),
		ck.Bool(ck.CKA_PRIVATE, false))
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return append(private, rsaPrivate(k)...), append(public, rsaPublic(&k.PublicKey)...), nil
	case *ecdsa.PrivateKey:
		priv, pub, err := ecPair(k)
		return append(private, priv...), append(public, pub...), err
	}
	return nil, nil, fmt.Errorf("making templates of a %T", key)
}

func rsaPublic(k *rsa.PublicKey) ck.Template {
	return ck.Template{
		ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
		ck.Bytes(ck.CKA_MODULUS, k.N.Bytes()),
		ck.Bytes(ck.CKA_PUBLIC_EXPONENT, big.NewInt(int64(k.E)).Bytes()),
	}
}

func rsaPrivate(k *rsa.PrivateKey) ck.Template {
	k.Precompute()
	return append(rsaPublic(&k.PublicKey),
		ck.Bytes(ck.CKA_PRIVATE_EXPONENT, k.D.Bytes()),
		ck.Bytes(ck.CKA_PRIME_1, k.Primes[0].Bytes()),
		ck.Bytes(ck.CKA_PRIME_2, k.Primes[1].Bytes()),
		ck.Bytes(ck.CKA_EXPONENT_1, k.Precomputed.Dp.Bytes()),
		ck.Bytes(ck.CKA_EXPONENT_2, k.Precomputed.Dq.Bytes()),
		ck.Bytes(ck.CKA_COEFFICIENT, k.Precomputed.Qinv.Bytes()))
}

// publicTemplate is the public key of a certificate as attributes, none where it is
// of a kind that no token has.
func publicTemplate(cert *x509.Certificate) ck.Template {
	switch k := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return rsaPublic(k)
	case *ecdsa.PublicKey:
		return ecPublic(k)
	}
	return nil
}

// ecPublic is an EC public key as attributes, none where it is not on its curve.
func ecPublic(k *ecdsa.PublicKey) ck.Template {
	oid, _ := curveOID(k.Curve)
	params, err := asn1.Marshal(oid)
	point, err2 := k.Bytes()
	if err != nil || err2 != nil {
		return nil
	}
	point, err = asn1.Marshal(point)
	if err != nil {
		return nil
	}
	return ck.Template{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC), ck.Bytes(ck.CKA_EC_PARAMS, params), ck.Bytes(ck.CKA_EC_POINT, point)}
}

func ecPair(k *ecdsa.PrivateKey) (private, public ck.Template, err error) {
	oid, _ := curveOID(k.Curve)
	params, err := asn1.Marshal(oid)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding curve %v: %w", oid, err)
	}
	point, err := k.PublicKey.Bytes()
	if err != nil {
		return nil, nil, Errorf(BadInput, "the PFX has an EC key whose public point is not on its curve")
	}
	if point, err = asn1.Marshal(point); err != nil {
		return nil, nil, fmt.Errorf("encoding the public point: %w", err)
	}
	value, err := k.Bytes()
	if err != nil {
		return nil, nil, Errorf(BadInput, "the PFX has an EC key that is out of range for its curve")
	}
	common := ck.Template{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC), ck.Bytes(ck.CKA_EC_PARAMS, params)}
	return append(common[:2:2], ck.Bytes(ck.CKA_VALUE, value)), append(common[:2:2], ck.Bytes(ck.CKA_EC_POINT, point)), nil
}

// curveOID is the named curve of a key, of those that tokens hold.
func curveOID(c elliptic.Curve) (oid asn1.ObjectIdentifier, ok bool) {
	switch c {
	case elliptic.P256():
		return asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, true
	case elliptic.P384():
		return asn1.ObjectIdentifier{1, 3, 132, 0, 34}, true
	case elliptic.P521():
		return asn1.ObjectIdentifier{1, 3, 132, 0, 35}, true
	}
	return nil, false
}

// certTemplate is the template of a certificate. Java and others find issuers by
// subject, issuer and serial number, so all three are always there (C82).
func certTemplate(cert *x509.Certificate, category uint64, id []byte, label string) (ck.Template, error) {
	serial, err := asn1.Marshal(cert.SerialNumber)
	if err != nil {
		return nil, fmt.Errorf("encoding the serial number of a certificate: %w", err)
	}
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE),
		ck.Ulong(ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509),
		ck.Ulong(ck.CKA_CERTIFICATE_CATEGORY, category),
		ck.Bool(ck.CKA_TOKEN, true),
		ck.Bool(ck.CKA_PRIVATE, false),
		ck.String(ck.CKA_LABEL, label),
		ck.Bytes(ck.CKA_ID, id),
		ck.Bytes(ck.CKA_SUBJECT, cert.RawSubject),
		ck.Bytes(ck.CKA_ISSUER, cert.RawIssuer),
		ck.Bytes(ck.CKA_SERIAL_NUMBER, serial),
		ck.Bytes(ck.CKA_VALUE, cert.Raw),
	}, nil
}

// keyID is CKA_ID of a key and its certificate: the SHA-1 hash of the subject
// public key (RFC 5280, section 4.2.1.2, method 1), 20 bytes (C90). It is a
// name and not a security measure.
func keyID(cert *x509.Certificate) []byte {
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
		if name = cleanLabel(name); name != "" {
			return name
		}
	}
	return serialText(cert)
}

// cleanLabel makes a text of 0 to 255 bytes without control characters or blanks
// at the ends.
func cleanLabel(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > maxName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.TrimSpace(s)
}

// serialText is a certificate's serial number in upper-case hexadecimal.
func serialText(cert *x509.Certificate) string {
	if cert.SerialNumber.Sign() < 0 {
		return "-" + fmt.Sprintf("%X", new(big.Int).Neg(cert.SerialNumber).Bytes())
	}
	if cert.SerialNumber.Sign() == 0 {
		return "00"
	}
	return fmt.Sprintf("%X", cert.SerialNumber.Bytes())
}
