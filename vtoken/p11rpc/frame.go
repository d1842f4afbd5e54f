package p11rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"vtoken/vtoken/ck"
)

const headerLen = 12 // code, length of options, length of body

// Frame is one message as it came from the wire.
type Frame struct {
	// Code ties an answer to its request. It is never 0.
	Code uint32
	// Body is valid until the next call of [Reader.Next]. Its owner may
	// overwrite it, and does where it held a secret.
	Body []byte
}

// Reader reads frames. It buffers, so several small frames cost one read of the
// connection. It is used by one goroutine at a time.
type Reader struct {
	src io.Reader
	buf []byte // buf[r:w] is read and not used
	r   int
	w   int
	// last is the place of the frame that was returned last, to be wiped.
	last     []byte
	host     Host // nil is nobody
	skipping bool // a frame that was refused
}

// Host answers for the memory and the time of the frames that a [Reader] receives.
type Host interface {
	// Take is asked before a buffer of n bytes is made. Where it returns an error, the
	// frame is refused.
	Take(n int) error
	// Give is told when a buffer of n bytes is not used any more.
	Give(n int)
	// Begun is told before each read whether a frame has begun and its rest is missing.
	Begun(begun bool)
}

// Refused is the error of a frame that the [Host] refused. Its bytes were passed over, so
// the next frame can be read.
type Refused struct {
	Code uint32
	// Call and Session are those of the request, as far as it began with them; else NumCalls
	// and 0.
	Call    CallID
	Session ck.SessionHandle
	Err     error
}

func (r *Refused) Error() string { return r.Err.Error() }

// Unwrap is what the host said.
func (r *Refused) Unwrap() error { return r.Err }

// Buffers start small and grow as bytes arrive, at most doubling: a header that
// announces a large body costs no memory until the body is really there.
const firstBuffer = 4 << 10

// keepBuffer is the largest buffer that is kept between frames.
const keepBuffer = 64 << 10

// wholeBuffer is the size from which on a buffer is made for the whole frame, so that a
// large frame is not copied again and again.
const wholeBuffer = 1 << 20

// NewReader reads frames from src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, firstBuffer)}
}

// SetHost has h answer for what the reader receives from now on. It is called before the
// first Next. An error is that of h for the first buffer.
func (d *Reader) SetHost(h Host) error {
	d.host = h
	return h.Take(len(d.buf))
}

// Next returns the next frame and overwrites the body that it returned before.
// The error is io.EOF where the peer closed the connection between two frames,
// io.ErrUnexpectedEOF where it did so inside of one, ErrMalformed where the
// header breaks a limit, a [*Refused] where the host refused the frame, or the
// connection's own.
func (d *Reader) Next() (Frame, error) {
	d.release()
	if err := d.fill(headerLen); err != nil {
		return Frame{}, err
	}
	code, options, body, err := parseHeader(d.buf[d.r:])
	if err != nil {
		return Frame{}, err
	}
	if err := d.fill(headerLen + options + body); err != nil {
		var refused *Refused
		if errors.As(err, &refused) {
			refused.Code = code
			refused.Call, refused.Session = Peek(d.buf[min(d.r+headerLen+options, d.w):d.w])
			if skipped := d.skip(headerLen + options + body); skipped != nil {
				err = skipped
			}
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	start := d.r + headerLen + options
	end := start + body
	d.r = end
	d.last = d.buf[start:end:end]
	return Frame{Code: code, Body: d.last}, nil
}

// Close ends the reader and returns what has arrived of frames that Next did not return.
// Another reader goes on with that in front of the connection. ok is false in the middle of a
// frame that was refused: the connection is of no more use then.
func (d *Reader) Close() (rest []byte, ok bool) {
	clear(d.last)
	d.last = nil
	rest = bytes.Clone(d.buf[d.r:d.w])
	clear(d.buf[d.r:d.w])
	d.give(len(d.buf))
	d.buf, d.r, d.w = nil, 0, 0
	return rest, !d.skipping
}

// Ready reports whether Next has a whole frame (or a fault to report) without
// reading from the connection.
func (d *Reader) Ready() bool {
	have := d.w - d.r
	if have < headerLen {
		return false
	}
	_, options, body, err := parseHeader(d.buf[d.r:])
	return err != nil || have >= headerLen+options+body
}

func parseHeader(h []byte) (code uint32, options, body int, err error) {
	code = binary.BigEndian.Uint32(h)
	o, b := binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:])
	switch {
	case code == 0:
		return 0, 0, 0, malformed("frame with code 0")
	case o > MaxOptions:
		return 0, 0, 0, malformed("frame with %d bytes of options, the limit is %d", o, MaxOptions)
	case b > MaxBody:
		return 0, 0, 0, malformed("frame with a body of %d bytes, the limit is %d", b, MaxBody)
	}
	return code, int(o), int(b), nil
}

