package provisioning

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"vtoken/provisioning/dn"
	"vtoken/provisioning/text"
)

// The extensions of a request (RFC 5280, section 4.2.1) and the name of
// Microsoft's that is in one of them.
var (
	oidKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAltName     = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidUPN         = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}
)

// maxAltNames bounds alternative names and extended key usages alike.
const maxAltNames = 32

// template checks the request and converts it into the form that is signed.
func (n *NewCSR) template() (*x509.CertificateRequest, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	subject, err := dn.Parse(n.Subject)
	if err != nil {
		return nil, &Error{Kind: BadInput, Detail: err.Error(), Err: err}
	}
	t := &x509.CertificateRequest{RawSubject: subject, SignatureAlgorithm: n.Signature}
	for _, make := range []func() (asn1.ObjectIdentifier, any, error){n.usage, n.extended, n.altNames} {
		oid, value, err := make()
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		der, err := asn1.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encoding extension %v of a certificate request: %w", oid, err)
		}
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: oid, Critical: oid.Equal(oidKeyUsage), Value: der})
	}
	return t, nil
}

// signatures are the signature algorithms for each kind of key, the default first.
var signatures = map[string][]x509.SignatureAlgorithm{
	"RSA": {x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA1WithRSA},
	"EC":  {x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512},
}

func (n *NewCSR) check() error {
	algorithm, bits := n.kind()
	switch {
	case n.Curve != "" && algorithm != "EC":
		return Errorf(NotSupported, "keys on curve %q are not made; use P-256 or P-384", text.Clip(n.Curve))
	case algorithm == "RSA" && !slices.Contains([]int{2048, 3072, 4096}, bits):
		return Errorf(BadInput, "an RSA key has 2048, 3072 or 4096 bits")
	case n.Signature == 0 && bits == 384:
		n.Signature = x509.ECDSAWithSHA384
	case n.Signature == 0:
		n.Signature = signatures[algorithm][0]
	case !slices.Contains(signatures[algorithm], n.Signature):
		return Errorf(NotSupported, "requests for %s keys are not signed with %v", algorithm, n.Signature)
	}
	return nil
}

// usage returns the key usage extension. The bits of [x509.KeyUsage] are numbered as in
// the standard, where bit 0 is the most significant one of the first byte.
func (n *NewCSR) usage() (asn1.ObjectIdentifier, any, error) {
	if n.KeyUsage == 0 {
		return oidKeyUsage, nil, nil
	}
	const all = x509.KeyUsageDecipherOnly<<1 - 1
	if n.KeyUsage&^all != 0 || n.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return nil, nil, Errorf(BadInput,
			"the key usage is not one for users' keys, which do not sign certificates or revocation lists")
	}
	bits := asn1.BitString{Bytes: make([]byte, 2)}
	for i := range 9 {
		if n.KeyUsage>>i&1 != 0 {
			bits.Bytes[i/8] |= 0x80 >> (i % 8)
			bits.BitLength = i + 1
		}
	}
	bits.Bytes = bits.Bytes[:(bits.BitLength+7)/8]
	return oidKeyUsage, bits, nil
}

func (n *NewCSR) extended() (asn1.ObjectIdentifier, any, error) {
	switch {
	case len(n.ExtKeyUsage) == 0:
		return oidExtKeyUsage, nil, nil
	case len(n.ExtKeyUsage) > maxAltNames:
		return nil, nil, Errorf(BadInput, "%d extended key usages are too many; give at most %d",
			len(n.ExtKeyUsage), maxAltNames)
	}
	return oidExtKeyUsage, n.ExtKeyUsage, nil
}

// altNames returns the alternative names: rfc822Name [1] and otherName [0].
func (n *NewCSR) altNames() (asn1.ObjectIdentifier, any, error) {
	if len(n.Emails)+len(n.UPNs) == 0 {
		return oidAltName, nil, nil
	}
	if len(n.Emails)+len(n.UPNs) > maxAltNames {
		return nil, nil, Errorf(BadInput, "%d alternative names are too many; give at most %d",
			len(n.Emails)+len(n.UPNs), maxAltNames)
	}
	var names []asn1.RawValue
	for _, address := range n.Emails {
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address || len(address) > text.MaxName || !dn.IsIA5String(address) {
			return nil, nil, Errorf(BadInput,
				"%q is not an e-mail address in ASCII; give one such as john.smith@example.com", text.Clip(address))
		}
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, Bytes: []byte(address)})
	}
	for _, upn := range n.UPNs {
		if upn == "" || len(upn) > text.MaxName || !utf8.ValidString(upn) || strings.ContainsFunc(upn, unicode.IsControl) {
			return nil, nil, Errorf(BadInput, "%q is not a user principal name of 1 to %d bytes",
				text.Clip(upn), text.MaxName)
		}
		name, err := principalName(upn)
		if err != nil {
			return nil, nil, fmt.Errorf("encoding a user principal name: %w", err)
		}
		names = append(names, name)
	}
	return oidAltName, names, nil
}

// principalName returns an otherName of type UPN: its value is an explicit [0] of a
// UTF8String.
func principalName(upn string) (asn1.RawValue, error) {
	text, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(upn)})
	if err != nil {
		return asn1.RawValue{}, err
	}
	der, err := asn1.MarshalWithParams(struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}{oidUPN, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text}}, "tag:0")
	return asn1.RawValue{FullBytes: der}, err
}
