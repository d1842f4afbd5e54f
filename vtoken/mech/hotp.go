package mech

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// hotpMechanisms are one-time passwords by counter (HOTP, RFC 4226) and by time
// (TOTP, RFC 6238), section 6.62.8. Which of the two is the key's to say.
func hotpMechanisms() []*Descriptor {
	return []*Descriptor{
		{
			Type: ck.CKM_HOTP_KEY_GEN, KeyTypes: []ck.KeyType{ck.CKK_HOTP},
			MinKeySize: minSeed, MaxKeySize: object.MaxSecretLen,
			GenerateKey: generateHOTP,
		},
		{
			Type: ck.CKM_HOTP, KeyTypes: []ck.KeyType{ck.CKK_HOTP},
			MinKeySize: 1, MaxKeySize: object.MaxSecretLen,
			Stateful: true, Sign: signHOTP, Verify: verifyHOTP,
		},
	}
}

// minSeed is the length of the shortest key that is generated (RFC 4226, section
// 4, R6), in bytes. Shorter ones are there in the world and may come in.
const minSeed = 16

func generateHOTP(p ck.Parameter, t ck.Template, _ func() error) (ck.Template, error) {
	if err := noParameter(p); err != nil {
		return nil, err
	}
	h, err := hashOfOTP(ck.OTPHashSHA1)
	if a, ok := t.Find(ck.CKA_VTOKEN_OTP_HASH); ok {
		h, err = hashOfOTP(string(a.Value))
	}
	if err != nil {
		return nil, err
	}
	n, err := valueLen(t, uint64(h.hash.Size()))
	if err != nil {
		return nil, err
	}
	if n < minSeed || n > object.MaxSecretLen {
		return nil, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN is %d; HOTP keys have %d to %d bytes", n, minSeed, object.MaxSecretLen)
	}
	seed := make([]byte, n)
	_, _ = rand.Read(seed) // never fails (crypto/rand)
	return ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_OTP_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HOTP), ck.Bytes(ck.CKA_VALUE, seed),
	}, nil
}

// hashOfOTP is the hash of a CKA_VTOKEN_OTP_HASH.
func hashOfOTP(name string) (hashAlg, error) {
	digest, ok := map[string]ck.MechanismType{
		ck.OTPHashSHA1: ck.CKM_SHA_1, ck.OTPHashSHA256: ck.CKM_SHA256, ck.OTPHashSHA512: ck.CKM_SHA512,
	}[name]
	h, known := hashOf(digest)
	if !ok || !known {
		return hashAlg{}, ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VTOKEN_OTP_HASH is %.16q and not SHA1, SHA256 or SHA512", name)
	}
	return h, nil
}

// maxDigits is the most digits that the 31 bits of a password fill.
const maxDigits = 9

// HOTP is the password of a counter, or of a time step where that is counted
// (RFC 4226, section 5.3). hash is ck.OTPHashSHA1, OTPHashSHA256 or OTPHashSHA512,
// digits 1 to 9.
func HOTP(seed secret.Bytes, hash string, counter uint64, digits int) (string, error) {
	h, err := hashOfOTP(hash)
	if err != nil {
		return "", err
	}
	if digits < 1 || digits > maxDigits {
		return "", ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "a password of %d digits; 1 to %d can be made", digits, maxDigits)
	}
	mac := hmac.New(h.new, seed)
	_, _ = mac.Write(binary.BigEndian.AppendUint64(nil, counter)) // never fails (hash.Hash)
	sum := mac.Sum(nil)
	number := binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:]) & math.MaxInt32
	return fmt.Sprintf("%0*d", digits, number%uint32(math.Pow10(digits))), nil
}

// TOTPStep is the time step of a moment (RFC 6238, section 4.2), of period
// seconds each, 1 or more. Before 1970 it is 0.
func TOTPStep(at time.Time, period int) uint64 { return uint64(max(at.Unix(), 0)) / uint64(period) }

func signHOTP(k *Key, p ck.Parameter) (Signer, error) {
	run, err := newHOTP(k, p)
	if err != nil {
		return nil, err
	}
	return &hotpSigner{hotp: run}, nil
}

func verifyHOTP(k *Key, p ck.Parameter) (Verifier, error) {
	run, err := newHOTP(k, p)
	if err != nil {
		return nil, err
	}
	if run.counts() && run.counter == nil {
		return nil, badParameter("CKM_HOTP verifies with a counter: give CK_OTP_COUNTER")
	}
	return &hotpVerifier{hotp: run}, nil
}

// hotp is one password, made or compared.
type hotp struct {
	collector // takes no data: pData is a null pointer
	otpRequest
	key *Key

	advanced bool
	moving   uint64    // the counter or the time step of the password
	at       time.Time // the time that it is for, of TOTP
}

