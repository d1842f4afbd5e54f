package remote

import (
	"unsafe"

	"vtoken/vtoken/ck"
)

// givesOTPInfo reports whether C_Sign answers a CK_OTP_SIGNATURE_INFO to the
// mechanism (section 6.62.6).
func givesOTPInfo(m *ck.Mechanism) bool {
	if m == nil {
		return false
	}
	_, ok := m.Parameter.(ck.OTPParams)
	return ok
}

// place makes the pointers of a CK_OTP_SIGNATURE_INFO: the daemon does not know
// where the host's memory is.
func (s *session) place(out Out, n uint64, err error) {
	if s.otpInfo && err == nil && !out.Null && n <= uint64(len(out.To)) {
		ck.PlaceOTPInfo(out.To[:n], uint64(uintptr(unsafe.Pointer(unsafe.SliceData(out.To)))))
	}
}
