package p11rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

func header(code, options, body uint32) []byte {
	h := binary.BigEndian.AppendUint32(nil, code)
	h = binary.BigEndian.AppendUint32(h, options)
	return binary.BigEndian.AppendUint32(h, body)
}

func TestReader(t *testing.T) {
	var wire []byte
	var want [][]byte
	for i, size := range []int{0, 1, 100, 5000, 8, 200_000, 70_000, 3} {
		body := bytes.Repeat([]byte{byte(i + 1)}, size)
		wire = append(wire, header(uint32(i+1), uint32(i), uint32(size))...)
		wire = append(wire, "option "[:i%8]...)
		wire = append(wire, body...)
		want = append(want, body)
	}
	for name, src := range map[string]io.Reader{
		"whole":   bytes.NewReader(wire),
		"halves":  iotest.HalfReader(bytes.NewReader(wire)),
		"bytes":   iotest.OneByteReader(bytes.NewReader(wire)),
		"eof too": iotest.DataErrReader(bytes.NewReader(wire)),
	} {
		r := NewReader(src)
		for i, body := range want {
			f, err := r.Next()
			require.NoError(t, err, "%v, %v", name, len(f.Body))
			require.Equal(t, uint32(i+1), f.Code, "%v, %v", name, len(f.Body))
			require.Equal(t, body, f.Body, "%v, %v", name, len(f.Body))
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestReaderFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		wire []byte
		want error
	}{
		"nothing":          {nil, io.EOF},
		"half a header":    {header(1, 0, 0)[:5], io.ErrUnexpectedEOF},
		"no body":          {header(1, 0, 8), io.ErrUnexpectedEOF},
		"half a body":      {append(header(1, 0, 8), 1, 2), io.ErrUnexpectedEOF},
		"code 0":           {header(0, 0, 0), ErrMalformed},
		"body too large":   {header(1, 0, MaxBody+1), ErrMalformed},
		"too many options": {header(1, MaxOptions+1, 0), ErrMalformed},
	} {
		if _, err := NewReader(bytes.NewReader(tc.wire)).Next(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// A header that announces more than there is costs no memory.
func TestLyingHeader(t *testing.T) {
	r := NewReader(bytes.NewReader(append(header(1, 0, MaxBody), make([]byte, 6000)...)))
	_, err := r.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.LessOrEqual(t, len(r.buf), 4*firstBuffer)
}

// Bodies are gone from the buffer when the next frame is asked for: one
// may hold a PIN.
func TestReaderWipes(t *testing.T) {
	secret := []byte("the PIN is 123456")
	for _, padding := range []int{0, 3000, 4050, 5000} {
		wire := append(header(1, 0, uint32(padding)), make([]byte, padding)...)
		wire = append(append(wire, header(2, 0, uint32(len(secret)))...), secret...)
		r := NewReader(iotest.HalfReader(bytes.NewReader(wire)))
		for range 2 {
			_, err := r.Next()
			require.NoError(t, err)
		}
		_, err := r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.False(t, bytes.Contains(r.buf[:cap(r.buf)], []byte("123456")), "the secret is in the buffer, padding %d", padding)
	}
}

func TestEncoderRefusesWhatIsTooLarge(t *testing.T) {
	var e Encoder
	e.BeginRequest(1, CallDigestUpdate)
	e.Ulong(1)
	e.Data(make([]byte, MaxBody+1))
	require.Equal(t, ck.CKR_DATA_LEN_RANGE, ck.CodeOf(e.End()))
	e.BeginRequest(2, CallFinalize)
	require.NoError(t, e.End())
	require.Len(t, e.Bytes(), headerLen+8)
}

type duplex struct {
	io.Reader
	io.Writer
}

func TestHandshake(t *testing.T) {
	for _, tc := range []struct{ offer, agreed byte }{{0, 0}, {1, 1}, {2, 2}, {200, MaxVersion}, {Extended, Extended}, {0xf9, Extended}, {Joined, Joined}, {255, Joined}} {
		var answer bytes.Buffer
		v, err := Accept(duplex{bytes.NewReader([]byte{tc.offer}), &answer})
		require.NoError(t, err, "%v", tc.offer)
		require.Equal(t, tc.agreed, v, "%v", tc.offer)
		require.Equal(t, []byte{tc.agreed}, answer.Bytes(), "%v", tc.offer)
		var sent bytes.Buffer
		if v, err := Offer(duplex{&answer, &sent}, tc.offer); err != nil || v != tc.agreed || sent.Bytes()[0] != tc.offer {
			t.Errorf("offer of %d: %d, %v", tc.offer, v, err)
		}
	}
	if _, err := Offer(duplex{bytes.NewReader([]byte{3}), io.Discard}, 2); !errors.Is(err, ErrMalformed) {
		t.Errorf("a server that chooses more than was offered: %v", err)
	}
	if _, err := Offer(duplex{bytes.NewReader(nil), io.Discard}, 2); !errors.Is(err, io.EOF) {
		t.Errorf("a server that hangs up: %v", err)
	}
}

// Only [Extended] has the calls that p11-kit has not.
func TestCallsOfOurOwn(t *testing.T) {
	for _, version := range Versions() {
		e, d := Encoder{Version: version}, Decoder{Version: version}
		e.BeginRequest(1, CallDecapsulateKey)
		require.NoError(t, writeAll(&e, sample(CallDecapsulateKey, calls[CallDecapsulateKey].Request, false, 1)))
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.Equal(t, isExtended(version), err == nil)
	}
	if n, all := len(Calls(MaxVersion)), len(Calls(Extended)); n != int(CallDeriveKey2) || all != n+9 {
		t.Errorf("%d calls, and %d of the extended version", n, all)
	}
	require.NotContains(t, Calls(Extended), CallJoin)
	require.Equal(t, append(Calls(Extended), CallJoin, CallResume, CallRestoreObject), Calls(Joined))
}

// The sessions of a CallResume travel whole, and a list that is none is malformed.
func TestResumedSessions(t *testing.T) {
	frame := func(write func(e *Encoder)) *Decoder {
		e, d := Encoder{Version: Joined}, &Decoder{Version: Joined}
		e.BeginRequest(1, CallResume)
		write(&e)
		require.NoError(t, e.End())
		_, err := d.Request(frameOf(t, e.Bytes()).Body)
		require.NoError(t, err)
		return d
	}
	for _, list := range [][]ResumedSession{
		{},
		{{Handle: 7, Slot: 1 << 40, Flags: 6}, {Handle: 8, Slot: 2, Flags: 4}},
		make([]ResumedSession, MaxResumed),
	} {
		d := frame(func(e *Encoder) { e.ResumedSessions(list) })
		require.Equal(t, list, d.ResumedSessions())
		require.NoError(t, d.Done())
	}
	for what, write := range map[string]func(e *Encoder){
		"a number too few": func(e *Encoder) { Ulongs(e, make([]uint64, 5)) },
		"too many":         func(e *Encoder) { e.ResumedSessions(make([]ResumedSession, MaxResumed+1)) },
		"a count alone":    func(e *Encoder) { e.UlongCount(3) },
	} {
		d := frame(write)
		require.Nil(t, d.ResumedSessions(), what)
		require.ErrorIs(t, d.Done(), ErrMalformed, what)
	}
}

func TestTable(t *testing.T) {
	names := make(map[string]bool)
	for id, c := range calls {
		if !CallID(id).Valid() {
			if c != (Call{}) || id <= int(CallDeriveKey2) {
				t.Errorf("row %d is %+v and no call", id, c)
			}
			continue
		}
		if int(c.ID) != id || names[c.Name] {
			t.Errorf("row %d is %+v", id, c)
		}
		names[c.Name] = true
		for _, sig := range []string{c.Request, c.Response} {
			for sig != "" {
				sig = sig[len(shapeOf(sig).letters):]
			}
		}
	}
	for id, number := range map[CallID]uint32{CallInitialize: 1, CallSign: 43, CallWaitForSlotEvent: 65, CallLoginUser: 66, CallInitToken2: 88, CallDeriveKey2: 89, CallEncapsulateKey: 200, CallDecapsulateKey: 201, CallDecryptMessageNext2: 207} {
		require.Equal(t, number, uint32(id))
	}
}

func TestPeek(t *testing.T) {
	var e Encoder
	e.BeginRequest(1, CallLogout)
	e.Ulong(77)
	_ = e.End()
	whole := frameOf(t, e.Bytes()).Body
	if call, session := Peek(whole); call != CallLogout || session != 77 {
		t.Errorf("%v, %d", call, session)
	}
	for n := range len(whole) {
		if call, session := Peek(whole[:n]); call != NumCalls || session != 0 {
			t.Errorf("%d bytes: %v, %d", n, call, session)
		}
	}
	if call, session := Peek([]byte{0, 0, 0, byte(CallOpenSession), 0, 0, 0, 2, 'u', 'u'}); call != CallOpenSession || session != 0 {
		t.Errorf("C_OpenSession: %v, %d", call, session)
	}
}
