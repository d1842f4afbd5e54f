package mech

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// The values of RFC 4226, appendix D.
var rfc4226 = []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
	"520489"}

// rfc6238 is appendix B of RFC 6238: a time and the values with each hash.
var rfc6238 = []struct {
	unix                 int64
	sha1, sha256, sha512 string
}{
	{59, "94287082", "46119246", "90693936"},
	{1111111109, "07081804", "68084774", "25091201"},
	{1111111111, "14050471", "67062674", "99943326"},
	{1234567890, "89005924", "91819424", "93441116"},
	{2000000000, "69279037", "90698825", "38618901"},
	{20000000000, "65353130", "77737706", "47863826"},
}

// rfcSeed is the seed of both RFCs, as long as the hash is.
func rfcSeed(n int) secret.Bytes { return secret.Bytes(strings.Repeat("1234567890", 7)[:n]) }

func otpKey(t *testing.T, o object.OTP, seed secret.Bytes, more ...ck.Attribute) (*object.Object, *Key) {
	t.Helper()
	obj, err := object.Build(object.Source{}, append(object.NewOTP(o, seed, 0, "otp", []byte{1}), more...))
	require.NoError(t, err)
	k, err := ParseKey(obj, nil)
	require.NoError(t, err)
	return obj, k
}

// password makes the next password of a key and returns the key after it.
func password(t *testing.T, o *object.Object, k *Key, p ck.Parameter, now time.Time) (string, *object.Object) {
	t.Helper()
	d, _ := Lookup(ck.CKM_HOTP)
	s, err := d.Sign(k, p)
	require.NoError(t, err)
	require.NoError(t, s.Update(nil))
	next, err := s.(Stateful).Advance(o.Attrs, now)
	require.NoError(t, err)
	out, err := s.Final()
	if err != nil || len(out) != s.Len() {
		t.Fatalf("%d bytes of %d: %v", len(out), s.Len(), err)
	}
	return string(out), o.Advanced(next)
}

func TestHOTPVectors(t *testing.T) {
	o, k := otpKey(t, object.OTP{}, rfcSeed(20))
	for i, want := range rfc4226 {
		var got string
		if got, o = password(t, o, k, nil, time.Time{}); got != want {
			t.Errorf("counter %d: %s, want %s", i, got, want)
		}
	}
	if c, ok := object.OTPCounter(o.Attrs); !ok || c != uint64(len(rfc4226)) {
		t.Errorf("the counter is %d after %d passwords", c, len(rfc4226))
	}
}

func TestTOTPVectors(t *testing.T) {
	for _, hash := range []struct {
		name string
		size int
		want func(i int) string
	}{
		{ck.OTPHashSHA1, 20, func(i int) string { return rfc6238[i].sha1 }},
		{ck.OTPHashSHA256, 32, func(i int) string { return rfc6238[i].sha256 }},
		{ck.OTPHashSHA512, 64, func(i int) string { return rfc6238[i].sha512 }},
	} {
		o, k := otpKey(t, object.OTP{Hash: hash.name, Digits: 8, Period: 30}, rfcSeed(hash.size))
		for i, row := range rfc6238 {
			at := time.Unix(row.unix, 0)
			if got, _ := password(t, o, k, nil, at); got != hash.want(i) {
				t.Errorf("%s at %d: %s, want %s", hash.name, row.unix, got, hash.want(i))
			}
			given := ck.OTPParams{{Type: ck.CK_OTP_TIME, Value: []byte(at.UTC().Format(otpTime))}}
			if got, _ := password(t, o, k, given, time.Now()); !strings.Contains(got, hash.want(i)) {
				t.Errorf("%s for the time %d given: %q", hash.name, row.unix, got)
			}
		}
	}
}

func ulongParam(t, v uint64) ck.OTPParam {
	return ck.OTPParam{Type: t, Value: binary.BigEndian.AppendUint64(nil, v)}
}

