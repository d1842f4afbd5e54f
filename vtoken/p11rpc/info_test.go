package p11rpc

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// Each structure travels whole: what one side writes, the other reads.
func TestInfoTravels(t *testing.T) {
	info := ck.Info{
		CryptokiVersion: ck.Version{Major: 3, Minor: 1}, ManufacturerID: "maker", Flags: 5,
		LibraryDescription: "library", LibraryVersion: ck.Version{Major: 7, Minor: 9},
	}
	slot := ck.SlotInfo{
		SlotDescription: "slot", ManufacturerID: "maker", Flags: 6,
		HardwareVersion: ck.Version{Major: 1, Minor: 2}, FirmwareVersion: ck.Version{Major: 3, Minor: 4},
	}
	token := ck.TokenInfo{
		Label: "label", ManufacturerID: "maker", Model: "model", SerialNumber: "0123", Flags: 7,
		MaxSessionCount: 11, SessionCount: 12, MaxRwSessionCount: 13, RwSessionCount: 14, MaxPinLen: 15, MinPinLen: 16,
		TotalPublicMemory: 17, FreePublicMemory: 18, TotalPrivateMemory: 19, FreePrivateMemory: 20,
		HardwareVersion: ck.Version{Major: 1, Minor: 2}, FirmwareVersion: ck.Version{Major: 3, Minor: 4}, UTCTime: "2026010100000000",
	}
	session := ck.SessionInfo{SlotID: 1, State: 2, Flags: 3, DeviceError: 4}
	mechanism := ck.MechanismInfo{MinKeySize: 1, MaxKeySize: 2, Flags: 3}

	for _, c := range []struct {
		call  CallID
		write func(*Encoder)
		read  func(*Decoder) any
		want  any
	}{
		{CallGetInfo, func(e *Encoder) { e.Info(info) }, func(d *Decoder) any { return d.Info() }, info},
		{CallGetSlotInfo, func(e *Encoder) { e.SlotInfo(slot) }, func(d *Decoder) any { return d.SlotInfo() }, slot},
		{CallGetTokenInfo, func(e *Encoder) { e.TokenInfo(token) }, func(d *Decoder) any { return d.TokenInfo() }, token},
		{CallGetSessionInfo, func(e *Encoder) { e.SessionInfo(session) }, func(d *Decoder) any { return d.SessionInfo() }, session},
		{
			CallGetMechanismInfo, func(e *Encoder) { e.MechanismInfo(mechanism) },
			func(d *Decoder) any { return d.MechanismInfo() }, mechanism,
		},
	} {
		require.Equal(t, c.want, answerTravels(t, c.call, c.write, c.read), "%v", c.call)
	}
}

// answerTravels writes the answer to a call, and returns what the other side reads in it.
func answerTravels(t *testing.T, call CallID, write func(*Encoder), read func(*Decoder) any) any {
	t.Helper()
	var e Encoder
	var d Decoder
	e.BeginResponse(1, call)
	write(&e)
	require.NoError(t, e.End())
	require.NoError(t, d.Response(frameOf(t, e.Bytes()).Body, call))
	got := read(&d)
	require.NoError(t, d.Done())
	return got
}
