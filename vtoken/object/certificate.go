package object

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"

	"vtoken/vtoken/ck"
)

// certificateFields are the parts of an X.509 certificate that PKCS#11 shows,
// in DER. Only the outline is parsed: a token stores certificates that stricter
// programs refuse.
type certificateFields struct {
	subject, issuer, serial, publicKeyInfo []byte
}

// parseCertificate reads the outline of a certificate (RFC 5280 section 4.1).
func parseCertificate(der []byte) (f certificateFields, err error) {
	var cert struct {
		TBS struct {
			Version   asn1.RawValue `asn1:"optional,explicit,tag:0"`
			Serial    asn1.RawValue
			Algorithm asn1.RawValue
			Issuer    asn1.RawValue
			Validity  asn1.RawValue
			Subject   asn1.RawValue
			SPKI      asn1.RawValue
		}
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &cert)
	t := cert.TBS
	if err != nil || len(rest) > 0 || t.Serial.Tag != asn1.TagInteger ||
		t.Issuer.Tag != asn1.TagSequence || t.Subject.Tag != asn1.TagSequence || t.SPKI.Tag != asn1.TagSequence {
		return f, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"CKA_VALUE is not one X.509 certificate in DER; convert PEM to DER first")
	}
	return certificateFields{t.Subject.FullBytes, t.Issuer.FullBytes, t.Serial.FullBytes, t.SPKI.FullBytes}, nil
}

// completeCertificate sets the attributes that the certificate itself contains. A subject, an
// issuer and a serial number that the template gives stay as they are: they are the
// application's (section 4.7.3).
func completeCertificate(d *draft) error {
	value := d.attrs.Get(ck.CKA_VALUE)
	if len(value) == 0 {
		if len(d.attrs.Get(ck.CKA_URL)) == 0 || !d.attrs.Has(ck.CKA_SUBJECT) {
			return ck.Errorf(ck.CKR_TEMPLATE_INCOMPLETE, "a certificate needs CKA_VALUE, or CKA_URL and CKA_SUBJECT")
		}
		return nil
	}
	f, err := parseCertificate(value)
	if err != nil {
		return err
	}
	for _, a := range []ck.Attribute{
		ck.Bytes(ck.CKA_SUBJECT, f.subject), ck.Bytes(ck.CKA_ISSUER, f.issuer), ck.Bytes(ck.CKA_SERIAL_NUMBER, f.serial),
	} {
		given := d.given.Get(a.Type)
		if len(given) == 0 || a.Type == ck.CKA_SERIAL_NUMBER && sameSerial(given, f.serial) {
			d.attrs = d.attrs.With(ck.Bytes(a.Type, bytes.Clone(a.Value)))
		}
	}
	kcv := sha1.Sum(value)
	for _, a := range []ck.Attribute{
		ck.Bytes(ck.CKA_PUBLIC_KEY_INFO, f.publicKeyInfo), ck.Bytes(ck.CKA_CHECK_VALUE, kcv[:3]),
	} {
		if err := d.putComputed(a.Type, bytes.Clone(a.Value)); err != nil {
			return err
		}
	}
	return nil
}

// sameSerial compares a serial number that a template gives with that of the
// certificate. Some programs give the bare number instead of its DER form.
func sameSerial(given, der []byte) bool {
	var v asn1.RawValue
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return false
	}
	return bytes.Equal(given, der) || bytes.Equal(given, v.Bytes)
}

// The values of CKA_CERTIFICATE_CATEGORY (section 4.6.2) that say whose a certificate is.
const (
	CategoryUser      uint64 = 1 // the token user's own
	CategoryAuthority uint64 = 2 // a CA's
	CategoryOther     uint64 = 3 // another entity's
)