func TestOTPParameters(t *testing.T) {
	d, _ := Lookup(ck.CKM_HOTP)
	ulong := func(a ck.AttributeType, v uint64) ck.Attribute { return ck.Ulong(a, v) }
	hotp := object.OTP{}
	totp := object.OTP{Period: 30}
	for name, tc := range map[string]struct {
		key    object.OTP
		more   []ck.Attribute
		p      ck.Parameter
		sign   ck.Error
		verify ck.Error
	}{
		"none, counter":     {key: hotp, verify: ck.CKR_MECHANISM_PARAM_INVALID},
		"none, time":        {key: totp},
		"empty":             {key: totp, p: ck.OTPParams{}},
		"no bytes":          {key: totp, p: ck.RawParameter{}},
		"host bytes":        {key: totp, p: ck.RawParameter(make([]byte, 16)), sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"another structure": {key: totp, p: ck.EdDSAParams{}, sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"counter":           {key: hotp, p: ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 3)}},
		"counter of 4 bytes": {key: hotp, p: ck.OTPParams{{Type: ck.CK_OTP_COUNTER, Value: make([]byte, 4)}},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"twice": {key: hotp,
			p: ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 3), ulongParam(ck.CK_OTP_COUNTER, 3)}, sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"a value": {key: totp, p: ck.OTPParams{{Type: ck.CK_OTP_VALUE, Value: []byte("1")}},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"length 8": {key: totp, p: ck.OTPParams{ulongParam(ck.CK_OTP_OUTPUT_LENGTH, 8)}},
		"length 9": {key: totp, p: ck.OTPParams{ulongParam(ck.CK_OTP_OUTPUT_LENGTH, 9)},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"decimal": {key: totp, p: ck.OTPParams{ulongParam(ck.CK_OTP_OUTPUT_FORMAT, 0)}},
		"hexadecimal": {key: totp, p: ck.OTPParams{ulongParam(ck.CK_OTP_OUTPUT_FORMAT, 1)},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"PIN and challenge": {key: totp,
			p: ck.OTPParams{{Type: ck.CK_OTP_PIN, Value: []byte("1234")}, {Type: ck.CK_OTP_CHALLENGE}}},
		"bad time": {key: totp, p: ck.OTPParams{{Type: ck.CK_OTP_TIME, Value: []byte("yesterday")}},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"old time": {key: totp, p: ck.OTPParams{{Type: ck.CK_OTP_TIME, Value: []byte("19690101000000")}},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"next": {key: totp,
			p: ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_NEXT_OTP|ck.CKF_USER_FRIENDLY_OTP|ck.CKF_EXCLUDE_PIN|ck.CKF_EXCLUDE_COUNTER))}},
		"unknown flag": {key: totp, p: ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, 64)},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"no time": {key: totp, p: ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_EXCLUDE_TIME))},
			sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"no counter": {key: hotp,
			p: ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_EXCLUDE_COUNTER))}, sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"unfriendly": {key: totp, more: []ck.Attribute{ck.Bool(ck.CKA_OTP_USER_FRIENDLY_MODE, false)},
			p: ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS,
				uint64(ck.CKF_USER_FRIENDLY_OTP))}, sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"time wanted": {key: totp,
			more: []ck.Attribute{ulong(ck.CKA_OTP_TIME_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)}, sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"counter wanted": {key: hotp,
			more: []ck.Attribute{ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)}, sign: ck.CKR_MECHANISM_PARAM_INVALID},
		"both wanted and given": {key: hotp,
			more: []ck.Attribute{ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_MANDATORY)},
			p:    ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 0)}},
	} {
		_, k := otpKey(t, tc.key, rfcSeed(20), tc.more...)
		if tc.verify == 0 {
			tc.verify = tc.sign
		}
		_, err := d.Sign(k, tc.p)
		require.Equal(t, tc.sign, ck.CodeOf(err), "%s: sign: %v, want %v", name, err, tc.sign)
		if _, err = d.Verify(k, tc.p); ck.CodeOf(err) != tc.verify {
			t.Errorf("%s: verify: %v, want %v", name, err, tc.verify)
		}
	}
}

