package object_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

func data(more ...ck.Attribute) ck.Template {
	return append(ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)}, more...)
}

func secretTemplate(kt ck.KeyType, value []byte, more ...ck.Attribute) ck.Template {
	return append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, kt), ck.Bytes(ck.CKA_VALUE, value),
	}, more...)
}

func aesTemplate(more ...ck.Attribute) ck.Template {
	return secretTemplate(ck.CKK_AES, []byte("0123456789abcdef"), more...)
}

func on(t ck.AttributeType) ck.Attribute  { return ck.Bool(t, true) }
func off(t ck.AttributeType) ck.Attribute { return ck.Bool(t, false) }

// What a template may not be, and the code that says so.
func TestBuildRefuses(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	ecPriv, ecPub := privateTemplate(t, p256), publicTemplate(t, &p256.PublicKey)
	rsaPriv, rsaPub := privateTemplate(t, testRSA()), publicTemplate(t, &testRSA().PublicKey)
	with := func(t ck.Template, more ...ck.Attribute) ck.Template { return append(t[:len(t):len(t)], more...) }
	replaced := func(t ck.Template, a ck.Attribute) ck.Template {
		out := ck.Template{a}
		for _, b := range t {
			if b.Type != a.Type {
				out = append(out, b)
			}
		}
		return out
	}
	without := func(t ck.Template, typ ck.AttributeType) ck.Template {
		return replaced(t, ck.Attribute{Type: typ})[1:]
	}
	for _, c := range []struct {
		name string
		src  object.Source
		t    ck.Template
		want ck.Error
	}{
		{"nothing", object.Source{}, nil, ck.CKR_TEMPLATE_INCOMPLETE},
		{"no class", object.Source{}, ck.Template{ck.String(ck.CKA_LABEL, "x")}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"short class", object.Source{}, ck.Template{ck.Bytes(ck.CKA_CLASS, []byte{0})}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"unknown class", object.Source{}, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_HW_FEATURE)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"no key type", object.Source{}, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY)}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"unknown key type", object.Source{}, secretTemplate(ck.CKK_DES, make([]byte, 8)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"twice", object.Source{}, data(ck.String(ck.CKA_LABEL, "x"), ck.String(ck.CKA_LABEL, "y")), ck.CKR_TEMPLATE_INCONSISTENT},
		{"foreign", object.Source{}, data(ck.Bytes(ck.CKA_MODULUS, []byte{1})), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"vendor", object.Source{}, data(ck.Bytes(ck.CKA_VENDOR_DEFINED|0x76540001, []byte{0})), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"vendor on key", object.Source{}, aesTemplate(ck.Bytes(ck.CKA_VENDOR_DEFINED|0x76540001, []byte{0})), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"unique id", object.Source{}, data(ck.String(ck.CKA_UNIQUE_ID, "mine")), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"local", object.Source{}, aesTemplate(on(ck.CKA_LOCAL)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"always sensitive", object.Source{}, aesTemplate(on(ck.CKA_ALWAYS_SENSITIVE)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"never extractable", object.Source{}, aesTemplate(on(ck.CKA_NEVER_EXTRACTABLE)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"key gen mechanism", object.Source{}, aesTemplate(ck.Ulong(ck.CKA_KEY_GEN_MECHANISM, ck.CKM_AES_KEY_GEN)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"trusted by user", object.Source{}, aesTemplate(on(ck.CKA_TRUSTED)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"bool of 2", object.Source{}, data(ck.Bytes(ck.CKA_TOKEN, []byte{1, 0})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"empty bool", object.Source{}, data(ck.Bytes(ck.CKA_TOKEN, nil)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"empty trusted", object.Source{}, aesTemplate(ck.Bytes(ck.CKA_TRUSTED, nil)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"label of 256", object.Source{}, data(ck.String(ck.CKA_LABEL, strings.Repeat("x", 256))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"id of 129", object.Source{}, aesTemplate(ck.Bytes(ck.CKA_ID, make([]byte, 129))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"date of 7", object.Source{}, aesTemplate(ck.String(ck.CKA_START_DATE, "2026112")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"date of letters", object.Source{}, aesTemplate(ck.String(ck.CKA_END_DATE, "2026Nov1")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"mechanisms of 9", object.Source{}, aesTemplate(ck.Bytes(ck.CKA_ALLOWED_MECHANISMS, make([]byte, 9))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"cut off template", object.Source{}, aesTemplate(ck.Bytes(ck.CKA_WRAP_TEMPLATE, make([]byte, 5))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"2 MiB", object.Source{}, data(ck.Bytes(ck.CKA_VALUE, make([]byte, 2<<20))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"too many", object.Source{}, make(ck.Template, object.MaxAttributes+1), ck.CKR_TEMPLATE_INCONSISTENT},

		{"AES without value", object.Source{}, without(aesTemplate(), ck.CKA_VALUE), ck.CKR_TEMPLATE_INCOMPLETE},
		{"AES empty", object.Source{}, secretTemplate(ck.CKK_AES, nil), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"AES of 15", object.Source{}, secretTemplate(ck.CKK_AES, make([]byte, 15)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"AES with another length", object.Source{}, aesTemplate(ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))), ck.CKR_TEMPLATE_INCONSISTENT},
		{"AES wrong check value", object.Source{}, aesTemplate(ck.Bytes(ck.CKA_CHECK_VALUE, []byte{1, 2, 3})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"generic of too many", object.Source{}, secretTemplate(ck.CKK_GENERIC_SECRET, make([]byte, object.MaxSecretLen+1)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"generated with value", object.Source{Origin: object.Generate}, aesTemplate(), ck.CKR_TEMPLATE_INCONSISTENT},
		{"unwrapped with value", object.Source{Origin: object.Unwrap}, aesTemplate(), ck.CKR_TEMPLATE_INCONSISTENT},
		{"derived with value", object.Source{Origin: object.Derive}, aesTemplate(), ck.CKR_TEMPLATE_INCONSISTENT},
		{"generated data", object.Source{Origin: object.Generate}, data(), ck.CKR_TEMPLATE_INCONSISTENT},
		{"made otherwise", object.Source{Origin: object.Unwrap, Made: ck.Template{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)}},
			without(aesTemplate(), ck.CKA_VALUE), ck.CKR_TEMPLATE_INCONSISTENT},
		{"made without value", object.Source{Origin: object.Unwrap}, without(aesTemplate(), ck.CKA_VALUE), ck.CKR_ATTRIBUTE_VALUE_INVALID},

		{"trusted, derived", object.Source{Origin: object.Derive, SO: true, Made: ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}},
			without(aesTemplate(on(ck.CKA_TRUSTED)), ck.CKA_VALUE), ck.CKR_TEMPLATE_INCONSISTENT},
		{"trusted, unwrapped", object.Source{Origin: object.Unwrap, SO: true, Made: ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}},
			without(aesTemplate(on(ck.CKA_TRUSTED)), ck.CKA_VALUE), ck.CKR_TEMPLATE_INCONSISTENT},
		{"trusted, readable", object.Source{SO: true}, aesTemplate(on(ck.CKA_TRUSTED), on(ck.CKA_EXTRACTABLE), off(ck.CKA_SENSITIVE)), ck.CKR_TEMPLATE_INCONSISTENT},
		{"ask always, public", object.Source{}, with(rsaPriv, on(ck.CKA_ALWAYS_AUTHENTICATE), off(ck.CKA_PRIVATE)), ck.CKR_TEMPLATE_INCONSISTENT},

		{"RSA without modulus", object.Source{}, without(rsaPub, ck.CKA_MODULUS), ck.CKR_TEMPLATE_INCOMPLETE},
		{"RSA other bits", object.Source{}, with(rsaPub, ck.Ulong(ck.CKA_MODULUS_BITS, uint64(2047))), ck.CKR_TEMPLATE_INCONSISTENT},
		{"RSA of 512", object.Source{}, replaced(rsaPub, ck.Bytes(ck.CKA_MODULUS, bytes.Repeat([]byte{0xff}, 64))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA of 16384", object.Source{}, replaced(rsaPub, ck.Bytes(ck.CKA_MODULUS, bytes.Repeat([]byte{0xff}, 2048))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA even", object.Source{}, replaced(rsaPub, ck.Bytes(ck.CKA_MODULUS, bytes.Repeat([]byte{0xfe}, 256))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA e of 1", object.Source{}, replaced(rsaPub, ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA e even", object.Source{}, replaced(rsaPub, ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{4})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA e of 5 bytes", object.Source{}, replaced(rsaPub, ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 0, 0, 1})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA other modulus", object.Source{}, replaced(rsaPriv, ck.Bytes(ck.CKA_MODULUS, bytes.Repeat([]byte{0xff}, 256))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA other d", object.Source{}, replaced(rsaPriv, ck.Bytes(ck.CKA_PRIVATE_EXPONENT, []byte{3})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA other e", object.Source{}, replaced(rsaPriv, ck.Bytes(ck.CKA_PUBLIC_EXPONENT, []byte{3})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA other dp", object.Source{}, replaced(rsaPriv, ck.Bytes(ck.CKA_EXPONENT_1, []byte{3})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA other qinv", object.Source{}, replaced(rsaPriv, ck.Bytes(ck.CKA_COEFFICIENT, []byte{3})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA prime of 1", object.Source{}, replaced(rsaPriv, ck.Bytes(ck.CKA_PRIME_1, []byte{1})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA one prime", object.Source{}, without(rsaPriv, ck.CKA_PRIME_1), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"RSA no material", object.Source{}, ck.Template{rsaPriv[0], rsaPriv[1], rsaPriv[2]}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"RSA d alone", object.Source{}, ck.Template{rsaPriv[0], rsaPriv[1], rsaPriv[2], rsaPriv[4]}, ck.CKR_TEMPLATE_INCOMPLETE},
		{"RSA other key info", object.Source{}, with(rsaPub, ck.Bytes(ck.CKA_PUBLIC_KEY_INFO, []byte{0x30, 0})), ck.CKR_ATTRIBUTE_VALUE_INVALID},

		{"EC without params", object.Source{}, without(ecPub, ck.CKA_EC_PARAMS), ck.CKR_TEMPLATE_INCOMPLETE},
		{"EC other curve", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_PARAMS, []byte{6, 5, 0x2b, 0x81, 4, 0, 0x09})), ck.CKR_CURVE_NOT_SUPPORTED},
		{"EC explicit", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_PARAMS, []byte{0x30, 0})), ck.CKR_CURVE_NOT_SUPPORTED},
		{"EC garbage", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_PARAMS, []byte("P-256"))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC trailing", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_PARAMS, append(bytes.Clone(ecPub[2].Value), 0))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC off curve", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_POINT, append([]byte{4}, bytes.Repeat([]byte{1}, 64)...))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC infinity", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_POINT, []byte{4, 1, 0})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC bad compressed", object.Source{}, replaced(ecPub, ck.Bytes(ck.CKA_EC_POINT, append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC zero", object.Source{}, replaced(ecPriv, ck.Bytes(ck.CKA_VALUE, make([]byte, 32))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC above order", object.Source{}, replaced(ecPriv, ck.Bytes(ck.CKA_VALUE, bytes.Repeat([]byte{0xff}, 32))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC of 33", object.Source{}, replaced(ecPriv, ck.Bytes(ck.CKA_VALUE, bytes.Repeat([]byte{1}, 33))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"EC other point", object.Source{}, with(ecPriv, publicTemplate(t, &ecKey(t, elliptic.P256()).PublicKey)[3]), ck.CKR_ATTRIBUTE_VALUE_INVALID},

		{"certificate empty", object.Source{}, object.CertificateTemplate(nil), ck.CKR_TEMPLATE_INCOMPLETE},
		{"certificate garbage", object.Source{}, object.CertificateTemplate([]byte("-----BEGIN")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"certificate of a sequence", object.Source{}, object.CertificateTemplate([]byte{0x30, 0}), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"certificate elsewhere, nameless", object.Source{}, with(object.CertificateTemplate(nil), ck.String(ck.CKA_URL, "http://x")), ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		o, err := object.Build(c.src, c.t)
		if ck.CodeOf(err) != c.want || o != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	p256 := ecKey(t, elliptic.P256())
	type want map[ck.AttributeType]bool
	common := want{ck.CKA_TOKEN: false, ck.CKA_MODIFIABLE: true, ck.CKA_COPYABLE: true, ck.CKA_DESTROYABLE: true}
	for _, c := range []struct {
		name string
		t    ck.Template
		want want
	}{
		{"data", data(), want{ck.CKA_PRIVATE: true}},
		{"RSA public", publicTemplate(t, &testRSA().PublicKey), want{ck.CKA_PRIVATE: false, ck.CKA_VERIFY: true,
			ck.CKA_ENCRYPT: true, ck.CKA_WRAP: false, ck.CKA_TRUSTED: false, ck.CKA_DERIVE: false}},
		{"RSA private", privateTemplate(t, testRSA()), want{ck.CKA_PRIVATE: true, ck.CKA_SENSITIVE: true, ck.CKA_EXTRACTABLE: false,
			ck.CKA_SIGN: true, ck.CKA_DECRYPT: true, ck.CKA_UNWRAP: false, ck.CKA_DERIVE: false, ck.CKA_ALWAYS_AUTHENTICATE: false,
			ck.CKA_LOCAL: false, ck.CKA_ALWAYS_SENSITIVE: false, ck.CKA_NEVER_EXTRACTABLE: false, ck.CKA_WRAP_WITH_TRUSTED: true}},
		{"EC private", privateTemplate(t, p256), want{ck.CKA_SIGN: true, ck.CKA_DERIVE: true, ck.CKA_DECRYPT: false}},
		{"EC public", publicTemplate(t, &p256.PublicKey), want{ck.CKA_VERIFY: true, ck.CKA_ENCRYPT: false, ck.CKA_PRIVATE: false}},
		{"AES", aesTemplate(), want{ck.CKA_PRIVATE: true, ck.CKA_SENSITIVE: true, ck.CKA_EXTRACTABLE: false, ck.CKA_ENCRYPT: true,
			ck.CKA_DECRYPT: true, ck.CKA_WRAP: false, ck.CKA_UNWRAP: false, ck.CKA_SIGN: true, ck.CKA_VERIFY: true, ck.CKA_WRAP_WITH_TRUSTED: true}},
		{"AES that is not sensitive", aesTemplate(off(ck.CKA_SENSITIVE)), want{ck.CKA_EXTRACTABLE: false, ck.CKA_WRAP_WITH_TRUSTED: false}},
		{"AES wrapped freely", aesTemplate(off(ck.CKA_WRAP_WITH_TRUSTED)), want{ck.CKA_SENSITIVE: true, ck.CKA_WRAP_WITH_TRUSTED: false}},
		{"AES with every use", aesTemplate(on(ck.CKA_WRAP), on(ck.CKA_UNWRAP), on(ck.CKA_ENCRYPT), on(ck.CKA_DECRYPT)),
			want{ck.CKA_WRAP: true, ck.CKA_UNWRAP: true, ck.CKA_ENCRYPT: true, ck.CKA_DECRYPT: true}},
		{"AES that wraps", aesTemplate(on(ck.CKA_WRAP)), want{ck.CKA_WRAP: true, ck.CKA_DECRYPT: false, ck.CKA_ENCRYPT: false, ck.CKA_SIGN: false}},
		{"AES not decrypting", aesTemplate(off(ck.CKA_DECRYPT)), want{ck.CKA_ENCRYPT: true, ck.CKA_DECRYPT: false}},
		{"generic", secretTemplate(ck.CKK_GENERIC_SECRET, []byte("x")), want{ck.CKA_SIGN: true, ck.CKA_VERIFY: true, ck.CKA_DERIVE: true, ck.CKA_ENCRYPT: false}},
	} {
		o := build(t, c.t)
		for _, w := range []want{common, c.want} {
			for typ, v := range w {
				if !o.Attrs.Has(typ) || o.Bool(typ) != v {
					t.Errorf("%s: %v is %t", c.name, typ, !v)
				}
			}
		}
		if len(o.Attrs.Get(ck.CKA_UNIQUE_ID)) != 32 || !o.Attrs.Has(ck.CKA_LABEL) {
			t.Errorf("%s: unique id or label is missing", c.name)
		}
		if c.name != "data" && !o.Attrs.Has(ck.CKA_ID) {
			t.Errorf("%s: no id", c.name)
		}
		require.False(t, o.Attrs.Has(ck.CKA_ALLOWED_MECHANISMS), "%s: allowed mechanisms are set", c.name)
	}
}

func TestHistory(t *testing.T) {
	made := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}
	length := ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))
	exposed := ck.Template{off(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE)}
	kt := ck.Template{made[0], made[1]}
	make := func(src object.Source, tpl ck.Template) *object.Object {
		t.Helper()
		o, err := object.Build(src, tpl)
		require.NoError(t, err)
		return o
	}
	generate := object.Source{Origin: object.Generate, Mechanism: ck.CKM_AES_KEY_GEN, Made: made}
	guarded := make(generate, ck.Template{length})
	open := make(generate, append(exposed, length))
	for _, c := range []struct {
		name                 string
		o                    *object.Object
		local, always, never bool
		mechanism            uint64
	}{
		{"generated", guarded, true, true, true, uint64(ck.CKM_AES_KEY_GEN)},
		{"generated in the open", open, true, false, false, uint64(ck.CKM_AES_KEY_GEN)},
		{"created", build(t, aesTemplate()), false, false, false, ck.UnavailableInformation},
		{"unwrapped", make(object.Source{Origin: object.Unwrap, Made: made}, kt), false, false, false, ck.UnavailableInformation},
		{"derived", make(object.Source{Origin: object.Derive, Base: guarded, Made: made}, kt), false, true, true, ck.UnavailableInformation},
		{"derived, exposed", make(object.Source{Origin: object.Derive, Base: guarded, Made: made}, append(kt, exposed...)), false, false, false, ck.UnavailableInformation},
		{"derived from open", make(object.Source{Origin: object.Derive, Base: open, Made: made}, kt), false, false, false, ck.UnavailableInformation},
	} {
		m, _ := c.o.Attrs.Ulong(ck.CKA_KEY_GEN_MECHANISM)
		if c.o.Bool(ck.CKA_LOCAL) != c.local || c.o.Bool(ck.CKA_ALWAYS_SENSITIVE) != c.always ||
			c.o.Bool(ck.CKA_NEVER_EXTRACTABLE) != c.never || m != c.mechanism {
			t.Errorf("%s: %t %t %t %x", c.name, c.o.Bool(ck.CKA_LOCAL), c.o.Bool(ck.CKA_ALWAYS_SENSITIVE), c.o.Bool(ck.CKA_NEVER_EXTRACTABLE), m)
		}
	}
}

func TestBuildAgreesWithTheMechanism(t *testing.T) {
	made := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}
	src := object.Source{Origin: object.Generate, Made: made}
	for _, c := range []struct {
		t    ck.Template
		want ck.Error
	}{
		{ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, ck.CKR_OK},
		{ck.Template{made[0], made[1], ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, ck.CKR_OK},
		{ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))}, ck.CKR_TEMPLATE_INCONSISTENT},
		{ck.Template{ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, ck.CKR_TEMPLATE_INCONSISTENT},
		{nil, ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		_, err := object.Build(src, c.t)
		wantCode(t, err, c.want)
	}
}

func TestTrustedIsForTheSO(t *testing.T) {
	o, err := object.Build(object.Source{SO: true}, aesTemplate(on(ck.CKA_TRUSTED)))
	require.NoError(t, err)
	require.True(t, o.Bool(ck.CKA_TRUSTED))
	build(t, aesTemplate(off(ck.CKA_TRUSTED))) // to say no is no claim
	plain := generated(t)
	_, err = plain.Change(ck.Template{on(ck.CKA_TRUSTED)}, false)
	wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	_, err = plain.Copy(ck.Template{on(ck.CKA_TRUSTED)}, false)
	wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	if o, err = plain.Change(ck.Template{on(ck.CKA_TRUSTED)}, true); err != nil || !o.Bool(ck.CKA_TRUSTED) {
		t.Error(err)
	}
	_, err = o.Change(ck.Template{off(ck.CKA_TRUSTED)}, false)
	wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	// Of a key whose value somebody brought, the SO knows nothing.
	_, err = build(t, aesTemplate()).Change(ck.Template{on(ck.CKA_TRUSTED)}, true)
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
}

// generated is an AES key as C_GenerateKey makes it.
func generated(t *testing.T, more ...ck.Attribute) *object.Object {
	t.Helper()
	o, err := object.Build(object.Source{Origin: object.Generate, Mechanism: ck.CKM_AES_KEY_GEN, Made: ck.Template{ck.Bytes(ck.CKA_VALUE, []byte("0123456789abcdef"))}},
		append(ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES), ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, more...))
	require.NoError(t, err)
	return o
}

// The object has one form whatever the template's, and no memory of it.
func TestNormalForms(t *testing.T) {
	key := ecKey(t, elliptic.P384())
	want := build(t, publicTemplate(t, &key.PublicKey))
	raw, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	compressed := append([]byte{2 + raw[96]&1}, raw[1:49]...)
	for name, point := range map[string][]byte{
		"bare": raw, "compressed": compressed, "wrapped compressed": append([]byte{4, 49}, compressed...),
	} {
		o := build(t, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC),
			ck.Bytes(ck.CKA_EC_PARAMS, append([]byte{0x13, 9}, "secp384r1"...)), ck.Bytes(ck.CKA_EC_POINT, point)})
		for _, typ := range []ck.AttributeType{ck.CKA_EC_POINT, ck.CKA_EC_PARAMS, ck.CKA_PUBLIC_KEY_INFO} {
			require.Equal(t, want.Attrs.Get(typ), o.Attrs.Get(typ), "%s: %v is %x", name, typ, o.Attrs.Get(typ))
		}
	}
	label := []byte("mine")
	o := build(t, data(ck.Bytes(ck.CKA_LABEL, label), ck.Bytes(ck.CKA_TOKEN, []byte{0xff})))
	clear(label)
	if o.Label() != "mine" || !o.Match(ck.Template{on(ck.CKA_TOKEN)}) {
		t.Errorf("label %q, token %x", o.Label(), o.Attrs.Get(ck.CKA_TOKEN))
	}
	pub := publicTemplate(t, &testRSA().PublicKey)
	pub[2].Value = append([]byte{0}, pub[2].Value...)
	pub[3].Value = []byte{0, 1, 0, 1}
	if got := build(t, pub).Attrs; got.Get(ck.CKA_MODULUS)[0] == 0 || len(got.Get(ck.CKA_PUBLIC_EXPONENT)) != 3 {
		t.Error("leading zeroes are kept")
	}
}

// An RSA key is whole, whichever of its numbers the template leaves out.
func TestRSANumbersAreRecovered(t *testing.T) {
	full := privateTemplate(t, testRSA())
	want := build(t, full)
	crt := []ck.AttributeType{ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT}
	for _, without := range [][]ck.AttributeType{
		crt,
		append(crt[:3:3], ck.CKA_PRIME_1, ck.CKA_PRIME_2),
		append(crt[:3:3], ck.CKA_PRIVATE_EXPONENT),
		append(crt[:3:3], ck.CKA_PUBLIC_EXPONENT),
	} {
		set, err := object.NewSet(full)
		require.NoError(t, err)
		o := build(t, ck.Template(set.Without(without...)))
		key, err := o.PrivateKey()
		require.NoError(t, err)
		require.True(t, testRSA().PublicKey.Equal(mustPublic(t, o)), "without %v: another key", without)
		require.Len(t, o.Secret, len(want.Secret), "without %v: %d secret numbers", without, len(o.Secret))
		_ = key
	}
}

func mustPublic(t *testing.T, o *object.Object) any {
	t.Helper()
	pub, err := o.PublicKey()
	require.NoError(t, err)
	return pub
}

func TestCheckValues(t *testing.T) {
	zeroes := build(t, secretTemplate(ck.CKK_AES, make([]byte, 16)))
	if got := hex.EncodeToString(zeroes.Attrs.Get(ck.CKA_CHECK_VALUE)); got != "66e94b" { // FIPS 197, zero key and block
		t.Errorf("AES: %s", got)
	}
	hash := sha1.Sum([]byte("abc"))
	if got := build(t, secretTemplate(ck.CKK_GENERIC_SECRET, []byte("abc"))).Attrs.Get(ck.CKA_CHECK_VALUE); !bytes.Equal(got, hash[:3]) {
		t.Errorf("generic: %x", got)
	}
	none := build(t, secretTemplate(ck.CKK_AES, make([]byte, 16), ck.Bytes(ck.CKA_CHECK_VALUE, nil)))
	if got := none.Attrs.Get(ck.CKA_CHECK_VALUE); len(got) != 0 {
		t.Errorf("asked for none: %x", got)
	}
	if n, _ := zeroes.Attrs.Ulong(ck.CKA_VALUE_LEN); n != 16 {
		t.Errorf("length %d", n)
	}
}
