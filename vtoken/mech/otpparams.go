package mech

import (
	"encoding/binary"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// otpTime is the form of CK_OTP_TIME.
const otpTime = "20060102150405"

// otpRequest is what a caller asks for with CK_OTP_PARAMS (section 6.62.6).
type otpRequest struct {
	given   bool // there is a CK_OTP_PARAMS, even an empty one
	digits  int
	flags   ck.Flags
	counter *uint64
	time    *time.Time
}

// readOTPParams reads the parameter of a mechanism that uses an OTP key, and
// holds it to what the key asks for. No parameter asks for nothing.
func readOTPParams(key object.OTP, p ck.Parameter) (otpRequest, error) {
	r := otpRequest{digits: key.Digits}
	list, ok := p.(ck.OTPParams)
	if !ok {
		if err := noParameter(p); err != nil {
			return r, err
		}
	}
	r.given = ok
	seen := map[uint64]bool{}
	for _, one := range list {
		if seen[one.Type] {
			return r, badParameter("CK_OTP_PARAMS has two parameters of type %d", one.Type)
		}
		seen[one.Type] = true
		if err := r.take(one); err != nil {
			return r, err
		}
	}
	return r, r.check(key)
}

// take takes one parameter in. HOTP asks for no PIN and no challenge, so they are
// ignored where they are given.
func (r *otpRequest) take(p ck.OTPParam) error {
	var n uint64
	if ck.OTPUlong(p.Type) || p.Type == ck.CK_OTP_COUNTER {
		if len(p.Value) != 8 {
			return badParameter("the OTP parameter of type %d has %d bytes, not 8", p.Type, len(p.Value))
		}
		n = binary.BigEndian.Uint64(p.Value)
	}
	switch p.Type {
	case ck.CK_OTP_PIN, ck.CK_OTP_CHALLENGE:
	case ck.CK_OTP_TIME:
		at, err := time.Parse(otpTime, string(p.Value))
		if err != nil || at.Unix() < 0 {
			return badParameter("CK_OTP_TIME is a time in UTC since 1970, YYYYMMDDhhmmss")
		}
		r.time = &at
	case ck.CK_OTP_COUNTER:
		r.counter = &n
	case ck.CK_OTP_FLAGS:
		r.flags = ck.Flags(n)
	case ck.CK_OTP_OUTPUT_LENGTH:
		if n < 6 || n > 8 {
			return badParameter("one-time passwords have 6 to 8 digits, not %d", n)
		}
		r.digits = int(n)
	case ck.CK_OTP_OUTPUT_FORMAT:
		if n != ck.CK_OTP_FORMAT_DECIMAL {
			return badParameter("one-time passwords are decimal; there is no format %d", n)
		}
	default:
		return badParameter("CKM_HOTP takes no OTP parameter of type %d", p.Type)
	}
	return nil
}

// otpFlags are the flags that CK_OTP_FLAGS may have. Of those that leave a value
// out, a challenge and a PIN are never in.
const otpFlags = ck.CKF_NEXT_OTP | ck.CKF_EXCLUDE_TIME | ck.CKF_EXCLUDE_COUNTER | ck.CKF_EXCLUDE_CHALLENGE |
	ck.CKF_EXCLUDE_PIN | ck.CKF_USER_FRIENDLY_OTP

// check holds what was asked for to what the key allows and wants. What the key
// ignores is forgotten.
func (r *otpRequest) check(key object.OTP) error {
	if key.Time == ck.CK_OTP_PARAM_IGNORED {
		r.time = nil
	} else {
		r.counter = nil
	}
	switch {
	case r.flags&^otpFlags != 0:
		return badParameter("CK_OTP_FLAGS 0x%x are not known", uint64(r.flags&^otpFlags))
	case r.flags.Has(ck.CKF_USER_FRIENDLY_OTP) && !key.Friendly:
		return badParameter("the key's CKA_OTP_USER_FRIENDLY_MODE is false")
	case key.Time != ck.CK_OTP_PARAM_IGNORED && r.flags.Has(ck.CKF_EXCLUDE_TIME):
		return badParameter("the key makes no password without the time")
	case key.Counter != ck.CK_OTP_PARAM_IGNORED && r.flags.Has(ck.CKF_EXCLUDE_COUNTER):
		return badParameter("the key makes no password without the counter")
	case key.Time == ck.CK_OTP_PARAM_MANDATORY && r.time == nil:
		return badParameter("the key wants the time: give CK_OTP_TIME")
	case key.Counter == ck.CK_OTP_PARAM_MANDATORY && r.counter == nil:
		return badParameter("the key wants the counter: give CK_OTP_COUNTER")
	}
	return nil
}
