package main

// #include "cryptoki.h"
import "C"

import (
	"unsafe"

	"vtoken/p11module/remote"
	"vtoken/vtoken/ck"
)

// maxLen is the longest array that the host can mean; what is longer is a
// length that was never set. The protocol's own limit is far below.
const maxLen = 1 << 40

// bytesAt is the host's memory as it is, without a copy, or nil for a null
// pointer. It is not to be kept.
func bytesAt[P ~*C.CK_BYTE](p P, n C.CK_ULONG) []byte {
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), min(uint64(n), maxLen))
}

// outAt is the memory for an output; a null pointer asks for the length.
func outAt(p C.CK_BYTE_PTR, n C.CK_ULONG_PTR) remote.Out {
	if p == nil {
		return remote.Out{Null: true}
	}
	return remote.Out{To: bytesAt(p, *n)}
}

// lastOutAt is outAt, or nil where the host has no place for a length.
func lastOutAt(p C.CK_BYTE_PTR, n C.CK_ULONG_PTR) *remote.Out {
	if n == nil {
		return nil
	}
	out := outAt(p, n)
	return &out
}

func putLength(to C.CK_ULONG_PTR, n uint64) {
	if to != nil {
		*to = C.CK_ULONG(n)
	}
}

func putObject(to C.CK_OBJECT_HANDLE_PTR, h ck.ObjectHandle) {
	if to != nil {
		*to = C.CK_OBJECT_HANDLE(h)
	}
}

const labelLen = 32

// labelAt is the label of C_InitToken: 32 bytes, padded with blanks.
func labelAt(p C.CK_UTF8CHAR_PTR) string { return string(bytesAt(p, labelLen)) }

// putText writes a text into a field: padded with blanks, not terminated, cut
// where it is too long.
func putText(field []C.CK_UTF8CHAR, text string) {
	n := 0
	for ; n < len(text) && n < len(field); n++ {
		field[n] = C.CK_UTF8CHAR(text[n])
	}
	for ; n < len(field); n++ {
		field[n] = ' '
	}
}

func version(v ck.Version) C.CK_VERSION {
	return C.CK_VERSION{major: C.CK_BYTE(v.Major), minor: C.CK_BYTE(v.Minor)}
}

func putInfo(to C.CK_INFO_PTR, v ck.Info) {
	to.cryptokiVersion = version(v.CryptokiVersion)
	putText(to.manufacturerID[:], v.ManufacturerID)
	to.flags = C.CK_FLAGS(v.Flags)
	putText(to.libraryDescription[:], v.LibraryDescription)
	to.libraryVersion = version(v.LibraryVersion)
}

func putSlotInfo(to C.CK_SLOT_INFO_PTR, v ck.SlotInfo) {
	putText(to.slotDescription[:], v.SlotDescription)
	putText(to.manufacturerID[:], v.ManufacturerID)
	to.flags = C.CK_FLAGS(v.Flags)
	to.hardwareVersion = version(v.HardwareVersion)
	to.firmwareVersion = version(v.FirmwareVersion)
}

func putTokenInfo(to C.CK_TOKEN_INFO_PTR, v ck.TokenInfo) {
	putText(to.label[:], v.Label)
	putText(to.manufacturerID[:], v.ManufacturerID)
	putText(to.model[:], v.Model)
	putText(to.serialNumber[:], v.SerialNumber)
	to.flags = C.CK_FLAGS(v.Flags)
	to.ulMaxSessionCount = C.CK_ULONG(v.MaxSessionCount)
	to.ulSessionCount = C.CK_ULONG(v.SessionCount)
	to.ulMaxRwSessionCount = C.CK_ULONG(v.MaxRwSessionCount)
	to.ulRwSessionCount = C.CK_ULONG(v.RwSessionCount)
	to.ulMaxPinLen = C.CK_ULONG(v.MaxPinLen)
	to.ulMinPinLen = C.CK_ULONG(v.MinPinLen)
	to.ulTotalPublicMemory = C.CK_ULONG(v.TotalPublicMemory)
	to.ulFreePublicMemory = C.CK_ULONG(v.FreePublicMemory)
	to.ulTotalPrivateMemory = C.CK_ULONG(v.TotalPrivateMemory)
	to.ulFreePrivateMemory = C.CK_ULONG(v.FreePrivateMemory)
	to.hardwareVersion = version(v.HardwareVersion)
	to.firmwareVersion = version(v.FirmwareVersion)
	putText(to.utcTime[:], v.UTCTime)
}

func putSessionInfo(to C.CK_SESSION_INFO_PTR, v ck.SessionInfo) {
	to.slotID = C.CK_SLOT_ID(v.SlotID)
	to.state = C.CK_STATE(v.State)
	to.flags = C.CK_FLAGS(v.Flags)
	to.ulDeviceError = C.CK_ULONG(v.DeviceError)
}

func putMechanismInfo(to C.CK_MECHANISM_INFO_PTR, v ck.MechanismInfo) {
	to.ulMinKeySize = C.CK_ULONG(v.MinKeySize)
	to.ulMaxKeySize = C.CK_ULONG(v.MaxKeySize)
	to.flags = C.CK_FLAGS(v.Flags)
}

// The arguments of a trace that are known only after the call.

func outTrace(name string, p C.CK_BYTE_PTR, n C.CK_ULONG_PTR, err error) remote.Arg {
	if err != nil || p == nil {
		return remote.Number(name+".len", uint64(*n))
	}
	return remote.Data(name, bytesAt(p, *n))
}

func resultTrace[P ~*C.CK_ULONG](name string, p P, err error) remote.Arg {
	if err != nil || p == nil {
		return remote.Data(name, nil)
	}
	return remote.Number(name, uint64(*p))
}

func mechanismTrace(p C.CK_MECHANISM_PTR) remote.Arg {
	if p == nil {
		return remote.Data("pMechanism", nil)
	}
	return remote.Number("mechanism", uint64(p.mechanism))
}
