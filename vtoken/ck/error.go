package ck

import (
	"errors"
	"fmt"
)

// Error is a CK_RV other than CKR_OK, and an error. Functions return it bare,
// or wrapped with [Errorf] where a sentence helps the log; [CodeOf] finds it
// again at the boundary that answers with a code.
type Error uint64

// Error is the name of the code, such as "CKR_PIN_INCORRECT".
func (e Error) Error() string { return name(errorNames, e, "CKR") }

// Errorf wraps code in a sentence that says what was being done and what to do
// next. The sentence goes to logs and traces, the code to the application.
func Errorf(code Error, format string, args ...any) error {
	return &detailed{code, fmt.Errorf(format, args...)}
}

type detailed struct {
	code   Error
	reason error
}

func (d *detailed) Error() string   { return d.reason.Error() + " (" + d.code.Error() + ")" }
func (d *detailed) Unwrap() []error { return []error{d.code, d.reason} }

// CodeOf is the CK_RV that err stands for: CKR_OK for nil, the code inside it
// where there is one, CKR_GENERAL_ERROR for an error that carries none.
func CodeOf(err error) Error {
	if err == nil {
		return CKR_OK
	}
	var code Error
	if errors.As(err, &code) {
		return code
	}
	return CKR_GENERAL_ERROR
}
