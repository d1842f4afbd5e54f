package object_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// otpTemplate is a template of a one-time password key with some attributes more.
func otpTemplate(more ...ck.Attribute) ck.Template {
	return append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP),
		ck.Bytes(ck.CKA_VALUE, []byte("12345678901234567890")),
	}, more...)
}

// What a template leaves out follows from the rest: a key with a time step, or that asks for the
// time, looks at the time, and any other counts.
func TestDefaultsOfOTPKeys(t *testing.T) {
	counts := object.OTP{Hash: "SHA1", Digits: 6, Counter: ck.CK_OTP_PARAM_OPTIONAL, Friendly: true}
	looks := object.OTP{Hash: "SHA1", Digits: 6, Period: 30, Time: ck.CK_OTP_PARAM_OPTIONAL, Friendly: true}
	for name, c := range map[string]struct {
		more   []ck.Attribute
		want   func(o *object.OTP)
		counts bool
	}{
		"nothing": {nil, func(*object.OTP) {}, true},
		"digits":  {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_LENGTH, uint64(8))}, func(o *object.OTP) { o.Digits = 8 }, true},
		"hash": {
			[]ck.Attribute{ck.String(ck.CKA_VTOKEN_OTP_HASH, "SHA512")},
			func(o *object.OTP) { o.Hash = "SHA512" }, true,
		},
		"hash 256": {
			[]ck.Attribute{ck.String(ck.CKA_VTOKEN_OTP_HASH, "SHA256")},
			func(o *object.OTP) { o.Hash = "SHA256" }, true,
		},
		"time step": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(86400))},
			func(o *object.OTP) { o.Period = 86400 }, false,
		},
		"time": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)},
			func(o *object.OTP) { o.Time = ck.CK_OTP_PARAM_MANDATORY }, false,
		},
		"counter": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)},
			func(o *object.OTP) { o.Counter = ck.CK_OTP_PARAM_MANDATORY }, true,
		},
	} {
		o, err := object.Build(object.Source{}, otpTemplate(c.more...))
		require.NoError(t, err, name)
		want := looks
		if c.counts {
			want = counts
		}
		c.want(&want)
		require.Equal(t, want, o.OTP(), name)
		n, ok := object.OTPCounter(o.Attrs)
		require.Equal(t, c.counts, ok, name)
		require.Zero(t, n)
	}
}

// A key that no password can be made with is refused.
func TestBadOTPKeys(t *testing.T) {
	for name, c := range map[string]struct {
		more []ck.Attribute
		code ck.Error
	}{
		"hash":            {[]ck.Attribute{ck.String(ck.CKA_VTOKEN_OTP_HASH, "MD5")}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"too few digits":  {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_LENGTH, uint64(5))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"too many digits": {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_LENGTH, uint64(9))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"format":          {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_FORMAT, uint64(1))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"challenge": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_CHALLENGE_REQUIREMENT, uint64(1))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID,
		},
		"PIN": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_PIN_REQUIREMENT, uint64(1))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID,
		},
		"time": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_REQUIREMENT, uint64(3))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID,
		},
		"counter": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, uint64(3))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID,
		},
		"neither": {[]ck.Attribute{
			ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED),
		}, ck.CKR_TEMPLATE_INCONSISTENT},
		"both": {[]ck.Attribute{
			ck.Ulong(ck.CKA_OTP_TIME_REQUIREMENT, ck.CK_OTP_PARAM_OPTIONAL),
			ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_OPTIONAL),
		}, ck.CKR_TEMPLATE_INCONSISTENT},
		"step of a counter": {[]ck.Attribute{
			ck.Ulong(ck.CKA_OTP_TIME_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED), ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(30)),
		}, ck.CKR_TEMPLATE_INCONSISTENT},
		"no step": {[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(0))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"long step": {
			[]ck.Attribute{ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(86401))},
			ck.CKR_ATTRIBUTE_VALUE_INVALID,
		},
		"short counter": {[]ck.Attribute{ck.Bytes(ck.CKA_OTP_COUNTER, make([]byte, 7))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"empty counter": {[]ck.Attribute{ck.Bytes(ck.CKA_OTP_COUNTER, []byte{})}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"the time":      {[]ck.Attribute{ck.Bytes(ck.CKA_OTP_TIME, make([]byte, 14))}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		_, err := object.Build(object.Source{}, otpTemplate(c.more...))
		require.Equal(t, c.code, ck.CodeOf(err), "%s: %v", name, err)
	}
}

// The template of a new key builds, as what was asked for, and has a copy of the seed.
func TestNewOTP(t *testing.T) {
	seed := secret.Bytes("12345678901234567890")
	o, err := object.Build(object.Source{}, object.NewOTP(object.OTP{}, seed, 7, "label", []byte("id")))
	require.NoError(t, err)
	require.Equal(t, object.OTP{Hash: "SHA1", Digits: 6, Counter: ck.CK_OTP_PARAM_OPTIONAL, Friendly: true}, o.OTP())
	n, ok := object.OTPCounter(o.Attrs)
	require.True(t, ok)
	require.Equal(t, uint64(7), n)
	for is, want := range map[ck.AttributeType]bool{
		ck.CKA_TOKEN: true, ck.CKA_PRIVATE: true, ck.CKA_SENSITIVE: true, ck.CKA_EXTRACTABLE: false,
		ck.CKA_SIGN: true, ck.CKA_VERIFY: true,
	} {
		require.Equal(t, want, o.Attrs.Bool(is), "%v", is)
	}

	asked := object.OTP{Hash: "SHA256", Digits: 8, Period: 60}
	o, err = object.Build(object.Source{}, object.NewOTP(asked, seed, 7, "", nil))
	require.NoError(t, err)
	require.Equal(t, object.OTP{
		Hash: "SHA256", Digits: 8, Period: 60, Time: ck.CK_OTP_PARAM_OPTIONAL, Friendly: true,
	}, o.OTP())
	_, ok = object.OTPCounter(o.Attrs)
	require.False(t, ok)

	template := object.NewOTP(object.OTP{}, seed, 0, "", nil)
	seed.Wipe()
	require.Equal(t, []byte("12345678901234567890"), template[len(template)-2].Value)
}

// The counter moves on in a copy of the key.
func TestAdvanced(t *testing.T) {
	o, err := object.Build(object.Source{}, otpTemplate())
	require.NoError(t, err)
	next := o.Advanced(ck.Template{object.OTPCounterAttribute(1 << 40)})
	n, _ := object.OTPCounter(next.Attrs)
	require.Equal(t, uint64(1<<40), n)
	n, _ = object.OTPCounter(o.Attrs)
	require.Zero(t, n)
}
