package ck

import (
	"fmt"
	"strconv"
)

// The handles and enumerations of PKCS#11, each a CK_ULONG with a type of its
// own so that they cannot be mixed up (section 3, general data types).
type (
	SlotID          uint64
	SessionHandle   uint64
	ObjectHandle    uint64
	AttributeType   uint64
	CertificateType uint64
	HWFeatureType   uint64
	KDF             uint64
	KeyType         uint64
	MechanismType   uint64
	ObjectClass     uint64
	State           uint64
	UserType        uint64
	Flags           uint64
)

const (
	// InvalidHandle is CK_INVALID_HANDLE: no session and no object has it.
	InvalidHandle = 0
	// UnavailableInformation is CK_UNAVAILABLE_INFORMATION (CK_ULONG)-1.
	UnavailableInformation = ^uint64(0)
	// EffectivelyInfinite is CK_EFFECTIVELY_INFINITE: no limit.
	EffectivelyInfinite = uint64(0)
)

// Has reports whether every bit of mask is set.
func (f Flags) Has(mask Flags) bool { return f&mask == mask }

// String is the name of the constant, or its number in hexadecimal.
func (t AttributeType) String() string {
	if t == CKA_VTOKEN_OTP_HASH {
		return "CKA_VTOKEN_OTP_HASH"
	}
	return name(attributeNames, t, "CKA")
}

// String is the name of the constant, or its number in hexadecimal.
func (t MechanismType) String() string { return name(mechanismNames, t, "CKM") }

// String is the name of the constant, or its number in hexadecimal.
func (t KeyType) String() string { return name(keyTypeNames, t, "CKK") }

// String is the name of the constant, or its number in hexadecimal.
func (c ObjectClass) String() string { return name(classNames, c, "CKO") }

func name[T ~uint64](names map[T]string, v T, prefix string) string {
	if s, ok := names[v]; ok {
		return s
	}
	return prefix + "_0x" + strconv.FormatUint(uint64(v), 16)
}

// Version is CK_VERSION.
type Version struct{ Major, Minor byte }

// String is the version as "major.minor".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Info is CK_INFO (section 5.4, C_GetInfo). Texts are unpadded; the edge that
// writes them to a fixed field pads them with blanks.
type Info struct {
	CryptokiVersion    Version
	ManufacturerID     string // at most 32 bytes
	Flags              Flags
	LibraryDescription string // at most 32 bytes
	LibraryVersion     Version
}

// SlotInfo is CK_SLOT_INFO (section 5.5, C_GetSlotInfo).
type SlotInfo struct {
	SlotDescription string // at most 64 bytes
	ManufacturerID  string // at most 32 bytes
	Flags           Flags
	HardwareVersion Version
	FirmwareVersion Version
}

// TokenInfo is CK_TOKEN_INFO (section 5.5, C_GetTokenInfo).
type TokenInfo struct {
	Label              string // at most 32 bytes
	ManufacturerID     string // at most 32 bytes
	Model              string // at most 16 bytes
	SerialNumber       string // at most 16 bytes
	Flags              Flags
	MaxSessionCount    uint64
	SessionCount       uint64
	MaxRwSessionCount  uint64
	RwSessionCount     uint64
	MaxPinLen          uint64
	MinPinLen          uint64
	TotalPublicMemory  uint64
	FreePublicMemory   uint64
	TotalPrivateMemory uint64
	FreePrivateMemory  uint64
	HardwareVersion    Version
	FirmwareVersion    Version
	UTCTime            string // 16 characters, YYYYMMDDhhmmss00, or empty
}

// SessionInfo is CK_SESSION_INFO (section 5.6, C_GetSessionInfo).
type SessionInfo struct {
	SlotID      SlotID
	State       State
	Flags       Flags
	DeviceError uint64
}

// MechanismInfo is CK_MECHANISM_INFO (section 5.5, C_GetMechanismInfo).
// Key sizes are in the unit that the mechanism's text in the standard says.
type MechanismInfo struct {
	MinKeySize uint64
	MaxKeySize uint64
	Flags      Flags
}

// Buffer describes the memory that a caller offers for an output (section 5.2).
type Buffer struct {
	// Null means that the caller passed no memory and asks for the length.
	Null bool
	// Len is the size of the memory in bytes; it means nothing where Null.
	Len uint64
}

// Output is what a function with a variable-length output answers.
type Output struct {
	// Data is the output, or nil where only the length is told: because the
	// buffer was null, or too short (then with CKR_BUFFER_TOO_SMALL).
	Data []byte
	// Len is the length of the output, or an upper bound of it where the
	// standard allows one.
	Len uint64
}

// AttributeQuery is one entry of the template of C_GetAttributeValue: a type
// and the memory that the caller offers for the value.
type AttributeQuery struct {
	Type AttributeType
	Buffer
	// Nested are the entries of the array of CK_ATTRIBUTE that the memory is,
	// for the CKA_*_TEMPLATE attributes; Len is then not used. Their types mean
	// nothing: the token sets them.
	Nested []AttributeQuery
}

// AttributeResult is the answer to an [AttributeQuery].
type AttributeResult struct {
	Type AttributeType
	// Value is the value in canonical form, not nil (but perhaps empty), or nil
	// where only its length is told.
	Value []byte
	// Len is the length of the value in its canonical form, or
	// UnavailableInformation where the attribute cannot be told.
	Len uint64
	// Nested are the attributes of a CKA_*_TEMPLATE as they reach the caller's
	// memory, each with its value or its length alone, and Len is then 24 times
	// their number. The engine leaves it nil and returns the whole Value.
	Nested []AttributeResult
}
