package surepassid

import (
	"errors"
	"net/http"

	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
)

// The vendor's return codes that we return.
const (
	codeLogin      = 9000
	codeUser       = 9001
	codeOTPUsed    = 9002
	codeOTPInvalid = 9003
	codeDeviceType = 9008
	codeNoDevice   = 9009
	codeInternal   = 9010
	codeOTPType    = 9011
	codeConfig     = 9013
	codeTooMany    = 9015
	codeInUse      = 9019
	codeNoSerial   = 9020
	codeNotFound   = 9021
	codeDisabled   = 9028
	codeForbidden  = 9033
	codeDrift      = 9035
)

// codes are the return codes of the kinds of error.
var codes = map[provisioning.Kind]int{
	provisioning.Internal:        codeInternal,
	provisioning.StorageFull:     codeInternal,
	provisioning.Unauthenticated: codeLogin,
	provisioning.TenantNotFound:  codeLogin,
	provisioning.Forbidden:       codeForbidden,
	provisioning.BadInput:        codeConfig,
	provisioning.TooLarge:        codeConfig,
	provisioning.Sealed:          codeConfig,
	provisioning.RoleNotFound:    codeConfig,
	provisioning.KeyNotFound:     codeConfig,
	provisioning.GroupNotFound:   codeConfig,
	provisioning.RateLimited:     codeTooMany,
	provisioning.Busy:            codeTooMany,
	provisioning.UserNotFound:    codeUser,
	provisioning.TokenNotFound:   codeNotFound,
	provisioning.WrongState:      codeInUse,
	provisioning.Conflict:        codeInUse,
	provisioning.WrongCode:       codeOTPInvalid,
	provisioning.NotSupported:    codeDeviceType,
}

// failure is an error of a method, or one with a code of its own.
type failure struct {
	method string
	code   int // 0 is that of the error's kind
	err    error
}

// Error returns the sentence of the error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns the error.
func (f *failure) Unwrap() error { return f.err }

// withCode returns an error with its own code.
func withCode(code int, err error) error { return &failure{code: code, err: err} }

// refuse returns an error for an invalid value, with its own code.
func refuse(code int, format string, args ...any) error {
	return withCode(code, provisioning.Errorf(provisioning.BadInput, format, args...))
}

// codeOf returns the return code of an error.
func codeOf(err error) int {
	for at := err; at != nil; at = errors.Unwrap(at) {
		if f, ok := at.(*failure); ok && f.code != 0 {
			return f.code
		}
	}
	if errors.Is(err, provisioning.ErrCodeUsed) {
		return codeOTPUsed
	}
	return codes[provisioning.KindOf(err)]
}

// fail answers with an error in the envelope. The status is 200, as the vendor's
// clients expect, except 429 and 503 with Retry-After for too many requests and too
// much at once, and what HTTP itself refuses.
func fail(w http.ResponseWriter, _ *http.Request, err error) {
	out := answer{ErrorCode: codeOf(err), ErrorMessage: provisioning.AsError(err).Detail}
	var f *failure
	if errors.As(err, &f) {
		out.Type = f.method
	}
	status := http.StatusOK
	switch provisioning.KindOf(err) {
	case provisioning.RateLimited:
		status = http.StatusTooManyRequests
	case provisioning.Busy:
		status = http.StatusServiceUnavailable
	case provisioning.TooLarge:
		status = http.StatusRequestEntityTooLarge
	}
	if own := httpkit.StatusOf(err); own != 0 {
		status, out.ErrorCode, out.ErrorMessage = own, codeConfig, err.Error()
	}
	_ = httpkit.WriteJSON(w, status, out)
}
