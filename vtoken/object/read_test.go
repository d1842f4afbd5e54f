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

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
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
		{"allowed mechanisms unset", build(t, aesTemplate()), ck.CKA_ALLOWED_MECHANISMS, ck.CKR_OK},
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

// What is implied is not stored, whether a template gives it or not: it reads as its default, is
// found by it, and means the same as none.
func TestImplied(t *testing.T) {
	for _, c := range []struct {
		template ck.Template
		implied  ck.Attribute
		other    ck.Attribute
	}{
		{aesTemplate(), ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS), ck.Mechanisms(ck.CKA_ALLOWED_MECHANISMS, ck.CKM_AES_GCM)},
		{aesTemplate(), wrapTemplate(), wrapTemplate(on(ck.CKA_SIGN))},
		{aesTemplate(), derive(), derive(off(ck.CKA_SENSITIVE))},
		{privateTemplate(t, testRSA()), off(ck.CKA_DECAPSULATE), on(ck.CKA_DECAPSULATE)},
		{publicTemplate(t, &testRSA().PublicKey), off(ck.CKA_ENCAPSULATE), on(ck.CKA_ENCAPSULATE)},
	} {
		typ := c.implied.Type
		for _, more := range [][]ck.Attribute{nil, {c.implied}} {
			o := build(t, c.template, more...)
			require.False(t, o.Attrs.Has(typ), "%v is stored", typ)
			v, err := o.Read(typ)
			require.NoError(t, err)
			require.Equal(t, len(c.implied.Value), len(v))
			require.True(t, bytes.Equal(c.implied.Value, v))
			require.True(t, o.Match(ck.Template{c.implied}))
			require.False(t, o.Match(ck.Template{c.other}))
			require.True(t, object.Implied(c.implied))
			require.False(t, object.Implied(c.other))
		}
		o := build(t, c.template, c.other)
		require.False(t, o.Match(ck.Template{c.implied}))
		require.True(t, o.Match(ck.Template{c.other}))
	}
	require.False(t, build(t, data()).Match(ck.Template{off(ck.CKA_ENCAPSULATE)}), "data has no such use")
	require.False(t, object.Implied(off(ck.CKA_SIGN)))
}

