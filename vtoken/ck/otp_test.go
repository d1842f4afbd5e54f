package ck

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
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
	if n := OTPInfoLen(6, 8, 8, 0); len(info) != n {
		t.Errorf("the structure has %d bytes, and %d were announced", len(info), n)
	}
	const base = 0x7f0000001000
	if !PlaceOTPInfo(info, base) {
		t.Fatal("the structure is none")
	}
	le := binary.LittleEndian
	if le.Uint64(info) != base+16 || le.Uint64(info[8:]) != uint64(len(p)) {
		t.Errorf("it begins with % x", info[:16])
	}
	for i, one := range p {
		row := info[16+24*i:]
		value := info[le.Uint64(row[8:])-base:][:le.Uint64(row[16:])]
		want := one.Value
		if OTPUlong(one.Type) {
			want = le.AppendUint64(nil, binary.BigEndian.Uint64(one.Value))
		}
		if le.Uint64(row) != one.Type || !bytes.Equal(value, want) {
			t.Errorf("parameter %d is %d % x, want % x", i, le.Uint64(row), value, want)
		}
	}
	if PlaceOTPInfo(info, base) {
		t.Error("a structure is placed twice")
	}
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
			if !bytes.Equal(info, in) {
				t.Error("what is no structure was changed")
			}
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
