package object_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// Objects of the token's own show what they are, and change neither by a change nor by a copy.
func TestBuiltinObjects(t *testing.T) {
	now := time.Date(2026, 11, 30, 23, 5, 9, 0, time.FixedZone("east", 2*3600))
	require.Equal(t, "2026113021050900", object.UTCTime(now))
	for _, c := range []struct {
		o     *object.Object
		class ck.ObjectClass
		want  ck.Template
	}{
		{object.Profile(3, "a"), ck.CKO_PROFILE, ck.Template{ck.Ulong(ck.CKA_PROFILE_ID, uint64(3))}},
		{object.Mechanism(ck.CKM_AES_GCM, "a"), ck.CKO_MECHANISM,
			ck.Template{ck.Ulong(ck.CKA_MECHANISM_TYPE, ck.CKM_AES_GCM)}},
		{object.Clock(now, "a"), ck.CKO_HW_FEATURE, ck.Template{
			ck.Ulong(ck.CKA_HW_FEATURE_TYPE, ck.CKH_CLOCK), ck.String(ck.CKA_VALUE, "2026113021050900"),
		}},
	} {
		require.Equal(t, c.class, c.o.Class())
		require.True(t, object.Builtin(c.class))
		require.True(t, c.o.Match(c.want), "%v", c.o.Attrs)
		require.True(t, c.o.Match(ck.Template{on(ck.CKA_TOKEN), off(ck.CKA_PRIVATE), ck.String(ck.CKA_UNIQUE_ID, "a")}))
		require.True(t, c.o.Match(ck.Template{off(ck.CKA_MODIFIABLE), off(ck.CKA_COPYABLE), off(ck.CKA_DESTROYABLE)}))
		require.False(t, c.o.IsKey())
		require.False(t, c.o.HasSecret())
		_, err := c.o.Change(nil, true)
		wantCode(t, err, ck.CKR_ACTION_PROHIBITED)
		_, err = c.o.Copy(nil, true)
		wantCode(t, err, ck.CKR_ACTION_PROHIBITED)
		changeable := &object.Object{Attrs: c.o.Attrs.With(on(ck.CKA_MODIFIABLE))}
		_, err = changeable.Change(ck.Template{ck.String(ck.CKA_LABEL, "x")}, true)
		wantCode(t, err, ck.CKR_ATTRIBUTE_READ_ONLY)
	}
	for _, class := range []ck.ObjectClass{ck.CKO_DATA, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY} {
		require.False(t, object.Builtin(class))
	}
}

// The size of an RSA key is that of its modulus.
func TestRSABits(t *testing.T) {
	for _, c := range []struct {
		o    *object.Object
		bits uint64
		ok   bool
	}{
		{build(t, privateTemplate(t, testRSA())), 2048, true},
		{build(t, publicTemplate(t, &testRSA().PublicKey)), 2048, true},
		{build(t, aesTemplate()), 0, false},
		{build(t, data()), 0, false},
		{&object.Object{Attrs: object.Set{}.With(ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA))}, 0, true},
		{&object.Object{Attrs: object.Set{}.With(ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
			ck.Bytes(ck.CKA_MODULUS, []byte{1, 0}))}, 9, true},
	} {
		bits, ok := c.o.RSABits()
		require.Equal(t, c.bits, bits)
		require.Equal(t, c.ok, ok)
	}
}

// Objects are found by class and id.
func TestWithKeyID(t *testing.T) {
	one := build(t, aesTemplate(ck.Bytes(ck.CKA_ID, []byte{1})))
	two := build(t, aesTemplate(ck.Bytes(ck.CKA_ID, []byte{2})))
	pub := build(t, publicTemplate(t, &testRSA().PublicKey), ck.Bytes(ck.CKA_ID, []byte{1}))
	all := []*object.Object{one, two, pub}
	require.Equal(t, []*object.Object{one}, object.WithKeyID(all, ck.CKO_SECRET_KEY, []byte{1}))
	require.Equal(t, []*object.Object{pub}, object.WithKeyID(all, ck.CKO_PUBLIC_KEY, []byte{1}))
	require.Empty(t, object.WithKeyID(all, ck.CKO_SECRET_KEY, []byte{3}))
	require.True(t, one.IsKey())
	require.True(t, one.Destroyable())
	require.False(t, build(t, data(off(ck.CKA_DESTROYABLE))).Destroyable())
}

