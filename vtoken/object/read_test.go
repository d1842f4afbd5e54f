package object_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"

	"github.com/stretchr/testify/require"
)

func TestRead(t *testing.T) {
	open := []ck.Attribute{off(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE)}
	for _, c := range []struct {
		name string
		o    *object.Object
		typ  ck.AttributeType
		want ck.Error
	}{
		{"open key", build(t, aesTemplate(open...)), ck.CKA_VALUE, ck.CKR_OK},
		{"sensitive", build(t, aesTemplate(on(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE))), ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE},
		{"unextractable", build(t, aesTemplate(off(ck.CKA_SENSITIVE), off(ck.CKA_EXTRACTABLE))), ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE},
		{"sealed", build(t, aesTemplate()).WithoutSecret(), ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE},
		{"sealed, open", build(t, aesTemplate(open...)).WithoutSecret(), ck.CKA_VALUE, ck.CodeOf(object.ErrSealed)},
		{"length", build(t, aesTemplate()), ck.CKA_VALUE_LEN, ck.CKR_OK},
		{"no label", build(t, aesTemplate()), ck.CKA_LABEL, ck.CKR_OK},
		{"no id", build(t, aesTemplate()), ck.CKA_ID, ck.CKR_OK},
		{"allowed mechanisms unset", build(t, aesTemplate()), ck.CKA_ALLOWED_MECHANISMS, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"RSA d", build(t, privateTemplate(t, testRSA())), ck.CKA_PRIVATE_EXPONENT, ck.CKR_ATTRIBUTE_SENSITIVE},
		{"RSA n", build(t, privateTemplate(t, testRSA())), ck.CKA_MODULUS, ck.CKR_OK},
		{"RSA value", build(t, privateTemplate(t, testRSA())), ck.CKA_VALUE, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"EC prime", build(t, privateTemplate(t, ecKey(t, elliptic.P256()))), ck.CKA_PRIME_1, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"EC value", build(t, privateTemplate(t, ecKey(t, elliptic.P256()))), ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE},
		{"EC point of private key", build(t, privateTemplate(t, ecKey(t, elliptic.P256()))), ck.CKA_EC_POINT, ck.CKR_OK},
		{"data", build(t, data(ck.Bytes(ck.CKA_VALUE, []byte("x")))), ck.CKA_VALUE, ck.CKR_OK},
	} {
		if _, err := c.o.Read(c.typ); ck.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestAllowedMechanisms(t *testing.T) {
	any := build(t, aesTemplate())
	some := build(t, aesTemplate(ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS, ck.CKM_AES_GCM)))
	none := build(t, aesTemplate(ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS)))
	for _, c := range []struct {
		o        *object.Object
		gcm, cbc bool
	}{{any, true, true}, {some, true, false}, {none, true, true}} {
		if c.o.Allows(ck.CKM_AES_GCM) != c.gcm || c.o.Allows(ck.CKM_AES_CBC) != c.cbc {
			t.Errorf("%v allows GCM %t, CBC %t", c.o.Attrs.Get(ck.CKA_ALLOWED_MECHANISMS), !c.gcm, !c.cbc)
		}
	}
}

func TestEmptyListIsNoList(t *testing.T) {
	o := build(t, aesTemplate(ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS)))
	_, err := o.Read(ck.CKA_ALLOWED_MECHANISMS)
	require.Equal(t, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CodeOf(err))
}

// What a key gave up is for the rules alone: it is not read and not found.
func TestOurAttributeIsHidden(t *testing.T) {
	o, err := build(t, aesTemplate(on(ck.CKA_WRAP))).Change(ck.Template{off(ck.CKA_WRAP)}, false)
	require.NoError(t, err)
	ours := ck.CKA_VENDOR_DEFINED | 0x76540001
	require.True(t, o.Attrs.Has(ours), "nothing is remembered")
	_, err = o.Read(ours)
	require.Equal(t, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CodeOf(err))
	require.False(t, o.Match(ck.Template{{Type: ours, Value: []byte{1}}}), "it is found")
	_, err = o.Change(ck.Template{on(ck.CKA_DECRYPT)}, false)
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
}

func TestMatch(t *testing.T) {
	o := build(t, aesTemplate(ck.String(ck.CKA_LABEL, "x"), off(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE)))
	for _, c := range []struct {
		t    ck.Template
		want bool
	}{
		{nil, true},
		{ck.Template{ck.String(ck.CKA_LABEL, "x")}, true},
		{ck.Template{ck.String(ck.CKA_LABEL, "x"), ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY)}, true},
		{ck.Template{ck.String(ck.CKA_LABEL, "X")}, false},
		{ck.Template{ck.String(ck.CKA_LABEL, "")}, false},
		{ck.Template{ck.Bytes(ck.CKA_ID, nil)}, true},
		{ck.Template{ck.Bytes(ck.CKA_MODULUS, nil)}, false},
		{ck.Template{ck.Bytes(ck.CKA_VALUE, []byte("0123456789abcdef"))}, false},
	} {
		if o.Match(c.t) != c.want {
			t.Errorf("%v matches: %t", c.t, !c.want)
		}
	}
}

