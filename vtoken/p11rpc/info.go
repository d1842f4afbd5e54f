package p11rpc

import "vtoken/vtoken/ck"

// The structures that the information calls return, each with its inverse.
// Lengths of texts are those of the C structures (PKCS#11 section 3).

// Info writes CK_INFO.
func (e *Encoder) Info(v ck.Info) {
	e.version(v.CryptokiVersion)
	e.SpaceString(v.ManufacturerID, 32)
	e.Ulong(uint64(v.Flags))
	e.SpaceString(v.LibraryDescription, 32)
	e.version(v.LibraryVersion)
}

// Info reads CK_INFO.
func (d *Decoder) Info() (v ck.Info) {
	v.CryptokiVersion = d.version()
	v.ManufacturerID = d.SpaceString(32)
	v.Flags = ck.Flags(d.Ulong())
	v.LibraryDescription = d.SpaceString(32)
	v.LibraryVersion = d.version()
	return v
}

// SlotInfo writes CK_SLOT_INFO.
func (e *Encoder) SlotInfo(v ck.SlotInfo) {
	e.SpaceString(v.SlotDescription, 64)
	e.SpaceString(v.ManufacturerID, 32)
	e.Ulong(uint64(v.Flags))
	e.version(v.HardwareVersion)
	e.version(v.FirmwareVersion)
}

// SlotInfo reads CK_SLOT_INFO.
func (d *Decoder) SlotInfo() (v ck.SlotInfo) {
	v.SlotDescription = d.SpaceString(64)
	v.ManufacturerID = d.SpaceString(32)
	v.Flags = ck.Flags(d.Ulong())
	v.HardwareVersion = d.version()
	v.FirmwareVersion = d.version()
	return v
}

// TokenInfo writes CK_TOKEN_INFO.
func (e *Encoder) TokenInfo(v ck.TokenInfo) {
	e.SpaceString(v.Label, 32)
	e.SpaceString(v.ManufacturerID, 32)
	e.SpaceString(v.Model, 16)
	e.SpaceString(v.SerialNumber, 16)
	e.Ulong(uint64(v.Flags))
	for _, n := range tokenNumbers(&v) {
		e.Ulong(*n)
	}
	e.version(v.HardwareVersion)
	e.version(v.FirmwareVersion)
	e.SpaceString(v.UTCTime, 16)
}

// TokenInfo reads CK_TOKEN_INFO.
func (d *Decoder) TokenInfo() (v ck.TokenInfo) {
	v.Label = d.SpaceString(32)
	v.ManufacturerID = d.SpaceString(32)
	v.Model = d.SpaceString(16)
	v.SerialNumber = d.SpaceString(16)
	v.Flags = ck.Flags(d.Ulong())
	for _, n := range tokenNumbers(&v) {
		*n = d.Ulong()
	}
	v.HardwareVersion = d.version()
	v.FirmwareVersion = d.version()
	v.UTCTime = d.SpaceString(16)
	return v
}

// tokenNumbers are the counts and sizes of CK_TOKEN_INFO in their order.
func tokenNumbers(v *ck.TokenInfo) [10]*uint64 {
	return [10]*uint64{
		&v.MaxSessionCount, &v.SessionCount, &v.MaxRwSessionCount, &v.RwSessionCount,
		&v.MaxPinLen, &v.MinPinLen, &v.TotalPublicMemory, &v.FreePublicMemory,
		&v.TotalPrivateMemory, &v.FreePrivateMemory,
	}
}

// SessionInfo writes CK_SESSION_INFO.
func (e *Encoder) SessionInfo(v ck.SessionInfo) {
	e.Ulong(uint64(v.SlotID))
	e.Ulong(uint64(v.State))
	e.Ulong(uint64(v.Flags))
	e.Ulong(v.DeviceError)
}

// SessionInfo reads CK_SESSION_INFO.
func (d *Decoder) SessionInfo() (v ck.SessionInfo) {
	v.SlotID = d.Slot()
	v.State = ck.State(d.Ulong())
	v.Flags = ck.Flags(d.Ulong())
	v.DeviceError = d.Ulong()
	return v
}

// MechanismInfo writes CK_MECHANISM_INFO.
func (e *Encoder) MechanismInfo(v ck.MechanismInfo) {
	e.Ulong(v.MinKeySize)
	e.Ulong(v.MaxKeySize)
	e.Ulong(uint64(v.Flags))
}

// MechanismInfo reads CK_MECHANISM_INFO.
func (d *Decoder) MechanismInfo() (v ck.MechanismInfo) {
	v.MinKeySize = d.Ulong()
	v.MaxKeySize = d.Ulong()
	v.Flags = ck.Flags(d.Ulong())
	return v
}