// Keys of DES have an odd parity and a check value as AES has it; keys of other ciphers have
// their length.
func TestOtherSecretKeys(t *testing.T) {
	des := unhex(t, "0101010101010101")
	for _, c := range []struct {
		typ   ck.KeyType
		value []byte
		kcv   string // empty: refused
	}{
		{ck.CKK_DES, des, "8ca64d"}, // of the all-zero key and block, which the parity bits do not change
		{ck.CKK_DES2, bytes.Repeat(des, 2), "8ca64d"},
		{ck.CKK_DES3, bytes.Repeat(des, 3), "8ca64d"},
		{ck.CKK_DES, bytes.Repeat(des, 2), ""},
		{ck.CKK_DES2, des, ""},
		{ck.CKK_DES3, bytes.Repeat(des, 2), ""},
		{ck.CKK_DES, make([]byte, 8), ""},
		{ck.CKK_DES, append(bytes.Clone(des[:7]), 3), ""},
		{ck.CKK_CHACHA20, make([]byte, 32), "de8a84"},
		{ck.CKK_CHACHA20, make([]byte, 31), ""},
		{ck.CKK_CHACHA20, make([]byte, 33), ""},
		{ck.CKK_GENERIC_SECRET, make([]byte, object.MaxSecretLen), "72d3e6"},
		{ck.CKK_GENERIC_SECRET, make([]byte, object.MaxSecretLen+1), ""},
		{ck.CKK_GENERIC_SECRET, []byte{0}, "5ba93c"},
		{ck.CKK_AES, make([]byte, 24), "aae069"},
		{ck.CKK_AES, make([]byte, 32), "dc95c0"},
	} {
		o, err := object.Build(object.Source{}, secretTemplate(c.typ, c.value))
		if c.kcv == "" {
			wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
			continue
		}
		require.NoError(t, err, "%v", c.typ)
		require.Equal(t, c.kcv, hex.EncodeToString(o.Attrs.Get(ck.CKA_CHECK_VALUE)), "%v", c.typ)
		n, _ := o.Attrs.Ulong(ck.CKA_VALUE_LEN)
		require.EqualValues(t, len(c.value), n)
	}

	// The second key of two is used: E1, D2, E1.
	two, err := object.NewDES(unhex(t, "0123456789abcdeffedcba9876543210"))
	require.NoError(t, err)
	three, err := object.NewDES(unhex(t, "0123456789abcdeffedcba98765432100123456789abcdef"))
	require.NoError(t, err)
	a, b := make([]byte, 8), make([]byte, 8)
	two.Encrypt(a, a)
	three.Encrypt(b, b)
	require.Equal(t, b, a)
	for _, n := range []int{0, 7, 9, 15, 17, 23, 25} {
		_, err := object.NewDES(make([]byte, n))
		wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
}

// Values at the limits of their form.
func TestFormsOfValues(t *testing.T) {
	nested := func(n int) ck.Attribute {
		return ck.Bytes(ck.CKA_WRAP_TEMPLATE, ck.EncodeTemplate(ck.Template{ck.Bytes(ck.CKA_LABEL, make([]byte, n))}))
	}
	for name, c := range map[string]struct {
		t    ck.Template
		want ck.Error
	}{
		"label of 255":   {data(ck.Bytes(ck.CKA_LABEL, make([]byte, 255))), ck.CKR_OK},
		"id of 128":      {aesTemplate(ck.Bytes(ck.CKA_ID, make([]byte, 128))), ck.CKR_OK},
		"value of 1 MiB": {data(ck.Bytes(ck.CKA_VALUE, make([]byte, object.MaxValue))), ck.CKR_OK},
		"value of more": {data(ck.Bytes(ck.CKA_VALUE, make([]byte, object.MaxValue+1))),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"no date": {aesTemplate(ck.Bytes(ck.CKA_START_DATE, nil)), ck.CKR_OK},
		"date":    {aesTemplate(ck.String(ck.CKA_START_DATE, "20260901")), ck.CKR_OK},
		"date of 9": {aesTemplate(ck.String(ck.CKA_START_DATE, "202609011")),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"date below 0": {aesTemplate(ck.String(ck.CKA_START_DATE, "2026/901")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"date above 9": {aesTemplate(ck.String(ck.CKA_START_DATE, "2026:901")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"number of 4": {aesTemplate(ck.Bytes(ck.CKA_VALUE_LEN, make([]byte, 4))),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"key type of 4": {ck.Template{aesTemplate()[0], ck.Bytes(ck.CKA_KEY_TYPE, make([]byte, 4))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"template":               {aesTemplate(nested(object.MaxValue - 12)), ck.CKR_OK},
		"template that is large": {aesTemplate(nested(object.MaxValue - 11)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"template with twice": {aesTemplate(wrapTemplate(on(ck.CKA_SIGN), off(ck.CKA_SIGN))),
			ck.CKR_TEMPLATE_INCONSISTENT},
		"template with a bad flag": {aesTemplate(wrapTemplate(ck.Bytes(ck.CKA_SIGN, nil))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"OTP counter of 8":         {otpTemplate(ck.Bytes(ck.CKA_OTP_COUNTER, make([]byte, 8))), ck.CKR_OK},
		"counter of a timed key": {otpTemplate(ck.Bytes(ck.CKA_OTP_COUNTER, make([]byte, 8)),
			ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(30))), ck.CKR_OK},
		"short counter of a timed key": {otpTemplate(ck.Bytes(ck.CKA_OTP_COUNTER, make([]byte, 7)),
			ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(30))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"OTP step of 1":   {otpTemplate(ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(1))), ck.CKR_OK},
		"OTP of 7 digits": {otpTemplate(ck.Ulong(ck.CKA_OTP_LENGTH, uint64(7))), ck.CKR_OK},
		"OTP that asks for the counter": {otpTemplate(ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)),
			ck.CKR_OK},
		"ask always": {append(privateTemplate(t, testRSA()), on(ck.CKA_ALWAYS_AUTHENTICATE)), ck.CKR_OK},
	} {
		_, err := object.Build(object.Source{}, c.t)
		require.Equal(t, c.want, ck.CodeOf(err), "%s: %v", name, err)
	}
	full := data()
	for typ := range object.MaxAttributes - 1 {
		full = append(full, ck.Bytes(ck.CKA_VENDOR_DEFINED+ck.AttributeType(typ), nil))
	}
	_, err := object.Build(object.Source{}, full)
	wantCode(t, err, ck.CKR_ATTRIBUTE_TYPE_INVALID) // as many as there may be, of types that there are not
}

func wrapTemplate(t ...ck.Attribute) ck.Attribute {
	return ck.Bytes(ck.CKA_WRAP_TEMPLATE, ck.EncodeTemplate(t))
}

// The values of a nested template take their one form, too: a key is compared with them.
func TestNestedTemplateHasOneForm(t *testing.T) {
	o := build(t, aesTemplate(wrapTemplate(ck.Bytes(ck.CKA_SIGN, []byte{7}), ck.String(ck.CKA_LABEL, "x"))))
	require.Equal(t, wrapTemplate(on(ck.CKA_SIGN), ck.String(ck.CKA_LABEL, "x")).Value,
		o.Attrs.Get(ck.CKA_WRAP_TEMPLATE))
}

// The mechanism's attributes are those of the kind, once each, and there is material among them.
func TestWhatMechanismsMake(t *testing.T) {
	class, typ := ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)
	length, value := ck.Ulong(ck.CKA_VALUE_LEN, uint64(16)), ck.Bytes(ck.CKA_VALUE, make([]byte, 16))
	for name, c := range map[string]struct {
		made ck.Template
		want ck.Error
	}{
		"a key":           {ck.Template{value}, ck.CKR_OK},
		"a key twice":     {ck.Template{value, ck.Bytes(ck.CKA_VALUE, make([]byte, 24))}, ck.CKR_TEMPLATE_INCONSISTENT},
		"what no key has": {ck.Template{value, ck.Bytes(ck.CKA_MODULUS, []byte{1})}, ck.CKR_TEMPLATE_INCONSISTENT},
		"nothing":         {nil, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"another kind of key": {ck.Template{value, ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)},
			ck.CKR_TEMPLATE_INCONSISTENT},
		"the same kind of key": {ck.Template{value, typ}, ck.CKR_OK},
	} {
		_, err := object.Build(object.Source{Origin: object.Generate, Made: c.made}, ck.Template{class, typ, length})
		require.Equal(t, c.want, ck.CodeOf(err), "%s: %v", name, err)
	}
	// Data may be derived (CKM_HKDF_DATA); the length is for the mechanism.
	o, err := object.Build(object.Source{Origin: object.Derive, Made: ck.Template{value}}, data(length))
	require.NoError(t, err)
	require.False(t, o.Attrs.Has(ck.CKA_VALUE_LEN))
	require.Equal(t, value.Value, o.Attrs.Get(ck.CKA_VALUE))
	for _, origin := range []object.Origin{object.Generate, object.Unwrap} {
		_, err := object.Build(object.Source{Origin: origin, Made: ck.Template{value}}, data())
		wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
	}
	_, err = object.Build(object.Source{}, data(length))
	wantCode(t, err, ck.CKR_ATTRIBUTE_TYPE_INVALID)
	_, err = object.Build(object.Source{Origin: object.Derive}, object.CertificateTemplate(certificate(t)))
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
}

// A derived key that is short is readable, and others are guarded where nothing is said.
func TestShortDerivedKeys(t *testing.T) {
	for _, c := range []struct {
		n    int
		more []ck.Attribute
		want ck.Error
	}{
		{16, nil, ck.CKR_OK},
		{15, nil, ck.CKR_OK},
		{16, []ck.Attribute{on(ck.CKA_SENSITIVE), off(ck.CKA_EXTRACTABLE)}, ck.CKR_OK},
		{15, []ck.Attribute{on(ck.CKA_SENSITIVE)}, ck.CKR_TEMPLATE_INCONSISTENT},
		{15, []ck.Attribute{off(ck.CKA_EXTRACTABLE)}, ck.CKR_TEMPLATE_INCONSISTENT},
		{15, []ck.Attribute{off(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE)}, ck.CKR_OK},
	} {
		src := object.Source{Origin: object.Derive, Made: ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, c.n))}}
		tpl := append(ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
		}, c.more...)
		o, err := object.Build(src, tpl)
		require.Equal(t, c.want, ck.CodeOf(err), "%d bytes, %v: %v", c.n, c.more, err)
		if c.want == ck.CKR_OK {
			require.Equal(t, c.n == 16, o.Sensitive())
			require.Equal(t, c.n == 15, o.Extractable())
			require.Equal(t, c.n == 16, o.Bool(ck.CKA_WRAP_WITH_TRUSTED))
		}
	}
	// Only derived secrets are short: data and keys that are brought are not.
	require.True(t, build(t, secretTemplate(ck.CKK_GENERIC_SECRET, []byte("short"))).Sensitive())
}

// Unwrapping relaxes no protection.
func TestUnwrappedKeysStayIn(t *testing.T) {
	for _, c := range []struct {
		more    []ck.Attribute
		want    ck.Error
		trusted bool
	}{
		{nil, ck.CKR_OK, true},
		{[]ck.Attribute{on(ck.CKA_EXTRACTABLE)}, ck.CKR_OK, true},
		{[]ck.Attribute{on(ck.CKA_EXTRACTABLE), off(ck.CKA_SENSITIVE)}, ck.CKR_TEMPLATE_INCONSISTENT, false},
		{[]ck.Attribute{off(ck.CKA_EXTRACTABLE), off(ck.CKA_SENSITIVE)}, ck.CKR_OK, false},
		{[]ck.Attribute{on(ck.CKA_EXTRACTABLE), off(ck.CKA_WRAP_WITH_TRUSTED)}, ck.CKR_TEMPLATE_INCONSISTENT, false},
		{[]ck.Attribute{on(ck.CKA_EXTRACTABLE), on(ck.CKA_WRAP_WITH_TRUSTED)}, ck.CKR_OK, true},
		{[]ck.Attribute{off(ck.CKA_EXTRACTABLE), off(ck.CKA_WRAP_WITH_TRUSTED)}, ck.CKR_OK, false},
	} {
		src := object.Source{Origin: object.Unwrap, Made: ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}}
		tpl := append(ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
		}, c.more...)
		o, err := object.Build(src, tpl)
		require.Equal(t, c.want, ck.CodeOf(err), "%v: %v", c.more, err)
		if err == nil {
			require.Equal(t, c.trusted, o.Bool(ck.CKA_WRAP_WITH_TRUSTED), "%v", c.more)
		}
	}
}

// The smallest RSA key is what the source says, and never below the smallest of all.
func TestSmallestRSAKey(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for _, c := range []struct {
		key  *rsa.PrivateKey
		bits int
		want ck.Error
	}{
		{small, 0, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{small, 1025, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{small, 1024, ck.CKR_OK},
		{small, 1, ck.CKR_OK},
		{testRSA(), 0, ck.CKR_OK},
		{testRSA(), 2048, ck.CKR_OK},
		{testRSA(), 2049, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		_, err := object.Build(object.Source{MinRSABits: c.bits}, privateTemplate(t, c.key))
		require.Equal(t, c.want, ck.CodeOf(err), "%d: %v", c.bits, err)
	}
	odd := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 1022), big.NewInt(1)) // of 1023 bits
	for _, c := range []struct {
		n, e *big.Int
		want ck.Error
	}{
		{odd, big.NewInt(3), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{new(big.Int).Add(odd, new(big.Int).Lsh(big.NewInt(1), 1023)), big.NewInt(3), ck.CKR_OK},
		{new(big.Int).Add(odd, new(big.Int).Lsh(big.NewInt(1), 8191)), big.NewInt(1<<31 - 1), ck.CKR_OK},
		{new(big.Int).Add(odd, new(big.Int).Lsh(big.NewInt(1), 8192)), big.NewInt(3), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{testRSA().N, big.NewInt(1<<31 + 1), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{testRSA().N, big.NewInt(2), ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		_, err := object.Build(object.Source{}, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA),
			ck.Bytes(ck.CKA_MODULUS, c.n.Bytes()), ck.Bytes(ck.CKA_PUBLIC_EXPONENT, c.e.Bytes()),
		})
		require.Equal(t, c.want, ck.CodeOf(err), "%d bits, %v: %v", c.n.BitLen(), c.e, err)
	}
}

// To build an RSA private key takes long, to build another does not.
func TestWhatTakesLong(t *testing.T) {
	private, public := privateTemplate(t, testRSA()), publicTemplate(t, &testRSA().PublicKey)
	for _, c := range []struct {
		made, t ck.Template
		want    bool
	}{
		{nil, private, true}, {private, nil, true}, {private[:1], private[1:], true},
		{nil, public, false}, {nil, aesTemplate(), false}, {nil, nil, false}, {nil, private[:1], false},
		{nil, privateTemplate(t, ecKey(t, elliptic.P256())), false},
	} {
		require.Equal(t, c.want, object.Source{Made: c.made}.TakesLong(c.t), "%v, %v", c.made, c.t)
	}
}

// An RSA key with numbers that cannot be made whole is refused.
func TestUselessRSANumbers(t *testing.T) {
	key := testRSA()
	n := func(typ ck.AttributeType, v *big.Int) ck.Attribute { return ck.Bytes(typ, v.Bytes()) }
	head := privateTemplate(t, key)[:2]
	lambdaFactor := big.NewInt(2) // divides p-1, so an exponent of 2 has no inverse
	for name, c := range map[string]struct {
		t    ck.Template
		want ck.Error
	}{
		"no exponent": {ck.Template{n(ck.CKA_MODULUS, key.N), n(ck.CKA_PRIME_1, key.Primes[0]),
			n(ck.CKA_PRIME_2, key.Primes[1])},
			ck.CKR_TEMPLATE_INCOMPLETE},
		"a large public exponent with the primes": {ck.Template{n(ck.CKA_MODULUS, key.N), n(ck.CKA_PRIME_1, key.Primes[0]),
			n(ck.CKA_PRIME_2, key.Primes[1]), n(ck.CKA_PUBLIC_EXPONENT, largeExponent(key))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"an exponent without inverse": {ck.Template{n(ck.CKA_MODULUS, key.N), n(ck.CKA_PRIME_1, key.Primes[0]),
			n(ck.CKA_PRIME_2, key.Primes[1]), n(ck.CKA_PUBLIC_EXPONENT, lambdaFactor)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"a private exponent as large as the modulus": {ck.Template{n(ck.CKA_MODULUS, key.N),
			n(ck.CKA_PUBLIC_EXPONENT, big.NewInt(3)),
			n(ck.CKA_PRIVATE_EXPONENT, key.N)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"a public exponent that is large": {ck.Template{n(ck.CKA_MODULUS, key.N),
			n(ck.CKA_PUBLIC_EXPONENT, big.NewInt(1<<31+1)),
			n(ck.CKA_PRIVATE_EXPONENT, key.D)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"exponents of 1": {ck.Template{n(ck.CKA_MODULUS, key.N), n(ck.CKA_PUBLIC_EXPONENT, big.NewInt(1)),
			n(ck.CKA_PRIVATE_EXPONENT, big.NewInt(1))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"an even product": {ck.Template{n(ck.CKA_MODULUS, key.N), n(ck.CKA_PUBLIC_EXPONENT, big.NewInt(2)),
			n(ck.CKA_PRIVATE_EXPONENT, key.D)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"exponents of another key": {ck.Template{n(ck.CKA_MODULUS, key.N), n(ck.CKA_PUBLIC_EXPONENT, big.NewInt(65537)),
			n(ck.CKA_PRIVATE_EXPONENT, new(big.Int).Sub(key.D, big.NewInt(2)))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"primes in the other order": {ck.Template{n(ck.CKA_MODULUS, key.N),
			n(ck.CKA_PUBLIC_EXPONENT, big.NewInt(int64(key.E))),
			n(ck.CKA_PRIME_1, key.Primes[1]), n(ck.CKA_PRIME_2, key.Primes[0])}, ck.CKR_OK},
	} {
		_, err := object.Build(object.Source{}, append(head[:2:2], c.t...))
		require.Equal(t, c.want, ck.CodeOf(err), "%s: %v", name, err)
	}
}

// largeExponent is a public exponent of 32 bits that has an inverse.
func largeExponent(key *rsa.PrivateKey) *big.Int {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(key.Primes[0], one), new(big.Int).Sub(key.Primes[1], one))
	e := big.NewInt(1<<31 + 1)
	for new(big.Int).ModInverse(e, phi) == nil {
		e.Add(e, big.NewInt(2))
	}
	return e
}

// Points, numbers and parameters of curves in forms that are none.
func TestBadCurveValues(t *testing.T) {
	for _, c := range object.Curves() {
		key, err := c.Generate()
		require.NoError(t, err)
		tpl := privateTemplate(t, key)
		value := tpl[3].Value
		point, err := object.EncodePoint(c.Public(key))
		require.NoError(t, err)
		_, err = c.PrivateKey(value)
		require.NoError(t, err)
		for name, v := range map[string][]byte{
			"a byte more": append(bytes.Repeat([]byte{1}, 1),
				value...), "nothing": {}, "one more in a string": append([]byte{4, byte(len(value) + 1), 9}, value...),
		} {
			_, err := c.PrivateKey(v)
			require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err), "%s: %s", c.Name, name)
		}
		raw, octets := point[2:], point
		if c.Name == "P-521" { // whose length has two bytes
			raw = point[3:]
		}
		for name, v := range map[string][]byte{
			"a byte more": append(bytes.Clone(raw),
				0), "a byte less": raw[:len(raw)-1], "trailing": append(bytes.Clone(octets), 0),
			"bits that are no bytes": append([]byte{3, byte(len(raw) + 1), 1}, raw...), "nothing": {},
		} {
			_, err := c.DecodePoint(v)
			require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err), "%s: %s", c.Name, name)
		}
		got, ok := object.CurveOfKey(key)
		require.True(t, ok)
		require.Equal(t, c.Name, got.Name)
		if c.KeyType == ck.CKK_EC {
			require.Equal(t, len(value), c.NumberSize(), c.Name)
		} else {
			require.Zero(t, c.NumberSize(), c.Name)
		}
		for _, other := range object.Curves() {
			if other.Name == c.Name {
				continue
			}
			pub, err := other.DecodePoint(raw)
			require.False(t, err == nil && other.KeyType == c.KeyType, "%s on %s: %v", c.Name, other.Name, pub)
		}
	}
	// Numbers of secp256k1 are 1 to the order less one.
	k := curveNamed(t, "secp256k1")
	order := unhex(t, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	for _, v := range [][]byte{make([]byte, 32), order, bytes.Repeat([]byte{0xff}, 32)} {
		_, err := k.PrivateKey(v)
		wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	order[31]--
	_, err := k.PrivateKey(order)
	require.NoError(t, err)
}

// Curves are known by OID and by each of their names, in a PrintableString.
func TestNamesOfCurves(t *testing.T) {
	for name, want := range map[string]string{
		"secp224r1": "P-224", "P-224": "P-224", "secp256r1": "P-256", "prime256v1": "P-256", "secp384r1": "P-384",
		"secp521r1": "P-521", "secp256k1": "secp256k1", "Ed25519": "edwards25519", "Ed448": "edwards448",
		"X25519": "curve25519", "X448": "curve448", "curve448": "curve448", "P-192": "", "": "",
	} {
		c, err := object.CurveOf(append([]byte{0x13, byte(len(name))}, name...))
		require.Equal(t, want, c.Name)
		require.Equal(t, want == "", err != nil, name)
		_, err = object.CurveOf(append([]byte{0x0c, byte(len(name))}, name...))
		require.Equal(t, ck.CKR_CURVE_NOT_SUPPORTED, ck.CodeOf(err), "%s in a UTF8String", name)
		_, err = object.CurveOf(append([]byte{0x93, byte(len(name))}, name...))
		require.Equal(t, ck.CKR_CURVE_NOT_SUPPORTED, ck.CodeOf(err), "%s with a tag of a context", name)
	}
	for name, oid := range map[string]asn1.ObjectIdentifier{
		"P-224": {1, 3, 132, 0, 33}, "P-256": {1, 2, 840, 10045, 3, 1, 7}, "P-384": {1, 3, 132, 0, 34},
		"P-521": {1, 3, 132, 0, 35}, "secp256k1": {1, 3, 132, 0, 10}, "edwards25519": {1, 3, 101, 112},
		"edwards448": {1, 3, 101, 113}, "curve25519": {1, 3, 101, 110}, "curve448": {1, 3, 101, 111},
	} {
		der, err := asn1.Marshal(oid)
		require.NoError(t, err)
		c, err := object.CurveOf(der)
		require.NoError(t, err, name)
		require.Equal(t, name, c.Name)
		require.Equal(t, der, c.OID)
	}
}

// Keys on another curve's parameters or of another type are not what they say.
func TestPrivateInfoOfOtherForms(t *testing.T) {
	for _, name := range []string{"secp256k1", "edwards25519"} {
		key, err := curveNamed(t, name).Generate()
		require.NoError(t, err)
		der, err := object.MarshalPrivate(key)
		require.NoError(t, err)
		_, err = object.ParsePrivate(append(bytes.Clone(der[:1]), der[2:]...))
		wantCode(t, err, ck.CKR_WRAPPED_KEY_INVALID)
		_, err = object.ParsePrivate(nil)
		wantCode(t, err, ck.CKR_WRAPPED_KEY_INVALID)
	}
}

// What is wrapped is the value of a secret key and the PKCS #8 of a private one.
func TestEncoded(t *testing.T) {
	secret := build(t, aesTemplate())
	v, err := secret.Encoded()
	require.NoError(t, err)
	require.Equal(t, []byte("0123456789abcdef"), v)
	clear(v)
	require.Equal(t, []byte("0123456789abcdef"), secret.Secret.Get(ck.CKA_VALUE), "it is a copy")
	tpl, err := object.FromEncoded(ck.CKO_SECRET_KEY, v)
	require.NoError(t, err)
	require.Equal(t,
		ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Bytes(ck.CKA_VALUE, make([]byte, 16))}, tpl)
	v[0] = 1
	require.Zero(t, tpl[1].Value[0], "it is a copy")

	private := build(t, privateTemplate(t, ecKey(t, elliptic.P256())))
	v, err = private.Encoded()
	require.NoError(t, err)
	tpl, err = object.FromEncoded(ck.CKO_PRIVATE_KEY, v)
	require.NoError(t, err)
	require.Equal(t, private.Secret, build(t, tpl).Secret)
	_, err = object.FromEncoded(ck.CKO_PRIVATE_KEY, v[1:])
	wantCode(t, err, ck.CKR_WRAPPED_KEY_INVALID)
	_, err = object.FromEncoded(ck.CKO_DATA, v)
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)

	for _, o := range []*object.Object{secret, private} {
		_, err = o.WithoutSecret().Encoded()
		require.ErrorIs(t, err, object.ErrSealed)
	}
	_, err = build(t, data()).Encoded()
	wantCode(t, err, ck.CKR_KEY_NOT_WRAPPABLE)
}

// Keys that are not there, are sealed, or do not fit together.
func TestPrivateKeyOfObjects(t *testing.T) {
	o := build(t, privateTemplate(t, testRSA()))
	_, err := o.WithoutSecret().PrivateKey()
	require.ErrorIs(t, err, object.ErrSealed)
	_, err = o.WithoutSecret().RSANumbers()
	require.ErrorIs(t, err, object.ErrSealed)
	_, err = build(t, aesTemplate()).PrivateKey()
	wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
	for _, typ := range []ck.AttributeType{
		ck.CKA_PRIVATE_EXPONENT, ck.CKA_PRIME_1, ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT,
	} {
		v := bytes.Clone(o.Secret.Get(typ))
		v[len(v)-1] ^= 2
		_, err := o.WithSecret(o.Secret.With(ck.Bytes(typ, v))).PrivateKey()
		require.Equal(t, ck.CKR_DEVICE_ERROR, ck.CodeOf(err), "%v: %v", typ, err)
	}
	odd := &object.Object{Attrs: o.Attrs.With(ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_DSA)), Secret: o.Secret}
	_, err = odd.PrivateKey()
	wantCode(t, err, ck.CKR_KEY_TYPE_INCONSISTENT)
	odd.Attrs = o.Attrs.With(ck.Bytes(ck.CKA_MODULUS, []byte{2}))
	_, err = odd.PrivateKey()
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	odd.Attrs = o.Attrs.With(ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_EC), ck.Bytes(ck.CKA_EC_PARAMS, []byte{1}))
	_, err = odd.PrivateKey()
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	odd.Attrs = o.Attrs.With(ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_ML_DSA), ck.Ulong(ck.CKA_PARAMETER_SET, uint64(77)))
	_, err = odd.PrivateKey()
	wantCode(t, err, ck.CKR_PARAMETER_SET_NOT_SUPPORTED)

	three := *testRSA()
	three.Primes = append(three.Primes[:2:2], big.NewInt(3))
	_, err = object.PrivateTemplate(&three)
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
}

// A wrapping key takes only keys that are like its template, and that come back with all that
// holds them.
func TestWhatIsWrapped(t *testing.T) {
	wrapping := generated(t, on(ck.CKA_WRAP))
	open := []ck.Attribute{on(ck.CKA_EXTRACTABLE), off(ck.CKA_WRAP_WITH_TRUSTED)}
	with := func(more ...ck.Attribute) *object.Object { return generated(t, append(open[:2:2], more...)...) }
	private := func(more ...ck.Attribute) *object.Object {
		return build(t, privateTemplate(t, ecKey(t, elliptic.P256())), append(open[:2:2], more...)...)
	}
	demands := func(by ck.AttributeType, t ...ck.Attribute) ck.Attribute { return ck.Bytes(by, ck.EncodeTemplate(t)) }
	decapsulates := func(more ...ck.Attribute) *object.Object {
		return build(t, privateTemplate(t, quickSets(t)[2].Generate()), append(open[:2:2], more...)...)
	}
	for name, c := range map[string]struct {
		by, key *object.Object
		want    ck.Error
	}{
		"a key":            {wrapping, with(), ck.CKR_OK},
		"a private key":    {wrapping, private(), ck.CKR_OK},
		"unextractable":    {wrapping, generated(t), ck.CKR_KEY_UNEXTRACTABLE},
		"trusted only":     {wrapping, generated(t, on(ck.CKA_EXTRACTABLE)), ck.CKR_KEY_NOT_WRAPPABLE},
		"data":             {wrapping, build(t, data()), ck.CKR_KEY_NOT_WRAPPABLE},
		"a public key":     {wrapping, build(t, publicTemplate(t, &testRSA().PublicKey)), ck.CKR_KEY_NOT_WRAPPABLE},
		"a key that wraps": {wrapping, with(on(ck.CKA_WRAP)), ck.CKR_KEY_NOT_WRAPPABLE},
		"asks always":      {wrapping, private(on(ck.CKA_ALWAYS_AUTHENTICATE)), ck.CKR_KEY_NOT_WRAPPABLE},
		"keeps what is derived": {wrapping, with(demands(ck.CKA_DERIVE_TEMPLATE, on(ck.CKA_SENSITIVE))),
			ck.CKR_KEY_NOT_WRAPPABLE},
		"lets go what is derived": {wrapping, with(demands(ck.CKA_DERIVE_TEMPLATE, off(ck.CKA_SENSITIVE))), ck.CKR_OK},
		"keeps what is decapsulated": {wrapping, decapsulates(demands(ck.CKA_DECAPSULATE_TEMPLATE, on(ck.CKA_SENSITIVE))),
			ck.CKR_KEY_NOT_WRAPPABLE},
		"lets go what is decapsulated": {wrapping, decapsulates(), ck.CKR_OK},
		"like the template": {generated(t, on(ck.CKA_WRAP), wrapTemplate(on(ck.CKA_SIGN))),
			with(on(ck.CKA_SIGN)), ck.CKR_OK},
		"unlike the template": {generated(t, on(ck.CKA_WRAP), wrapTemplate(on(ck.CKA_SIGN))), with(on(ck.CKA_VERIFY)),
			ck.CKR_KEY_HANDLE_INVALID},
		"a template that is none": {&object.Object{Attrs: wrapping.Attrs.With(ck.Bytes(ck.CKA_WRAP_TEMPLATE,
			[]byte{1}))}, with(),
			ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"sensitive, with one that decrypts": {generated(t, on(ck.CKA_WRAP), on(ck.CKA_DECRYPT)), with(),
			ck.CKR_KEY_NOT_WRAPPABLE},
		"readable, with one that decrypts": {generated(t, on(ck.CKA_WRAP), on(ck.CKA_DECRYPT)),
			with(off(ck.CKA_SENSITIVE)), ck.CKR_OK},
		"sensitive, with one that is known": {build(t, aesTemplate(on(ck.CKA_WRAP))), with(), ck.CKR_KEY_NOT_WRAPPABLE},
	} {
		require.Equal(t, c.want, ck.CodeOf(c.by.MayWrap(c.key)), name)
	}
	require.NoError(t, wrapping.MaySeal(with()))
	encrypts := generated(t, on(ck.CKA_WRAP), on(ck.CKA_ENCRYPT))
	wantCode(t, encrypts.MaySeal(with()), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	require.NoError(t, encrypts.MaySeal(with(off(ck.CKA_SENSITIVE))))
	both := wrapping.Attrs.With(ck.Bytes(ck.CKA_UNWRAP_TEMPLATE, []byte{1}))
	_, err := (&object.Object{Attrs: both}).ApplyDerivedTemplate(ck.CKA_UNWRAP_TEMPLATE, nil)
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	_, err = wrapping.ApplyDerivedTemplate(ck.CKA_UNWRAP_TEMPLATE, ck.Template{on(ck.CKA_SIGN), off(ck.CKA_SIGN)})
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
}

// What a key demands is a value of the same meaning: any byte but 0 is true, and text is text.
func TestDemandedValues(t *testing.T) {
	demands := func(a ck.Attribute) *object.Object {
		return &object.Object{Attrs: object.Set{ck.Bytes(ck.CKA_DERIVE_TEMPLATE, ck.EncodeTemplate(ck.Template{a}))}}
	}
	for _, c := range []struct {
		demanded, given ck.Attribute
		want            ck.Error
	}{
		{on(ck.CKA_SIGN), ck.Bytes(ck.CKA_SIGN, []byte{9}), ck.CKR_OK},
		{on(ck.CKA_SIGN), off(ck.CKA_SIGN), ck.CKR_TEMPLATE_INCONSISTENT},
		{off(ck.CKA_SIGN), off(ck.CKA_SIGN), ck.CKR_OK},
		{on(ck.CKA_SIGN), ck.Bytes(ck.CKA_SIGN, []byte{1, 1}), ck.CKR_TEMPLATE_INCONSISTENT},
		{off(ck.CKA_SIGN), ck.Bytes(ck.CKA_SIGN, nil), ck.CKR_TEMPLATE_INCONSISTENT},
		{ck.Bytes(ck.CKA_SIGN, nil), off(ck.CKA_SIGN), ck.CKR_TEMPLATE_INCONSISTENT},
		{ck.String(ck.CKA_LABEL, "a"), ck.String(ck.CKA_LABEL, "a"), ck.CKR_OK},
		{ck.String(ck.CKA_LABEL, "a"), ck.String(ck.CKA_LABEL, "b"), ck.CKR_TEMPLATE_INCONSISTENT},
		{ck.String(ck.CKA_LABEL, "a"), ck.String(ck.CKA_LABEL, "aa"), ck.CKR_TEMPLATE_INCONSISTENT},
	} {
		_, err := demands(c.demanded).ApplyDerivedTemplate(ck.CKA_DERIVE_TEMPLATE, ck.Template{c.given})
		require.Equal(t, c.want, ck.CodeOf(err), "%v for %v", c.given.Value, c.demanded.Value)
	}
}

// The issuer and the serial number of a certificate are the application's to change, whether the
// certificate is elsewhere or here.
func TestChangeOfCertificates(t *testing.T) {
	elsewhere := build(t, object.CertificateTemplate(nil), ck.String(ck.CKA_URL, "https://x"),
		ck.Bytes(ck.CKA_SUBJECT, []byte("s")))
	c, err := elsewhere.Change(ck.Template{ck.Bytes(ck.CKA_ISSUER, []byte("i"))}, false)
	require.NoError(t, err)
	require.Equal(t, []byte("i"), c.Attrs.Get(ck.CKA_ISSUER))
	here := build(t, object.CertificateTemplate(certificate(t)))
	c, err = here.Change(ck.Template{ck.Bytes(ck.CKA_SERIAL_NUMBER, []byte{1})}, false)
	require.NoError(t, err)
	require.Equal(t, []byte{1}, c.Attrs.Get(ck.CKA_SERIAL_NUMBER))
	_, err = object.Build(object.Source{}, object.CertificateTemplate(append(certificate(t), 0)))
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	for _, more := range [][]ck.Attribute{
		{ck.String(ck.CKA_URL, "https://x")}, {ck.Bytes(ck.CKA_SUBJECT, []byte("s"))}, {ck.String(ck.CKA_URL, ""),
			ck.Bytes(ck.CKA_SUBJECT, nil)},
	} {
		_, err := object.Build(object.Source{}, append(object.CertificateTemplate(nil), more...))
		wantCode(t, err, ck.CKR_TEMPLATE_INCOMPLETE)
	}
}

// A key that asks for the PIN at each use stays private.
func TestCopyOfKeyThatAsks(t *testing.T) {
	public := build(t, privateTemplate(t, testRSA()), off(ck.CKA_PRIVATE))
	o := &object.Object{Attrs: public.Attrs.With(on(ck.CKA_ALWAYS_AUTHENTICATE)), Secret: public.Secret}
	_, err := o.Change(ck.Template{ck.String(ck.CKA_LABEL, "x")}, false)
	wantCode(t, err, ck.CKR_TEMPLATE_INCONSISTENT)
}

// A private key may come with its point, in any of the forms of one.
func TestPointOfPrivateKey(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	private, public := privateTemplate(t, key), publicTemplate(t, &key.PublicKey)
	want := public[3].Value
	for _, form := range [][]byte{want, want[2:], nil} {
		require.Equal(t, want, build(t, private, ck.Bytes(ck.CKA_EC_POINT, form)).Attrs.Get(ck.CKA_EC_POINT))
	}
	_, err := object.Build(object.Source{}, append(private[:4:4], ck.Bytes(ck.CKA_EC_POINT, want[1:])))
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
}

// A secret of the mechanism's has its limits, too.
func TestSecretsThatMechanismsMake(t *testing.T) {
	for n, want := range map[int]ck.Error{
		0: ck.CKR_ATTRIBUTE_VALUE_INVALID, 1: ck.CKR_OK,
		object.MaxSecretLen: ck.CKR_OK, object.MaxSecretLen + 1: ck.CKR_ATTRIBUTE_VALUE_INVALID,
	} {
		src := object.Source{Origin: object.Unwrap, Made: ck.Template{ck.Bytes(ck.CKA_VALUE, make([]byte, n))}}
		_, err := object.Build(src, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
		})
		require.Equal(t, want, ck.CodeOf(err), "%d bytes: %v", n, err)
	}
}

// A secret attribute that a readable key could have and has not is none.
func TestReadSeedThatIsNotKnown(t *testing.T) {
	key := quickSets(t)[2].Generate()
	for _, known := range []bool{false, true} {
		tpl := privateTemplate(t, key)
		if !known {
			tpl = tpl[:4]
		}
		o := build(t, tpl, off(ck.CKA_SENSITIVE), on(ck.CKA_EXTRACTABLE))
		seed, err := o.Read(ck.CKA_SEED)
		if known {
			require.NoError(t, err)
			require.Equal(t, key.Seed, seed)
		} else {
			wantCode(t, err, ck.CKR_ATTRIBUTE_TYPE_INVALID)
		}
	}
}

// Bytes after a private key in its PKCS #8, or another structure, are no key.
func TestPrivateInfoWithMore(t *testing.T) {
	for _, c := range object.Curves() {
		if strings.HasPrefix(c.Name, "P-") {
			continue // which the standard library reads
		}
		key, err := c.Generate()
		require.NoError(t, err)
		der, err := object.MarshalPrivate(key)
		require.NoError(t, err)
		var info struct {
			Version   int
			Algorithm pkix.AlgorithmIdentifier
			Key       []byte
		}
		_, err = asn1.Unmarshal(der, &info)
		require.NoError(t, err)
		good := info.Key
		for name, inner := range map[string][]byte{
			"the key": good, "a byte more": append(bytes.Clone(good), 0), "nothing": {}, "a number": {2, 1, 1},
		} {
			info.Key = inner
			der, err := asn1.Marshal(info)
			require.NoError(t, err)
			_, err = object.ParsePrivate(der)
			require.Equal(t, name == "the key", err == nil, "%s: %s", c.Name, name)
		}
	}
}

// A key on a curve without a name is not encoded.
func TestKeysOnNamelessCurves(t *testing.T) {
	key := *ecKey(t, elliptic.P256())
	key.Curve = elliptic.P256().Params() // its numbers alone
	_, err := object.MarshalPublic(&key.PublicKey)
	wantCode(t, err, ck.CKR_ATTRIBUTE_VALUE_INVALID)
	_, err = object.MarshalPrivate(&key)
	wantCode(t, err, ck.CKR_KEY_NOT_WRAPPABLE)
}

// The size of a modulus is looked at before the other numbers.
func TestSizeOfPrivateModulus(t *testing.T) {
	for bits, want := range map[int]ck.Error{
		2047: ck.CKR_ATTRIBUTE_VALUE_INVALID, 2048: ck.CKR_TEMPLATE_INCOMPLETE,
		8192: ck.CKR_TEMPLATE_INCOMPLETE, 8193: ck.CKR_ATTRIBUTE_VALUE_INVALID,
	} {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		_, err := object.Build(object.Source{}, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_RSA), ck.Bytes(ck.CKA_MODULUS, n.Bytes()),
		})
		require.Equal(t, want, ck.CodeOf(err), "%d bits", bits)
	}
}