// A counter is used once, whether the key or the caller gives it. After the last one there is none.
func TestCounterMovesOn(t *testing.T) {
	d, _ := Lookup(ck.CKM_HOTP)
	o, k := otpKey(t, object.OTP{}, rfcSeed(20))
	at := func(n uint64) object.Set { return o.Advanced(ck.Template{object.OTPCounterAttribute(n)}).Attrs }
	for _, tc := range []struct {
		has  uint64
		p    ck.Parameter
		then uint64
		code ck.Error
	}{
		{5, nil, 6, ck.CKR_OK},
		{5, ck.OTPParams{}, 6, ck.CKR_OK},
		{5, ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 5)}, 6, ck.CKR_OK},
		{5, ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 9)}, 10, ck.CKR_OK},
		{5, ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 4)}, 0, ck.CKR_MECHANISM_PARAM_INVALID},
		{5, ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_NEXT_OTP))}, 7, ck.CKR_OK},
		{1<<64 - 3, ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_NEXT_OTP))}, 1<<64 - 1, ck.CKR_OK},
		{1<<64 - 2, nil, 0, ck.CKR_FUNCTION_REJECTED},
		{1<<64 - 1, nil, 0, ck.CKR_FUNCTION_REJECTED},
	} {
		s, err := d.Sign(k, tc.p)
		require.NoError(t, err)
		if _, err := s.Final(); err == nil {
			t.Error("a password without a counter")
		}
		next, err := s.(Stateful).Advance(at(tc.has), time.Time{})
		if ck.CodeOf(err) != tc.code {
			t.Errorf("%d, %v: %v, want %v", tc.has, tc.p, err, tc.code)
		} else if a, _ := next.Find(ck.CKA_OTP_COUNTER); err == nil && binary.BigEndian.Uint64(a.Value) != tc.then {
			t.Errorf("%d, %v: then %x, want %d", tc.has, tc.p, a.Value, tc.then)
		}
	}
	if err := errorOfUpdate(d, k); ck.CodeOf(err) != ck.CKR_DATA_LEN_RANGE {
		t.Errorf("with data: %v", err)
	}
}

func errorOfUpdate(d *Descriptor, k *Key) error {
	s, err := d.Sign(k, nil)
	if err != nil {
		return err
	}
	return s.Update([]byte{1})
}

// What a mechanism says of itself is true.
func TestStatefulIsTrue(t *testing.T) {
	_, k := otpKey(t, object.OTP{Period: 30}, rfcSeed(20))
	for _, m := range List() {
		d, _ := Lookup(m)
		if !d.Stateful {
			continue
		}
		s, err := d.Sign(k, nil)
		if _, ok := s.(Stateful); err != nil || !ok {
			t.Errorf("%v signs without a state: %T, %v", m, s, err)
		}
		v, err := d.Verify(k, nil)
		if _, ok := v.(Stateful); err != nil || !ok {
			t.Errorf("%v verifies without a state: %T, %v", m, v, err)
		}
		if info := d.Info(); info.Flags&(ck.CKF_MESSAGE_SIGN|ck.CKF_MESSAGE_VERIFY) != 0 {
			t.Errorf("%v has messages", m)
		}
	}
}

