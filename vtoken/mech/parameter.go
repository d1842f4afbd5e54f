package mech

import (
	"fmt"

	"vtoken/vtoken/ck"
)

// noParameter refuses a parameter where a mechanism takes none. Zero bytes
// count as none.
func noParameter(p ck.Parameter) error {
	if raw, ok := p.(ck.RawParameter); p == nil || ok && len(raw) == 0 {
		return nil
	}
	return badParameter("it takes none")
}

// parameterOf is the parameter as the structure that the mechanism takes.
func parameterOf[T ck.Parameter](p ck.Parameter) (T, error) {
	v, ok := p.(T)
	if !ok {
		return v, badParameter("it takes a %T, not a %T", v, p)
	}
	return v, nil
}

func badParameter(format string, args ...any) error {
	return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "the mechanism's parameter is wrong: %s", fmt.Sprintf(format, args...))
}
