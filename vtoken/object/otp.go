package object

import (
	"encoding/binary"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// OTP is how a key makes one-time passwords: by counter (HOTP, RFC 4226) or by
// time (TOTP, RFC 6238).
type OTP struct {
	// Hash is the hash of the HMAC: ck.OTPHashSHA1, OTPHashSHA256 or OTPHashSHA512.
	Hash string
	// Digits is the length of a password, 6 to 8.
	Digits int
	// Period is the time step in seconds, 1 to 86400; 0 is HOTP.
	Period int
	// Time and Counter say what the caller must give (CK_OTP_PARAM_MANDATORY),
	// may give, or gives in vain. One of them is CK_OTP_PARAM_IGNORED.
	Time, Counter uint64
	// Friendly is CKA_OTP_USER_FRIENDLY_MODE.
	Friendly bool
}

// Choices for what a template leaves out, and the bounds of what it may say.
const (
	defaultDigits, minDigits, maxDigits = 6, 6, 8
	defaultPeriod, maxPeriod            = 30, 86400
)

// OTP is how an OTP key makes passwords; what it is for other objects means
// nothing.
func (o *Object) OTP() OTP { return otpOf(o.Attrs) }

func otpOf(s Set) OTP {
	number := func(t ck.AttributeType) uint64 { n, _ := s.Ulong(t); return n }
	return OTP{
		Hash:     string(s.Get(ck.CKA_VTOKEN_OTP_HASH)),
		Digits:   int(number(ck.CKA_OTP_LENGTH)),
		Period:   int(number(ck.CKA_OTP_TIME_INTERVAL)),
		Time:     number(ck.CKA_OTP_TIME_REQUIREMENT),
		Counter:  number(ck.CKA_OTP_COUNTER_REQUIREMENT),
		Friendly: s.Bool(ck.CKA_OTP_USER_FRIENDLY_MODE),
	}
}

// OTPCounter is the counter of the next password of an OTP key, given its
// attributes; ok is false where it has none.
func OTPCounter(s Set) (n uint64, ok bool) {
	v := s.Get(ck.CKA_OTP_COUNTER)
	if len(v) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(v), true
}

// OTPCounterAttribute is CKA_OTP_COUNTER with that value.
func OTPCounterAttribute(n uint64) ck.Attribute {
	return ck.Bytes(ck.CKA_OTP_COUNTER, binary.BigEndian.AppendUint64(nil, n))
}

// NewOTP is the template of a private, sensitive and unextractable OTP key on the
// token, as C_CreateObject and [Build] take it. Of o the Hash (empty is SHA-1),
// the Digits (0 is 6) and the Period count. counter is the first one of HOTP, and
// without meaning for TOTP. The template has a copy of the seed, which the caller
// wipes together with it.
func NewOTP(o OTP, seed secret.Bytes, counter uint64, label string, id []byte) ck.Template {
	if o.Hash == "" {
		o.Hash = ck.OTPHashSHA1
	}
	if o.Digits == 0 {
		o.Digits = defaultDigits
	}
	t := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP),
		ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, true),
		ck.Bool(ck.CKA_SENSITIVE, true), ck.Bool(ck.CKA_EXTRACTABLE, false),
		ck.Bool(ck.CKA_SIGN, true), ck.Bool(ck.CKA_VERIFY, true),
		ck.String(ck.CKA_LABEL, label), ck.Bytes(ck.CKA_ID, id),
		ck.Ulong(ck.CKA_OTP_LENGTH, uint64(o.Digits)), ck.String(ck.CKA_VTOKEN_OTP_HASH, o.Hash),
		ck.Bytes(ck.CKA_VALUE, seed.Clone()),
	}
	if o.Period == 0 {
		return append(t, OTPCounterAttribute(counter))
	}
	return append(t, ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(o.Period)))
}

// completeHOTP fills in what the template left out and refuses what no password
// can be made with. A key with a time step, or that asks for the time, is TOTP;
// one with neither counts.
func completeHOTP(d *draft) error {
	if !d.attrs.Has(ck.CKA_OTP_TIME_REQUIREMENT) {
		need := ck.CK_OTP_PARAM_IGNORED
		if d.attrs.Has(ck.CKA_OTP_TIME_INTERVAL) {
			need = ck.CK_OTP_PARAM_OPTIONAL
		}
		d.attrs = d.attrs.With(ck.Ulong(ck.CKA_OTP_TIME_REQUIREMENT, need))
	}
	if otpOf(d.attrs).Time == ck.CK_OTP_PARAM_IGNORED {
		d.fill(ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_OPTIONAL), OTPCounterAttribute(0))
	} else {
		d.fill(ck.Ulong(ck.CKA_OTP_COUNTER_REQUIREMENT, ck.CK_OTP_PARAM_IGNORED), ck.Bytes(ck.CKA_OTP_COUNTER, emptyValue),
			ck.Ulong(ck.CKA_OTP_TIME_INTERVAL, uint64(defaultPeriod)))
	}
	d.fill(ck.Ulong(ck.CKA_OTP_LENGTH, uint64(defaultDigits)), ck.String(ck.CKA_VTOKEN_OTP_HASH, ck.OTPHashSHA1))
	if err := d.checkOTP(otpOf(d.attrs)); err != nil {
		return err
	}
	return completeGeneric(d)
}