func TestHOTPVerifies(t *testing.T) {
	d, _ := Lookup(ck.CKM_HOTP)
	o, k := otpKey(t, object.OTP{}, rfcSeed(20))
	for value, code := range map[string]ck.Error{
		rfc4226[3]: ck.CKR_OK, rfc4226[4]: ck.CKR_SIGNATURE_INVALID, "12345": ck.CKR_SIGNATURE_LEN_RANGE, "": ck.CKR_SIGNATURE_LEN_RANGE,
	} {
		v, err := d.Verify(k, ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 3)})
		require.NoError(t, err)
		if next, err := v.(Stateful).Advance(o.Attrs, time.Time{}); err != nil || next != nil {
			t.Fatalf("a verification changes %v, %v", next, err)
		}
		if err := v.Final([]byte(value)); ck.CodeOf(err) != code {
			t.Errorf("%q: %v, want %v", value, err, code)
		}
	}
}

// Passwords have 1 to 9 digits, with one of three hashes.
func TestHOTPBounds(t *testing.T) {
	for digits, want := range map[int]string{0: "", 1: "4", 6: "755224", 9: "284755224", 10: ""} {
		got, err := HOTP(rfcSeed(20), ck.OTPHashSHA1, 0, digits)
		require.Equal(t, want == "", err != nil, "%d digits", digits)
		require.Equal(t, want, got)
	}
	for _, hash := range []string{"", "SHA-1", "MD5"} {
		_, err := HOTP(rfcSeed(20), hash, 0, 6)
		require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err))
	}
	require.EqualValues(t, 0, TOTPStep(time.Unix(-5, 0), 30))
	require.EqualValues(t, 0, TOTPStep(time.Unix(29, 0), 30))
	require.EqualValues(t, 1, TOTPStep(time.Unix(30, 0), 30))
}

// A seed is as long as the hash, or as long as the template says.
func TestSeedsOfNewKeys(t *testing.T) {
	d, _ := Lookup(ck.CKM_HOTP_KEY_GEN)
	for _, tc := range []struct {
		t    ck.Template
		size int // 0: refused
	}{
		{nil, 20},
		{ck.Template{ck.String(ck.CKA_VTOKEN_OTP_HASH, ck.OTPHashSHA256)}, 32},
		{ck.Template{ck.String(ck.CKA_VTOKEN_OTP_HASH, ck.OTPHashSHA512)}, 64},
		{ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, 16},
		{ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(15))}, 0},
		{ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(object.MaxSecretLen))}, object.MaxSecretLen},
		{ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(object.MaxSecretLen+1))}, 0},
	} {
		made, err := d.GenerateKey(nil, tc.t, nil)
		if tc.size == 0 {
			require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP)},
			made[:2])
		require.Len(t, made[2].Value, tc.size)
		require.NotEqual(t, make([]byte, tc.size), made[2].Value, "it is random")
	}
}

// With a parameter, a password comes with what it was made of.
func TestWhatPasswordsAreMadeOf(t *testing.T) {
	o, k := otpKey(t, object.OTP{}, rfcSeed(20))
	got, _ := password(t, o, k, ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 3)}, time.Time{})
	require.Equal(t, string(ck.OTPParams{
		{Type: ck.CK_OTP_VALUE, Value: []byte(rfc4226[3])}, ulongParam(ck.CK_OTP_COUNTER, 3),
	}.Info()), got)
	next := ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 3), ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_NEXT_OTP))}
	got, _ = password(t, o, k, next, time.Time{})
	require.Equal(t, string(ck.OTPParams{
		{Type: ck.CK_OTP_VALUE, Value: []byte(rfc4226[4])}, ulongParam(ck.CK_OTP_COUNTER, 4),
	}.Info()), got)

	o, k = otpKey(t, object.OTP{Digits: 8, Period: 30}, rfcSeed(20))
	at := time.Unix(59, 0).In(time.FixedZone("east", 3600))
	got, _ = password(t, o, k, ck.OTPParams{}, at)
	require.Equal(t, string(ck.OTPParams{
		{Type: ck.CK_OTP_VALUE, Value: []byte("94287082")}, {Type: ck.CK_OTP_TIME, Value: []byte("19700101000059")},
	}.Info()), got)
	got, _ = password(t, o, k, ck.OTPParams{{Type: ck.CK_OTP_TIME, Value: []byte("19700101000000")}}, at)
	want, err := HOTP(rfcSeed(20), ck.OTPHashSHA1, 0, 8)
	require.NoError(t, err)
	require.Contains(t, got, want)
}