func certificate(t *testing.T) []byte {
	t.Helper()
	key := ecKey(t, elliptic.P256())
	tpl := &x509.Certificate{SerialNumber: big.NewInt(0x80), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1e9, 0)}
	issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "root"}}
	der, err := x509.CreateCertificate(rand.Reader, tpl, issuer, &key.PublicKey, key)
	require.NoError(t, err)
	return der
}

// A certificate answers its subject, issuer and serial number whether the
// template gives them or not, and nothing else in their place.
func TestCertificate(t *testing.T) {
	der := certificate(t)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	serial, err := asn1.Marshal(parsed.SerialNumber)
	require.NoError(t, err)
	tpl := object.CertificateTemplate(der)
	want := map[ck.AttributeType][]byte{
		ck.CKA_SUBJECT: parsed.RawSubject, ck.CKA_ISSUER: parsed.RawIssuer, ck.CKA_SERIAL_NUMBER: serial,
		ck.CKA_PUBLIC_KEY_INFO: parsed.RawSubjectPublicKeyInfo, ck.CKA_VALUE: der,
	}
	for name, more := range map[string][]ck.Attribute{
		"bare":        nil,
		"with all":    {ck.Bytes(ck.CKA_SUBJECT, parsed.RawSubject), ck.Bytes(ck.CKA_ISSUER, parsed.RawIssuer), ck.Bytes(ck.CKA_SERIAL_NUMBER, serial)},
		"with empty":  {ck.Bytes(ck.CKA_SUBJECT, nil), ck.Bytes(ck.CKA_ISSUER, nil), ck.Bytes(ck.CKA_SERIAL_NUMBER, nil)},
		"bare serial": {ck.Bytes(ck.CKA_SERIAL_NUMBER, serial[2:])},
	} {
		o := build(t, tpl, more...)
		for typ, v := range want {
			if got, err := o.Read(typ); err != nil || !bytes.Equal(got, v) {
				t.Errorf("%s: %v is %x (%v)", name, typ, got, err)
			}
		}
		if o.Private() || len(o.Attrs.Get(ck.CKA_CHECK_VALUE)) != 3 {
			t.Errorf("%s: private, or no check value", name)
		}
		if _, err := o.PublicKey(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, a := range []ck.Attribute{
		ck.Bytes(ck.CKA_SUBJECT, parsed.RawIssuer), ck.Bytes(ck.CKA_ISSUER, parsed.RawSubject),
		ck.Bytes(ck.CKA_SERIAL_NUMBER, []byte{2, 1, 1}), ck.Bytes(ck.CKA_CHECK_VALUE, []byte{1, 2, 3}),
	} {
		_, err := object.Build(object.Source{}, append(tpl[:3:3], a))
		if ck.CodeOf(err) != ck.CKR_TEMPLATE_INCONSISTENT {
			t.Errorf("%v of another certificate: %v", a.Type, err)
		}
	}
	o := build(t, tpl)
	_, err = o.Change(ck.Template{ck.Bytes(ck.CKA_ISSUER, parsed.RawSubject)}, false)
	require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(err))
	_, err = o.Change(ck.Template{ck.Bytes(ck.CKA_ISSUER, parsed.RawIssuer), ck.String(ck.CKA_LABEL, "renamed")}, false)
	require.Equal(t, ck.CKR_OK, ck.CodeOf(err))
	_, err = o.Change(ck.Template{ck.Bytes(ck.CKA_VALUE, der)}, false)
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY, ck.CodeOf(err))
	elsewhere := build(t, object.CertificateTemplate(nil), ck.String(ck.CKA_URL, "https://x"), ck.Bytes(ck.CKA_SUBJECT, parsed.RawSubject))
	require.Equal(t, parsed.RawSubject, elsewhere.Attrs.Get(ck.CKA_SUBJECT), "a certificate elsewhere has no subject")
}

func TestSize(t *testing.T) {
	small, large := build(t, data()), build(t, data(ck.Bytes(ck.CKA_VALUE, make([]byte, 1000))))
	require.EqualValues(t, 1000, large.Size()-small.Size(), "sizes are %d and %d", small.Size(), large.Size())
	want := len(large.Attrs.AppendBinary(nil)) + len(large.Secret.AppendBinary(nil))
	require.Equal(t, uint64(want), large.Size(), "size is %d, the encoded form has %d", large.Size(), want)
}