// fill puts in those attributes that are not there.
func (d *draft) fill(attrs ...ck.Attribute) {
	for _, a := range attrs {
		if !d.attrs.Has(a.Type) {
			d.attrs = d.attrs.With(a)
		}
	}
}

func (d *draft) checkOTP(o OTP) error {
	for _, row := range []struct {
		wrong bool
		code  ck.Error
		why   string
	}{
		{o.Hash != ck.OTPHashSHA1 && o.Hash != ck.OTPHashSHA256 && o.Hash != ck.OTPHashSHA512, ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"CKA_VTOKEN_OTP_HASH is the text SHA1, SHA256 or SHA512"},
		{!d.ulongIn(ck.CKA_OTP_LENGTH, minDigits, maxDigits), ck.CKR_ATTRIBUTE_VALUE_INVALID, "a HOTP value has 6, 7 or 8 digits (CKA_OTP_LENGTH)"},
		{!d.ulongIn(ck.CKA_OTP_FORMAT, 0, 0), ck.CKR_ATTRIBUTE_VALUE_INVALID, "a HOTP value is decimal (CKA_OTP_FORMAT)"},
		{!d.ulongIn(ck.CKA_OTP_CHALLENGE_REQUIREMENT, 0, 0) || !d.ulongIn(ck.CKA_OTP_PIN_REQUIREMENT, 0, 0), ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"HOTP takes neither a challenge nor a PIN: their requirement is CK_OTP_PARAM_IGNORED"},
		{o.Time > ck.CK_OTP_PARAM_MANDATORY || o.Counter > ck.CK_OTP_PARAM_MANDATORY, ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"a requirement is ignored, optional or mandatory (0 to 2)"},
		{(o.Time == ck.CK_OTP_PARAM_IGNORED) == (o.Counter == ck.CK_OTP_PARAM_IGNORED), ck.CKR_TEMPLATE_INCONSISTENT,
			"a HOTP key counts or looks at the time: exactly one of their requirements is CK_OTP_PARAM_IGNORED"},
		{d.attrs.Has(ck.CKA_OTP_TIME_INTERVAL) && o.Time == ck.CK_OTP_PARAM_IGNORED, ck.CKR_TEMPLATE_INCONSISTENT,
			"a key that does not look at the time has no CKA_OTP_TIME_INTERVAL"},
		{d.attrs.Has(ck.CKA_OTP_TIME_INTERVAL) && !d.ulongIn(ck.CKA_OTP_TIME_INTERVAL, 1, maxPeriod), ck.CKR_ATTRIBUTE_VALUE_INVALID,
			"CKA_OTP_TIME_INTERVAL is 1 to 86400 seconds"},
		{len(d.attrs.Get(ck.CKA_OTP_COUNTER)) != 8 && (o.Time == ck.CK_OTP_PARAM_IGNORED || len(d.attrs.Get(ck.CKA_OTP_COUNTER)) != 0),
			ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_OTP_COUNTER has 8 bytes, big endian"},
		{len(d.attrs.Get(ck.CKA_OTP_TIME)) != 0, ck.CKR_ATTRIBUTE_VALUE_INVALID, "the time is the token's own: CKA_OTP_TIME is empty"},
	} {
		if row.wrong {
			return ck.Errorf(row.code, "%s", row.why)
		}
	}
	return nil
}

// ulongIn reports whether an attribute that is there is from least to most.
func (d *draft) ulongIn(t ck.AttributeType, least, most uint64) bool {
	n, ok := d.attrs.Ulong(t)
	return ok && n >= least && n <= most
}

// Advanced is the object with attributes that its own use has changed, such as
// the counter of an OTP key: no rule of [Object.Change] is asked.
func (o *Object) Advanced(t ck.Template) *Object {
	c := *o
	c.Attrs = o.Attrs.With(t...)
	return &c
}