// The least and the most digits that a caller may ask for.
func TestDigitsOfPasswords(t *testing.T) {
	o, k := otpKey(t, object.OTP{Period: 30}, rfcSeed(20))
	d, _ := Lookup(ck.CKM_HOTP)
	for digits, ok := range map[uint64]bool{5: false, 6: true, 7: true, 8: true, 9: false} {
		p := ck.OTPParams{ulongParam(ck.CK_OTP_OUTPUT_LENGTH, digits)}
		_, err := d.Sign(k, p)
		require.Equal(t, ok, err == nil)
		if ok {
			want, err := HOTP(rfcSeed(20), ck.OTPHashSHA1, 1, int(digits))
			require.NoError(t, err)
			got, _ := password(t, o, k, p, time.Unix(59, 0))
			require.Contains(t, got, want)
		}
	}
}

// A verification with the time is for the time that is given, or for now.
func TestTOTPVerifies(t *testing.T) {
	_, k := otpKey(t, object.OTP{Digits: 8, Period: 30}, rfcSeed(20))
	d, _ := Lookup(ck.CKM_HOTP)
	for _, tc := range []struct {
		p    ck.Parameter
		now  int64
		code ck.Error
	}{
		{nil, 59, ck.CKR_OK},
		{nil, 60, ck.CKR_SIGNATURE_INVALID},
		{ck.OTPParams{{Type: ck.CK_OTP_TIME, Value: []byte("19700101000059")}}, 1000, ck.CKR_OK},
		{ck.OTPParams{ulongParam(ck.CK_OTP_FLAGS, uint64(ck.CKF_NEXT_OTP))}, 29, ck.CKR_OK},
	} {
		v, err := d.Verify(k, tc.p)
		require.NoError(t, err)
		require.Error(t, v.Final([]byte("94287082")), "without a time")
		next, err := v.(Stateful).Advance(nil, time.Unix(tc.now, 0))
		require.NoError(t, err)
		require.Nil(t, next)
		require.Equal(t, tc.code, ck.CodeOf(v.Final([]byte("94287082"))))
	}
}

// Keys that make no passwords are refused before anything is asked of them.
func TestKeysWithoutPasswords(t *testing.T) {
	d, _ := Lookup(ck.CKM_HOTP)
	for _, o := range []object.OTP{
		{Hash: ck.OTPHashSHA1, Digits: 0}, {Hash: ck.OTPHashSHA1, Digits: 10},
		{Hash: ck.OTPHashSHA1, Digits: 6, Time: ck.CK_OTP_PARAM_OPTIONAL},
	} {
		k := &Key{Class: ck.CKO_OTP_KEY, Type: ck.CKK_HOTP, Secret: rfcSeed(20), OTP: o}
		_, err := d.Sign(k, nil)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
		_, err = d.Verify(k, ck.OTPParams{ulongParam(ck.CK_OTP_COUNTER, 3)})
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
	for _, k := range []*Key{
		{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_HOTP}, {Class: ck.CKO_OTP_KEY, Type: ck.CKK_SECURID},
	} {
		k.OTP = object.OTP{Hash: ck.OTPHashSHA1, Digits: 6}
		_, err := d.Sign(k, nil)
		require.Equal(t, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CodeOf(err))
	}
	_, k := otpKey(t, object.OTP{}, rfcSeed(20))
	s, err := d.Sign(k, nil)
	require.NoError(t, err)
	_, err = s.(Stateful).Advance(nil, time.Time{})
	require.Equal(t, ck.CKR_FUNCTION_FAILED, ck.CodeOf(err), "the key has no counter")
}