// Detach gives the caller the body that was returned last, for good, where it is large
// and nothing follows it; the caller then also has to give its size back to the host.
// Otherwise ok is false and the body stays as it is.
func (d *Reader) Detach() (body []byte, size int, ok bool) {
	if len(d.last) <= keepBuffer || d.r < d.w {
		return nil, 0, false
	}
	body, size = d.last, len(d.buf)-firstBuffer
	d.last, d.r, d.w = nil, 0, 0
	d.buf = make([]byte, firstBuffer)
	return body, size, true
}

// release wipes the frame that was returned last and gives up a large buffer, unless
// more than a small one's worth of the next frame is in it.
func (d *Reader) release() {
	clear(d.last)
	d.last = nil
	rest := d.buf[d.r:d.w]
	if len(rest) == 0 {
		d.r, d.w = 0, 0
	}
	if len(d.buf) <= keepBuffer || len(rest) > firstBuffer {
		return
	}
	small := make([]byte, firstBuffer)
	d.r, d.w = 0, copy(small, rest)
	clear(rest)
	d.give(len(d.buf) - firstBuffer)
	d.buf = small
}

func (d *Reader) give(n int) {
	if d.host != nil {
		d.host.Give(n)
	}
}

// begun tells the host whether a frame has begun and its rest is missing.
func (d *Reader) begun() {
	if d.host != nil {
		d.host.Begun(d.w > d.r)
	}
}

// skip passes over n bytes of a frame that was refused.
func (d *Reader) skip(n int) error {
	d.skipping = true
	for {
		have := min(n, d.w-d.r)
		clear(d.buf[d.r : d.r+have])
		d.r += have
		if n -= have; n == 0 {
			d.skipping = false
			return nil
		}
		d.r, d.w = 0, 0
		if d.host != nil {
			d.host.Begun(true)
		}
		m, err := d.src.Read(d.buf)
		d.w = m
		if err != nil && m == 0 {
			return err
		}
	}
}

// fill reads until n bytes are there.
func (d *Reader) fill(n int) error {
	for d.w-d.r < n {
		if err := d.makeRoom(n); err != nil {
			return err
		}
		d.begun()
		m, err := d.src.Read(d.buf[d.w:])
		d.w += m
		if err == nil {
			continue
		}
		if d.w-d.r >= n {
			return nil // the error comes again with the next read
		}
		if errors.Is(err, io.EOF) && d.w > d.r {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}

// makeRoom makes place for at least one more byte on the way to n. What it
// moves it wipes where it was, for it may be a PIN.
func (d *Reader) makeRoom(n int) error {
	have := d.w - d.r
	old := d.buf[d.r:d.w]
	switch {
	case d.r+n <= len(d.buf):
		return nil
	case d.r > 0:
		copy(d.buf, old)
		clear(d.buf[have:d.w])
	case d.w == len(d.buf):
		size := min(n, 2*len(d.buf))
		if size >= wholeBuffer {
			size = n
		}
		if d.host != nil {
			if err := d.host.Take(size); err != nil {
				return &Refused{Err: err}
			}
		}
		d.give(len(d.buf))
		d.buf = make([]byte, size)
		copy(d.buf, old)
		clear(old)
	default:
		return nil
	}
	d.r, d.w = 0, have
	return nil
}
