package ck

import (
	"strconv"
	"strings"
)

// MechanismNamed is the mechanism with the name of the standard, such as
// "CKM_ECDSA", or with a number in hexadecimal as [MechanismType.String] writes
// it.
func MechanismNamed(name string) (MechanismType, bool) {
	for t, n := range mechanismNames {
		if n == name {
			return t, true
		}
	}
	digits, ok := strings.CutPrefix(name, "CKM_0x")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	return MechanismType(n), err == nil
}
