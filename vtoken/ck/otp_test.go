package ck

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func sampleOTP() OTPParams {
	return OTPParams{
		{CK_OTP_VALUE, []byte("755224")}, {CK_OTP_COUNTER, make([]byte, 8)},
		{CK_OTP_OUTPUT_LENGTH, binary.BigEndian.AppendUint64(nil, 6)}, {CK_OTP_PIN, nil},
	}
}

func TestOTPInfo(t *testing.T) {
	p := sampleOTP()
	info := p.Info()
	require.Len(t, info, OTPInfoLen(6, 8, 8, 0))
	const base = 0x7f0000001000
	require.True(t, PlaceOTPInfo(info, base), "the structure is none")
	le := binary.LittleEndian
	require.Equal(t, uint64(base+16), le.Uint64(info), "%v", info[:16])
	require.Equal(t, uint64(len(p)), le.Uint64(info[8:]), "%v", info[:16])
	for i, one := range p {
		row := info[16+24*i:]
		value := info[le.Uint64(row[8:])-base:][:le.Uint64(row[16:])]
		want := one.Value
		if OTPUlong(one.Type) {
			want = le.AppendUint64(nil, binary.BigEndian.Uint64(one.Value))
		}
		require.Equal(t, one.Type, le.Uint64(row), "%v", i)
		require.Equal(t, string(want), string(value), "%v", i)
	}
	require.False(t, PlaceOTPInfo(info, base), "a structure is placed twice")
}

// FuzzPlaceOTPInfo: whatever a daemon sends, no pointer leads out of the memory,
// and what is none of these structures stays as it is.
func FuzzPlaceOTPInfo(f *testing.F) {
	seeds := [][]byte{sampleOTP().Info(), OTPParams{}.Info(), make([]byte, 16), nil}
	long := sampleOTP().Info()
	binary.LittleEndian.PutUint64(long[16+16:], ^uint64(0))
	for _, s := range append(seeds, long, sampleOTP().Info()[:100]) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const base = 1 << 32
		info := slices.Clone(in)
		if !PlaceOTPInfo(info, base) {
			require.Equal(t, in, info, "what is no structure was changed")
			return
		}
		le, end := binary.LittleEndian, base+uint64(len(info))
		for i := range le.Uint64(info[8:]) {
			row := info[16+24*i:]
			if at, n := le.Uint64(row[8:]), le.Uint64(row[16:]); at < base || at > end || n > end-at {
				t.Errorf("parameter %d points to %x, %d bytes", i, at, n)
			}
		}
	})
}

// What is a byte too short, has a row too many, or points beyond its end is no structure.
func TestPlaceOTPInfoAtItsEnds(t *testing.T) {
	le := binary.LittleEndian
	whole := sampleOTP().Info()
	require.True(t, PlaceOTPInfo(slices.Clone(whole), 0))
	require.True(t, PlaceOTPInfo(OTPParams{}.Info(), 0), "a structure of no parameters")
	require.False(t, PlaceOTPInfo(OTPParams{}.Info()[:15], 0))
	for name, change := range map[string]func([]byte){
		"a row too many":        func(b []byte) { le.PutUint64(b[8:], uint64((len(b)-16)/24+1)) },
		"two rows too many":     func(b []byte) { le.PutUint64(b[8:], uint64((len(b)-16)/24+2)) },
		"another start":         func(b []byte) { le.PutUint64(b, 17) },
		"a value past the end":  func(b []byte) { le.PutUint64(b[16+8:], uint64(len(b)+1)) },
		"a value a byte longer": func(b []byte) { le.PutUint64(b[16+16:], uint64(len(b))-le.Uint64(b[16+8:])+1) },
	} {
		bad := slices.Clip(slices.Clone(whole))
		change(bad)
		require.False(t, PlaceOTPInfo(bad, 0), name)
	}
	for name, change := range map[string]func([]byte){
		"as many rows as fit":       func(b []byte) { clear(b[16:]); le.PutUint64(b[8:], uint64((len(b)-16)/24)) },
		"a value up to the end":     func(b []byte) { le.PutUint64(b[16+16:], uint64(len(b))-le.Uint64(b[16+8:])) },
		"an empty value at the end": func(b []byte) { le.PutUint64(b[16+8:], uint64(len(b))); le.PutUint64(b[16+16:], 0) },
	} {
		good := slices.Clone(whole)
		change(good)
		require.True(t, PlaceOTPInfo(good, 0), name)
	}
	short := OTPParams{{CK_OTP_OUTPUT_LENGTH, []byte{1, 2}}, {CK_OTP_TIME, []byte("12345678")}}.Info()
	require.Equal(t, "\x01\x0212345678", string(short[16+48:]), "only a number of 8 bytes is turned")
}
