package ck

import "encoding/binary"

// The types of an [OTPParam] (CK_PARAM_TYPE, section 6.62.6).
const (
	CK_OTP_VALUE         uint64 = 0 // the one-time password, in the answer only
	CK_OTP_PIN           uint64 = 1
	CK_OTP_CHALLENGE     uint64 = 2
	CK_OTP_TIME          uint64 = 3 // UTC, YYYYMMDDhhmmss
	CK_OTP_COUNTER       uint64 = 4 // 8 bytes, big endian
	CK_OTP_FLAGS         uint64 = 5 // CKF_NEXT_OTP and its like
	CK_OTP_OUTPUT_LENGTH uint64 = 6
	CK_OTP_OUTPUT_FORMAT uint64 = 7
)

// The formats of a one-time password (CKA_OTP_FORMAT, CK_OTP_OUTPUT_FORMAT).
const (
	CK_OTP_FORMAT_DECIMAL      uint64 = 0
	CK_OTP_FORMAT_HEXADECIMAL  uint64 = 1
	CK_OTP_FORMAT_ALPHANUMERIC uint64 = 2
	CK_OTP_FORMAT_BINARY       uint64 = 3
)

// What an OTP key asks of the caller (CKA_OTP_TIME_REQUIREMENT and its like).
const (
	CK_OTP_PARAM_IGNORED   uint64 = 0
	CK_OTP_PARAM_OPTIONAL  uint64 = 1
	CK_OTP_PARAM_MANDATORY uint64 = 2
)

// CKA_VTOKEN_OTP_HASH is an attribute of our own of OTP keys: the hash of the
// HMAC, which PKCS#11 has no word for. The value is a text, one of the names
// below, so that it travels unchanged through libraries that do not know it. A
// key without it has SHA-1, as RFC 4226 has.
const CKA_VTOKEN_OTP_HASH AttributeType = CKA_VENDOR_DEFINED | 0x76540002

// The values of [CKA_VTOKEN_OTP_HASH], which are those of otpauth URIs.
const (
	OTPHashSHA1   = "SHA1"
	OTPHashSHA256 = "SHA256"
	OTPHashSHA512 = "SHA512"
)

// OTPParams is CK_OTP_PARAMS (section 6.62.6), the parameter of CKM_HOTP.
type OTPParams []OTPParam

// OTPParam is CK_OTP_PARAM. A value that is a CK_ULONG (CK_OTP_FLAGS,
// CK_OTP_OUTPUT_LENGTH, CK_OTP_OUTPUT_FORMAT) has 8 bytes, big endian.
type OTPParam struct {
	Type  uint64
	Value []byte
}

func (OTPParams) parameter() {}

// OTPUlong reports whether the value of an [OTPParam] of that type is a CK_ULONG.
func OTPUlong(t uint64) bool {
	return t == CK_OTP_FLAGS || t == CK_OTP_OUTPUT_LENGTH || t == CK_OTP_OUTPUT_FORMAT
}

const (
	sizeofOTPInfo  = 16 // CK_OTP_SIGNATURE_INFO on a 64-bit host
	sizeofOTPParam = 24 // CK_OTP_PARAM
)

// OTPInfoLen is the length of what [OTPParams.Info] makes of values of these
// lengths.
func OTPInfoLen(values ...int) int {
	n := sizeofOTPInfo + sizeofOTPParam*len(values)
	for _, v := range values {
		n += v
	}
	return n
}

// Info is CK_OTP_SIGNATURE_INFO (section 6.62.6) with all that it points to, as
// the memory of a 64-bit little-endian host has it, but that in place of each
// pointer stands the distance from the start. [PlaceOTPInfo] makes pointers of
// these where the memory is.
func (p OTPParams) Info() []byte {
	le := binary.LittleEndian
	info := le.AppendUint64(nil, sizeofOTPInfo)
	info = le.AppendUint64(info, uint64(len(p)))
	at := uint64(sizeofOTPInfo + sizeofOTPParam*len(p))
	for _, one := range p {
		info = le.AppendUint64(info, one.Type)
		info = le.AppendUint64(info, at)
		info = le.AppendUint64(info, uint64(len(one.Value)))
		at += uint64(len(one.Value))
	}
	for _, one := range p {
		info = append(info, one.hostValue()...)
	}
	return info
}

// hostValue is the value in the byte order of the host.
func (p OTPParam) hostValue() []byte {
	if !OTPUlong(p.Type) || len(p.Value) != 8 {
		return p.Value
	}
	return binary.LittleEndian.AppendUint64(nil, binary.BigEndian.Uint64(p.Value))
}

// PlaceOTPInfo turns the distances of [OTPParams.Info] into pointers: info is the
// memory at the address base. It reports whether info was of that form, and
// otherwise leaves it as it is.
func PlaceOTPInfo(info []byte, base uint64) bool {
	le := binary.LittleEndian
	n := uint64(len(info))
	if n < sizeofOTPInfo || le.Uint64(info) != sizeofOTPInfo || le.Uint64(info[8:]) > (n-sizeofOTPInfo)/sizeofOTPParam {
		return false
	}
	rows := info[sizeofOTPInfo : sizeofOTPInfo+sizeofOTPParam*le.Uint64(info[8:])]
	for row := rows; len(row) > 0; row = row[sizeofOTPParam:] {
		if at, size := le.Uint64(row[8:]), le.Uint64(row[16:]); at > n || size > n-at {
			return false
		}
	}
	for row := rows; len(row) > 0; row = row[sizeofOTPParam:] {
		le.PutUint64(row[8:], base+le.Uint64(row[8:]))
	}
	le.PutUint64(info, base+sizeofOTPInfo)
	return true
}