// The check value of a key may be removed and is then empty, also in a copy, and for good. That of
// a certificate stays.
func TestRemoveCheckValue(t *testing.T) {
	o := build(t, aesTemplate())
	was := o.Attrs.Get(ck.CKA_CHECK_VALUE)
	require.Len(t, was, 3)
	same, err := o.Change(ck.Template{ck.Bytes(ck.CKA_CHECK_VALUE, was)}, false)
	require.NoError(t, err)
	require.Equal(t, was, same.Attrs.Get(ck.CKA_CHECK_VALUE))
	for name, change := range map[string]func(ck.Template, bool) (*object.Object, error){"change": o.Change, "copy": o.Copy} {
		without, err := change(ck.Template{ck.Bytes(ck.CKA_CHECK_VALUE, nil)}, false)
		require.NoError(t, err, name)
		v, err := without.Read(ck.CKA_CHECK_VALUE)
		require.NoError(t, err, name)
		require.Empty(t, v, name)
		_, err = without.Change(ck.Template{ck.Bytes(ck.CKA_CHECK_VALUE, was)}, false)
		wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	cert := build(t, object.CertificateTemplate(certificate(t)))
	_, err = cert.Change(ck.Template{ck.Bytes(ck.CKA_CHECK_VALUE, nil)}, false)
	wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
}

// CKA_PUBLIC_KEY_INFO of a private key may be given in a change and a copy, if it is the key's.
func TestPublicKeyInfoOfAPrivateKey(t *testing.T) {
	o := build(t, privateTemplate(t, testRSA()))
	own := o.Attrs.Get(ck.CKA_PUBLIC_KEY_INFO)
	for name, change := range map[string]func(ck.Template, bool) (*object.Object, error){"change": o.Change, "copy": o.Copy} {
		_, err := change(ck.Template{ck.Bytes(ck.CKA_PUBLIC_KEY_INFO, own)}, false)
		require.NoError(t, err, name)
		_, err = change(ck.Template{ck.Bytes(ck.CKA_PUBLIC_KEY_INFO, own[1:])}, false)
		wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
}

// A session key that is made where nobody is logged in is public, if the template does not say
// otherwise and it does not ask for the PIN.
func TestPublicWithoutLogin(t *testing.T) {
	for _, c := range []struct {
		template  ck.Template
		loggedOut bool
		private   bool
	}{
		{aesTemplate(), true, false},
		{aesTemplate(), false, true},
		{aesTemplate(on(ck.CKA_PRIVATE)), true, true},
		{aesTemplate(off(ck.CKA_PRIVATE)), false, false},
		{aesTemplate(on(ck.CKA_TOKEN)), true, true},
		{aesTemplate(off(ck.CKA_TOKEN)), true, false},
		{privateTemplate(t, testRSA()), true, false},
		{append(privateTemplate(t, testRSA()), on(ck.CKA_ALWAYS_AUTHENTICATE)), true, true},
		{data(), true, true},
		{otpTemplate(), true, true},
		{publicTemplate(t, &testRSA().PublicKey), false, false},
	} {
		o, err := object.Build(object.Source{LoggedOut: c.loggedOut}, c.template)
		require.NoError(t, err)
		require.Equal(t, c.private, o.Private(), "%v", c.template)
	}
}

// An attribute that a template gives twice counts once where its value is the same.
func TestAttributesGivenTwice(t *testing.T) {
	o := build(t, aesTemplate(on(ck.CKA_SIGN), ck.Bytes(ck.CKA_SIGN, []byte{9}), ck.String(ck.CKA_LABEL, "x"),
		ck.String(ck.CKA_LABEL, "x"), wrapTemplate(on(ck.CKA_SIGN), ck.String(ck.CKA_LABEL, "y"), on(ck.CKA_SIGN))))
	require.Equal(t, wrapTemplate(on(ck.CKA_SIGN), ck.String(ck.CKA_LABEL, "y")).Value, o.Attrs.Get(ck.CKA_WRAP_TEMPLATE))
	twice := ck.Template{ck.String(ck.CKA_LABEL, "z"), ck.String(ck.CKA_LABEL, "z")}
	differs := ck.Template{ck.String(ck.CKA_LABEL, "z"), ck.String(ck.CKA_LABEL, "Z")}
	for name, change := range map[string]func(ck.Template, bool) (*object.Object, error){"change": o.Change, "copy": o.Copy} {
		next, err := change(twice, false)
		require.NoError(t, err, name)
		require.Equal(t, "z", next.Label(), name)
		_, err = change(differs, false)
		wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
	}
	for _, t1 := range []ck.Template{twice, differs} {
		_, err := o.ApplyDerivedTemplate(ck.CKA_UNWRAP_TEMPLATE, t1)
		require.Equal(t, (t1[1].Value[0] == 'z'), err == nil)
		once, err := object.Once(t1)
		require.Equal(t, (t1[1].Value[0] == 'z'), err == nil)
		if err == nil {
			require.Equal(t, t1[:1], once)
		}
	}
	_, err := object.Build(object.Source{}, aesTemplate(differs...))
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
}

// What a key gave up is for the rules alone: it is not read and not found.
func TestOurAttributeIsHidden(t *testing.T) {
	o, err := build(t, aesTemplate(on(ck.CKA_WRAP))).Change(ck.Template{off(ck.CKA_WRAP)}, false)
	require.NoError(t, err)
	ours := ck.CKA_VENDOR_DEFINED | 0x76540001
	require.True(t, o.Attrs.Has(ours), "nothing is remembered")
	_, err = o.Read(ours)
	wantCode(t, err, ck.CKR_ATTRIBUTE_TYPE_INVALID)
	require.False(t, o.Match(ck.Template{{Type: ours, Value: []byte{1}}}), "it is found")
	_, err = o.Change(ck.Template{on(ck.CKA_DECRYPT)}, false)
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
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
		require.Equal(t, c.want, o.Match(c.t), "%v matches: %t", c.t, !c.want)
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

// A certificate answers its subject, issuer and serial number whether the template gives them or
// not.
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
	// What the application says of it is the application's (section 4.7.3).
	for _, a := range []ck.Attribute{
		ck.Bytes(ck.CKA_SUBJECT, parsed.RawIssuer), ck.Bytes(ck.CKA_ISSUER, parsed.RawSubject),
		ck.Bytes(ck.CKA_SERIAL_NUMBER, []byte{2, 1, 1}), ck.Bytes(ck.CKA_SERIAL_NUMBER, []byte("no DER")),
		ck.String(ck.CKA_START_DATE, "20300101"), ck.String(ck.CKA_END_DATE, "19990101"),
	} {
		o := build(t, tpl[:3:3], a)
		require.Equal(t, a.Value, o.Attrs.Get(a.Type), "%v", a.Type)
		require.True(t, o.Match(ck.Template{a}))
	}
	_, err = object.Build(object.Source{}, append(tpl[:3:3], ck.Bytes(ck.CKA_CHECK_VALUE, []byte{1, 2, 3})))
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	o := build(t, tpl)
	changed, err := o.Change(ck.Template{ck.Bytes(ck.CKA_ISSUER, parsed.RawSubject)}, false)
	require.NoError(t, err)
	require.Equal(t, parsed.RawSubject, changed.Attrs.Get(ck.CKA_ISSUER))
	_, err = o.Change(ck.Template{ck.Bytes(ck.CKA_SUBJECT, parsed.RawIssuer)}, false)
	wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	_, err = o.Change(ck.Template{ck.Bytes(ck.CKA_ISSUER, parsed.RawIssuer), ck.String(ck.CKA_LABEL, "renamed")}, false)
	wantCode(t, err, ck.CKR_OK)
	_, err = o.Change(ck.Template{ck.Bytes(ck.CKA_VALUE, der)}, false)
	wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	elsewhere := build(t, object.CertificateTemplate(nil), ck.String(ck.CKA_URL, "https://x"), ck.Bytes(ck.CKA_SUBJECT, parsed.RawSubject))
	require.Equal(t, parsed.RawSubject, elsewhere.Attrs.Get(ck.CKA_SUBJECT), "a certificate elsewhere has no subject")
	for _, typ := range []ck.AttributeType{
		ck.CKA_VALUE, ck.CKA_ISSUER, ck.CKA_SERIAL_NUMBER, ck.CKA_PUBLIC_KEY_INFO, ck.CKA_CHECK_VALUE, ck.CKA_ID,
	} {
		v, err := elsewhere.Read(typ)
		require.NoError(t, err, "%v of a certificate elsewhere", typ)
		require.Empty(t, v, "%v of a certificate elsewhere", typ)
		require.True(t, elsewhere.Match(ck.Template{{Type: typ}}), "%v", typ)
	}
}

func TestSize(t *testing.T) {
	small, large := build(t, data()), build(t, data(ck.Bytes(ck.CKA_VALUE, make([]byte, 1000))))
	require.EqualValues(t, 1000, large.Size()-small.Size(), "sizes are %d and %d", small.Size(), large.Size())
	want := len(large.Attrs.AppendBinary(nil)) + len(large.Secret.AppendBinary(nil))
	require.Equal(t, uint64(want), large.Size(), "size is %d, the encoded form has %d", large.Size(), want)
}
