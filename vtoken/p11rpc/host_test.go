package p11rpc

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

var errFull = errors.New("full")

// boundedHost gives up to limit bytes and keeps the account.
type boundedHost struct{ limit, taken, most int }

func (h *boundedHost) Take(n int) error {
	if h.taken+n > h.limit {
		return errFull
	}
	h.taken += n
	h.most = max(h.most, h.taken)
	return nil
}

func (h *boundedHost) Give(n int) { h.taken -= n }

func (h *boundedHost) Begun(bool) {}

// A frame that the host refuses is passed over, to the byte, and the next one is read.
func TestRefusedFrame(t *testing.T) {
	small := bytes.Repeat([]byte{1}, 10)
	large := bytes.Repeat([]byte{2}, 100_000)
	var wire []byte
	for i, body := range [][]byte{small, large, small, large, small} {
		wire = append(append(wire, header(uint32(i+1), 3, uint32(len(body)))...), "opt"...)
		wire = append(wire, body...)
	}
	for name, src := range map[string]io.Reader{
		"whole": bytes.NewReader(wire),
		"bytes": iotest.OneByteReader(bytes.NewReader(wire)),
	} {
		r, h := NewReader(src), &boundedHost{limit: 20_000}
		require.NoError(t, r.SetHost(h))
		for code := uint32(1); code <= 5; code++ {
			f, err := r.Next()
			if code%2 == 0 {
				var refused *Refused
				require.ErrorAs(t, err, &refused, name)
				require.ErrorIs(t, err, errFull)
				require.Equal(t, code, refused.Code)
				continue
			}
			require.NoError(t, err, name)
			require.Equal(t, code, f.Code)
			require.Equal(t, small, f.Body)
		}
		_, err := r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.LessOrEqual(t, h.taken, keepBuffer)
	}

	cut := NewReader(bytes.NewReader(wire[:5000]))
	require.NoError(t, cut.SetHost(&boundedHost{limit: 20_000}))
	_, err := cut.Next()
	require.NoError(t, err)
	_, err = cut.Next()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "the frame ends while it is passed over")
}

// The host's account is that of the buffer: a large one grows in steps and is given up after its
// frame.
func TestHostKeepsAccount(t *testing.T) {
	wire := append(header(1, 0, 3<<20), make([]byte, 3<<20)...)
	wire = append(wire, header(2, 0, 1)...)
	wire = append(wire, 9)
	r, h := NewReader(iotest.HalfReader(bytes.NewReader(wire))), &boundedHost{limit: 32 << 20}
	require.NoError(t, r.SetHost(h))
	require.Equal(t, firstBuffer, h.taken)
	_, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, len(r.buf), h.taken)
	_, err = r.Next()
	require.NoError(t, err)
	require.Equal(t, firstBuffer, h.taken)
	require.Len(t, r.buf, firstBuffer)

	require.ErrorIs(t, NewReader(nil).SetHost(&boundedHost{}), errFull)
}

// A frame is ready once all of it is there, and a fault at once.
func TestReady(t *testing.T) {
	whole := append(header(2, 3, 4), "optbody"...)
	for _, c := range []struct {
		name   string
		behind []byte
		want   bool
	}{
		{"nothing", nil, false},
		{"part of a header", whole[:11], false},
		{"a header", whole[:12], false},
		{"all but a byte", whole[:len(whole)-1], false},
		{"a frame", whole, true},
		{"more than a frame", append(bytes.Clone(whole), 0), true},
		{"an empty frame", header(2, 0, 0), true},
		{"a fault", header(0, 0, 4), true},
	} {
		r := NewReader(bytes.NewReader(append(header(1, 0, 0), c.behind...)))
		_, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, c.want, r.Ready(), c.name)
	}
}

// A large body that nothing follows is the caller's, with its size. The reader goes on with a
// buffer of its own.
func TestDetach(t *testing.T) {
	frame := func(size int) []byte { return append(header(1, 0, uint32(size)), bytes.Repeat([]byte{7}, size)...) }
	for _, c := range []struct {
		name string
		wire []byte
		want bool
	}{
		{"small", frame(keepBuffer), false},
		{"large", frame(keepBuffer + 1), true},
	} {
		r := NewReader(bytes.NewReader(c.wire))
		f, err := r.Next()
		require.NoError(t, err)
		body, size, ok := r.Detach()
		require.Equal(t, c.want, ok, c.name)
		if !ok {
			continue
		}
		require.Equal(t, f.Body, body)
		require.GreaterOrEqual(t, size+firstBuffer, len(body))
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, bytes.Repeat([]byte{7}, keepBuffer+1), body, "it is not wiped")
	}
}

// What was written and is not sent is wiped.
func TestEncoderWipes(t *testing.T) {
	var e Encoder
	e.BeginRequest(1, CallGetInfo)
	require.NoError(t, e.End())
	kept := len(e.Bytes())
	e.BeginResponse(2, CallGetSlotInfo)
	e.SlotInfo(ck.SlotInfo{SlotDescription: "secret"})
	written := e.buf
	e.Abandon()
	require.Len(t, e.Bytes(), kept)
	require.NotContains(t, string(written), "secret")

	e.BeginResponse(2, CallGetSlotInfo)
	e.SlotInfo(ck.SlotInfo{SlotDescription: "secret"})
	require.NoError(t, e.End())
	written = e.buf
	e.Reset()
	require.Empty(t, e.Bytes())
	require.NotContains(t, string(written), "secret")
}