func newHOTP(k *Key, p ck.Parameter) (hotp, error) {
	if k.Class != ck.CKO_OTP_KEY || k.Type != ck.CKK_HOTP {
		return hotp{}, wrongKey(k, "HOTP key")
	}
	if o := k.OTP; o.Digits < 1 || o.Digits > maxDigits || o.Time != ck.CK_OTP_PARAM_IGNORED && o.Period < 1 {
		return hotp{}, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "an OTP key of %d digits and %d seconds makes no passwords", o.Digits, o.Period)
	}
	r, err := readOTPParams(k.OTP, p)
	return hotp{key: k, otpRequest: r, collector: collector{code: ck.CKR_DATA_LEN_RANGE}}, err
}

// counts reports whether the key is of HOTP and not of TOTP.
func (h *hotp) counts() bool { return h.key.OTP.Time == ck.CK_OTP_PARAM_IGNORED }

// ahead is how many passwords after the current one the caller wants.
func (h *hotp) ahead() uint64 {
	if h.flags.Has(ck.CKF_NEXT_OTP) {
		return 1
	}
	return 0
}

// timeStep takes the time that the caller gave, or else that of now.
func (h *hotp) timeStep(now time.Time) {
	h.at = now.UTC()
	if h.time != nil {
		h.at = *h.time
	}
	h.moving, h.advanced = TOTPStep(h.at, h.key.OTP.Period)+h.ahead(), true
}

// password is the password of what Advance has chosen.
func (h *hotp) password() (string, error) {
	if !h.advanced {
		return "", ck.Errorf(ck.CKR_FUNCTION_FAILED, "a one-time password was asked for without a counter or a time")
	}
	return HOTP(h.key.Secret, h.key.OTP.Hash, h.moving, h.digits)
}

type hotpSigner struct{ hotp }

// Advance uses up the key's counter, or one that the caller gives and that was
// not used yet.
func (s *hotpSigner) Advance(key object.Set, now time.Time) (ck.Template, error) {
	if !s.counts() {
		s.timeStep(now)
		return nil, nil
	}
	c, ok := object.OTPCounter(key)
	if !ok {
		return nil, ck.Errorf(ck.CKR_FUNCTION_FAILED, "the HOTP key has no counter")
	}
	if s.counter != nil {
		if *s.counter < c {
			return nil, badParameter("the counter %d is used already, the next is %d", *s.counter, c)
		}
		c = *s.counter
	}
	if c >= math.MaxUint64-1 {
		return nil, ck.Errorf(ck.CKR_FUNCTION_REJECTED, "the counter of the HOTP key is at its end; make a new key")
	}
	s.moving, s.advanced = c+s.ahead(), true
	return ck.Template{object.OTPCounterAttribute(s.moving + 1)}, nil
}

// Len is the length of the password or, where the caller gave CK_OTP_PARAMS, of
// CK_OTP_SIGNATURE_INFO with all that it points to.
func (s *hotpSigner) Len() int {
	switch {
	case !s.given:
		return s.digits
	case s.counts():
		return ck.OTPInfoLen(s.digits, 8)
	}
	return ck.OTPInfoLen(s.digits, len(otpTime))
}

func (s *hotpSigner) Final() ([]byte, error) {
	password, err := s.password()
	if err != nil || !s.given {
		return []byte(password), err
	}
	used := ck.OTPParam{Type: ck.CK_OTP_TIME, Value: []byte(s.at.Format(otpTime))}
	if s.counts() {
		used = ck.OTPParam{Type: ck.CK_OTP_COUNTER, Value: binary.BigEndian.AppendUint64(nil, s.moving)}
	}
	return ck.OTPParams{{Type: ck.CK_OTP_VALUE, Value: []byte(password)}, used}.Info(), nil
}

type hotpVerifier struct{ hotp }

// Advance changes nothing of the key: a verification uses no counter up.
func (v *hotpVerifier) Advance(_ object.Set, now time.Time) (ck.Template, error) {
	if v.counts() {
		v.moving, v.advanced = *v.counter+v.ahead(), true
		return nil, nil
	}
	v.timeStep(now)
	return nil, nil
}

func (v *hotpVerifier) Final(signature []byte) error {
	password, err := v.password()
	switch {
	case err != nil:
		return err
	case len(signature) != len(password):
		return ck.Errorf(ck.CKR_SIGNATURE_LEN_RANGE, "the one-time password has %d digits, not %d", len(signature), len(password))
	case subtle.ConstantTimeCompare(signature, []byte(password)) != 1:
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
