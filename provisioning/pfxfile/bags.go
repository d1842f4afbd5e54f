package pfxfile

import (
	"bytes"
	"encoding/asn1"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"vtoken/vtoken/secret"
)

// The types of entries (RFC 7292, section 4.2), and what else is told apart.
var (
	oidKeyBag       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidContentsBag  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 6}
	oidX509         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
	oidMicrosoftCSP = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 17, 1}
	oidRSA          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// contents reads SafeContents, which are entries.
func (r *reader) contents(data []byte, depth int) error {
	if depth == maxNesting {
		return errNesting
	}
	in := cryptobyte.String(data)
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() {
		return errDamaged
	}
	for !list.Empty() {
		if r.bags++; r.bags > maxBags {
			return errBags
		}
		if err := r.budget.Fits(0); err != nil {
			return err
		}
		if err := r.bag(&list, depth); err != nil {
			return err
		}
	}
	return nil
}

// bag reads an entry.
func (r *reader) bag(in *cryptobyte.String, depth int) error {
	var seq, value, attributes cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !readOID(&seq, &kind) || !seq.ReadASN1(&value, explicit0) {
		return errDamaged
	}
	if !seq.Empty() && (!seq.ReadASN1(&attributes, cbasn1.SET) || !seq.Empty()) {
		return errDamaged
	}
	switch {
	case kind.Equal(oidContentsBag):
		return r.contents(value, depth+1)
	case kind.Equal(oidCertBag):
		return r.certificate(value)
	case !kind.Equal(oidKeyBag) && !kind.Equal(oidShroudedBag):
		return nil
	}
	if r.hasKey {
		return errKeys
	}
	r.hasKey = true
	name, err := friendlyName(attributes)
	if err != nil {
		return err
	}
	r.file.KeyName = name
	if kind.Equal(oidKeyBag) {
		r.file.Key, err = privateKey(bytes.Clone(value))
		return err
	}
	return r.shrouded(value)
}

// certificate reads a CertBag.
func (r *reader) certificate(value cryptobyte.String) error {
	var seq, wrapped cryptobyte.String
	var kind asn1.ObjectIdentifier
	var der []byte
	if !value.ReadASN1(&seq, cbasn1.SEQUENCE) || !value.Empty() || !readOID(&seq, &kind) || !seq.ReadASN1(&wrapped, explicit0) || !seq.Empty() {
		return errDamaged
	}
	if !kind.Equal(oidX509) {
		return unsupported("certificate of type " + kind.String())
	}
	if !wrapped.ReadASN1Bytes(&der, cbasn1.OCTET_STRING) || !wrapped.Empty() {
		return errDamaged
	}
	r.file.Certificates = append(r.file.Certificates, bytes.Clone(der))
	return nil
}

// shrouded reads an encrypted private key (PKCS #8).
func (r *reader) shrouded(value cryptobyte.String) error {
	var seq cryptobyte.String
	var a algorithm
	var data []byte
	if !value.ReadASN1(&seq, cbasn1.SEQUENCE) || !value.Empty() || !a.read(&seq) || !seq.ReadASN1Bytes(&data, cbasn1.OCTET_STRING) || !seq.Empty() {
		return errDamaged
	}
	s, err := encryption(a)
	r.waiting = append(r.waiting, encrypted{scheme: s, data: data, key: true})
	return err
}

// friendlyName returns the friendlyName attribute (RFC 2985, section 5.5.1), a BMPString,
// as UTF-8, or an empty string. On a key from Windows, which also has the name of its
// provider, it is the name of a key container and not meant for people.
func friendlyName(attributes cryptobyte.String) (name string, err error) {
	windows := false
	for n := 0; !attributes.Empty(); n++ {
		var seq, set, text cryptobyte.String
		var kind asn1.ObjectIdentifier
		if n == maxAttributes || !attributes.ReadASN1(&seq, cbasn1.SEQUENCE) || !readOID(&seq, &kind) || !seq.ReadASN1(&set, cbasn1.SET) {
			return "", errDamaged
		}
		windows = windows || kind.Equal(oidMicrosoftCSP)
		if name != "" || !kind.Equal(oidFriendlyName) || !set.ReadASN1(&text, bmpTag) || len(text)%2 != 0 {
			continue
		}
		units := make([]uint16, 0, len(text)/2)
		for ; len(text) > 0; text = text[2:] {
			units = append(units, uint16(text[0])<<8|uint16(text[1]))
		}
		name = string(utf16.Decode(units))
	}
	if windows {
		name = ""
	}
	return name, nil
}

// bmpTag is the tag of a BMPString.
const bmpTag = cbasn1.Tag(30)

// privateKey checks that the numbers of an RSA key are small enough to compute with.
// Other keys have one size each; the caller checks them.
func privateKey(pkcs8 secret.Bytes) (secret.Bytes, error) {
	in := cryptobyte.String(pkcs8)
	var seq, inner, numbers cryptobyte.String
	var version int64
	var a algorithm
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || !seq.ReadASN1Integer(&version) || !a.read(&seq) || !seq.ReadASN1(&inner, cbasn1.OCTET_STRING) {
		return nil, errDamaged
	}
	if !a.oid.Equal(oidRSA) {
		return pkcs8, nil
	}
	if !inner.ReadASN1(&numbers, cbasn1.SEQUENCE) {
		return nil, errDamaged
	}
	for !numbers.Empty() {
		var number cryptobyte.String
		var tag cbasn1.Tag
		if !numbers.ReadAnyASN1(&number, &tag) {
			return nil, errDamaged
		}
		if len(number) > maxRSA/8+1 {
			return nil, errBigKey
		}
	}
	return pkcs8, nil
}
