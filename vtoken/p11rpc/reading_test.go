package p11rpc

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// spy gives what it has in steps, and remembers the memory that it was to fill.
type spy struct {
	rest    []byte
	step    int
	end     error
	buffers [][]byte
}

func (s *spy) Read(p []byte) (int, error) {
	if n := len(s.buffers); n == 0 || &s.buffers[n-1][cap(s.buffers[n-1])-1] != &p[:cap(p)][cap(p)-1] {
		s.buffers = append(s.buffers, p[:cap(p)])
	}
	if len(s.rest) == 0 {
		return 0, s.end
	}
	n := copy(p[:min(len(p), s.step)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// All memory in which a body was is wiped once the next frame is asked for: when the buffer
// grows, when what follows moves in it, when the frame is refused, and when a large buffer is
// given up.
func TestEveryBufferIsWiped(t *testing.T) {
	const secret = "the PIN is 123456"
	frame := func(code uint32, size int) []byte {
		body := bytes.Repeat([]byte(secret), size/len(secret)+1)
		return append(header(code, 0, uint32(len(body))), body...)
	}
	for _, step := range []int{1000, 4096, 9000, 1 << 20} {
		for _, sizes := range [][]int{
			{10}, {3000, 3000, 3000}, {5000}, {70_000, 10}, {200_000, 70_000, 3000}, {10, 100_000, 10},
		} {
			for _, limit := range []int{1 << 30, 20_000} {
				src := &spy{step: step, end: io.EOF}
				for i, size := range sizes {
					src.rest = append(src.rest, frame(uint32(i+1), size)...)
				}
				r := NewReader(src)
				require.NoError(t, r.SetHost(&boundedHost{limit: limit}))
				for {
					_, err := r.Next()
					var refused *Refused
					if errors.As(err, &refused) {
						continue
					}
					if err != nil {
						require.Equal(t, io.EOF, err)
						break
					}
				}
				for i, b := range src.buffers {
					require.False(t, bytes.Contains(b, []byte("123456")), "buffer %d, reads of %d, frames of %v", i, step, sizes)
				}
			}
		}
	}
}

// journal is a host that writes down what it is told.
type journal struct {
	takes, gives []int
	begun        []bool
}

func (j *journal) Take(n int) error { j.takes = append(j.takes, n); return nil }
func (j *journal) Give(n int)       { j.gives = append(j.gives, n) }
func (j *journal) Begun(b bool)     { j.begun = append(j.begun, b) }

// A buffer grows as bytes arrive, at most doubling, until a large one is made for the whole
// frame.
func TestBufferGrows(t *testing.T) {
	const body = 3 << 20
	wire := append(header(1, 0, body), make([]byte, body)...)
	j := new(journal)
	r := NewReader(&spy{rest: wire, step: 1 << 10, end: io.EOF})
	require.NoError(t, r.SetHost(j))
	_, err := r.Next()
	require.NoError(t, err)
	k := 1 << 10
	require.Equal(t, []int{4 * k, 8 * k, 16 * k, 32 * k, 64 * k, 128 * k, 256 * k, 512 * k, body + headerLen}, j.takes)
	require.Equal(t, []int{4 * k, 8 * k, 16 * k, 32 * k, 64 * k, 128 * k, 256 * k, 512 * k}, j.gives)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, body+headerLen-firstBuffer, j.gives[len(j.gives)-1], "the large one is given up")
	require.Len(t, r.buf, firstBuffer)

	// A frame a little larger than the buffer takes no more than it needs.
	j = new(journal)
	r = NewReader(&spy{rest: append(header(1, 0, 5000), make([]byte, 5000)...), step: 1 << 20, end: io.EOF})
	require.NoError(t, r.SetHost(j))
	_, err = r.Next()
	require.NoError(t, err)
	require.Equal(t, []int{firstBuffer, headerLen + 5000}, j.takes)
}

// afterRefusal is a reader with a buffer of 512 KiB, since a frame was refused that had grown it
// so far. The wire is what follows that frame.
func afterRefusal(t *testing.T, wire []byte) (*Reader, *boundedHost) {
	t.Helper()
	const body = 1 << 20
	refused := append(header(9, 0, body), make([]byte, body)...)
	r, h := NewReader(&spy{rest: append(refused, wire...), step: 2 << 20, end: io.EOF}), &boundedHost{limit: body}
	require.NoError(t, r.SetHost(h))
	_, err := r.Next()
	require.ErrorIs(t, err, errFull)
	require.Len(t, r.buf, body/2)
	return r, h
}

// frameOfSize is a frame that is as large as total says with its header.
func frameOfSize(code uint32, total int) []byte {
	n := total - headerLen
	return append(header(code, 0, uint32(n)), bytes.Repeat([]byte{0x40 + byte(code)}, n)...)
}

// A buffer up to a size is kept for the next frame, and a large one that has much of that frame.
func TestBufferIsKept(t *testing.T) {
	for size, kept := range map[int]bool{keepBuffer: true, keepBuffer + 1: false} {
		r := NewReader(bytes.NewReader(frameOfSize(1, size)))
		_, err := r.Next()
		require.NoError(t, err)
		require.Len(t, r.buf, size)
		_, err = r.Next()
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, kept, len(r.buf) == size, "%d bytes", size)
	}
	for next, kept := range map[int]bool{0: false, 1: false, firstBuffer: false, firstBuffer + 1: true} {
		second := frameOfSize(2, 2*firstBuffer)
		r, h := afterRefusal(t, append(frameOfSize(1, 2*firstBuffer), second[:next]...))
		_, err := r.Next()
		require.NoError(t, err)
		large := r.buf
		r.release()
		require.Equal(t, kept, len(r.buf) == len(large), "%d bytes of the next frame", next)
		require.True(t, bytes.Equal(second[:next], r.buf[r.r:r.w]))
		require.Equal(t, len(r.buf), h.taken)
		if !kept {
			require.Len(t, r.buf, firstBuffer)
			require.False(t, bytes.ContainsAny(large, "AB"), "the bodies are wiped")
		}
	}
}

// The host is told before each read whether a frame has begun.
func TestHostKnowsWhetherFrameHasBegun(t *testing.T) {
	j := new(journal)
	wire := append(header(1, 0, 2), 7, 7)
	r := NewReader(iotest.OneByteReader(bytes.NewReader(append(wire, wire...))))
	require.NoError(t, r.SetHost(j))
	for range 2 {
		_, err := r.Next()
		require.NoError(t, err)
	}
	_, err := r.Next()
	require.ErrorIs(t, err, io.EOF)
	var want []bool
	for range 2 {
		want = append(want, false)
		for range len(wire) - 1 {
			want = append(want, true)
		}
	}
	require.Equal(t, append(want, false), j.begun)

	// So it is while a frame is passed over that was refused.
	refuser := &refusing{limit: firstBuffer}
	r = NewReader(&spy{rest: append(header(1, 0, 10_000), make([]byte, 10_000)...), step: 4000, end: io.EOF})
	require.NoError(t, r.SetHost(refuser))
	_, err = r.Next()
	var refused *Refused
	require.ErrorAs(t, err, &refused)
	require.EqualError(t, refused, errFull.Error())
	require.Equal(t, []bool{false, true, true, true}, refuser.begun)
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}

// refusing is a host that refuses a buffer above a limit, and writes down the rest.
type refusing struct {
	journal
	limit int
}

func (h *refusing) Take(n int) error {
	if n > h.limit {
		return errFull
	}
	return h.journal.Take(n)
}

// The error of a connection is the reader's, within a frame and within one that is passed over.
func TestErrorOfConnection(t *testing.T) {
	broken, refused := errors.New("broken"), append(header(1, 0, 9000), make([]byte, 8000)...)
	for name, c := range map[string]struct {
		wire  []byte
		limit int
		end   error
		want  error
	}{
		"between frames":                {nil, 1 << 20, broken, broken},
		"in a header":                   {header(1, 0, 5)[:7], 1 << 20, broken, broken},
		"in a body":                     {header(1, 0, 5), 1 << 20, broken, broken},
		"in a body that is refused":     {refused, firstBuffer, broken, broken},
		"hangs up in a header":          {header(1, 0, 5)[:7], 1 << 20, io.EOF, io.ErrUnexpectedEOF},
		"hangs up after a header":       {header(1, 0, 5), 1 << 20, io.EOF, io.ErrUnexpectedEOF},
		"hangs up in what is refused":   {refused, firstBuffer, io.EOF, io.ErrUnexpectedEOF},
		"hangs up as it starts to skip": {refused[:firstBuffer], firstBuffer, io.EOF, io.ErrUnexpectedEOF},
	} {
		r := NewReader(&spy{rest: c.wire, step: 1 << 20, end: c.end})
		require.NoError(t, r.SetHost(&boundedHost{limit: c.limit}))
		f, err := r.Next()
		require.ErrorIs(t, err, c.want, name)
		require.Zero(t, f, name)
		var refused *Refused
		require.False(t, errors.As(err, &refused), name)
	}
}

// The limits of a header are those that a frame may have.
func TestLargestHeader(t *testing.T) {
	wire := append(header(1, MaxOptions, MaxBody), make([]byte, MaxOptions+MaxBody)...)
	f, err := NewReader(bytes.NewReader(wire)).Next()
	require.NoError(t, err)
	require.Len(t, f.Body, MaxBody)
}

// What is detached takes its size along, and the reader is left with a first buffer.
func TestDetachedSize(t *testing.T) {
	frame := frameOfSize(1, headerLen+keepBuffer+1)
	h := &boundedHost{limit: 1 << 20}
	r := NewReader(&spy{rest: append(frame, header(2, 0, 0)...), step: 1 << 20, end: io.EOF})
	require.NoError(t, r.SetHost(h))
	_, err := r.Next()
	require.NoError(t, err)
	_, size, ok := r.Detach()
	require.True(t, ok, "the next frame is not here yet")
	require.Equal(t, h.taken, size+firstBuffer)
	require.False(t, r.Ready())
	f, err := r.Next()
	require.NoError(t, err)
	require.EqualValues(t, 2, f.Code)

	// What follows in the same buffer stays with the reader.
	r, _ = afterRefusal(t, append(frame, header(2, 0, 0)...))
	_, err = r.Next()
	require.NoError(t, err)
	_, _, ok = r.Detach()
	require.False(t, ok)
	f, err = r.Next()
	require.NoError(t, err)
	require.EqualValues(t, 2, f.Code)

	// The size is that of the buffer, which may be larger than the body.
	r, h = afterRefusal(t, frame)
	_, err = r.Next()
	require.NoError(t, err)
	_, size, ok = r.Detach()
	require.True(t, ok)
	require.Equal(t, h.taken, size+firstBuffer)
	require.Len(t, r.buf, firstBuffer)
}

// failing is a connection that is closed in one direction.
type failing struct{ error }

func (f failing) Write([]byte) (int, error) { return 0, f.error }

// A handshake ends with the error of the connection, or with a version that both speak.
func TestHandshakeFails(t *testing.T) {
	broken := errors.New("broken")
	_, err := Offer(duplex{bytes.NewReader([]byte{2}), failing{broken}}, 2)
	require.ErrorIs(t, err, broken)
	_, err = Accept(duplex{bytes.NewReader([]byte{2}), failing{broken}})
	require.ErrorIs(t, err, broken)
	_, err = Accept(duplex{bytes.NewReader(nil), io.Discard})
	require.ErrorIs(t, err, io.EOF)
	for _, c := range []struct {
		offered, chosen byte
		ok              bool
	}{
		{2, 2, true}, {2, 0, true}, {1, 2, false}, {Extended, 2, true}, {Extended, 3, false},
		{Extended, Extended - 1, false}, {Extended, Extended, true}, {255, Extended, true}, {255, 255, false},
	} {
		v, err := Offer(duplex{bytes.NewReader([]byte{c.chosen}), io.Discard}, c.offered)
		require.Equal(t, c.ok, err == nil, "%d for %d", c.chosen, c.offered)
		if c.ok {
			require.Equal(t, c.chosen, v)
		} else {
			require.ErrorIs(t, err, ErrMalformed)
		}
	}
}
