package object

import (
	"time"

	"vtoken/vtoken/ck"
)

// The objects that a token has without anybody having made them. They are
// public, cannot be copied, changed or destroyed, and are found only by a search
// for their class (sections 4.3, 4.12 and 4.13). uniqueID is CKA_UNIQUE_ID.

// Profile says that the token follows a profile (CKP_*) of the PKCS#11 profiles
// document.
func Profile(id uint64, uniqueID string) *Object {
	return builtin(ck.CKO_PROFILE, uniqueID, ck.Ulong(ck.CKA_PROFILE_ID, id))
}

// Mechanism says that the token has a mechanism.
func Mechanism(m ck.MechanismType, uniqueID string) *Object {
	return builtin(ck.CKO_MECHANISM, uniqueID, ck.Ulong(ck.CKA_MECHANISM_TYPE, m))
}

// Clock is the token's clock (section 4.3.3), as it stands at now.
func Clock(now time.Time, uniqueID string) *Object {
	return builtin(ck.CKO_HW_FEATURE, uniqueID,
		ck.Ulong(ck.CKA_HW_FEATURE_TYPE, ck.CKH_CLOCK), ck.String(ck.CKA_VALUE, UTCTime(now)))
}

// UTCTime is a time in the form of CK_TOKEN_INFO.utcTime and of the clock:
// YYYYMMDDhhmmss00.
func UTCTime(now time.Time) string { return now.UTC().Format("20060102150405") + "00" }

// Builtin reports whether objects of the class are among these.
func Builtin(class ck.ObjectClass) bool {
	switch class {
	case ck.CKO_PROFILE, ck.CKO_MECHANISM, ck.CKO_HW_FEATURE:
		return true
	}
	return false
}

func builtin(class ck.ObjectClass, uniqueID string, attrs ...ck.Attribute) *Object {
	common := Set{}.With(
		ck.Ulong(ck.CKA_CLASS, class), ck.Bool(ck.CKA_TOKEN, true), ck.Bool(ck.CKA_PRIVATE, false),
		ck.Bool(ck.CKA_MODIFIABLE, false), ck.Bool(ck.CKA_COPYABLE, false), ck.Bool(ck.CKA_DESTROYABLE, false),
		ck.String(ck.CKA_LABEL, ""), ck.String(ck.CKA_UNIQUE_ID, uniqueID))
	return &Object{Attrs: common.With(attrs...)}
}
