package p11rpc

import (
	"encoding/binary"
	"errors"
	"io"
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
	last []byte
}

// Buffers start small and grow as bytes arrive, at most doubling: a header that
// announces a large body costs no memory until the body is really there.
const firstBuffer = 4 << 10

// keepBuffer is the largest buffer that is kept between frames.
const keepBuffer = 64 << 10

// NewReader reads frames from src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, firstBuffer)}
}

// Next returns the next frame and overwrites the body that it returned before.
// The error is io.EOF where the peer closed the connection between two frames,
// io.ErrUnexpectedEOF where it did so inside of one, ErrMalformed where the
// header breaks a limit, or the connection's own.
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

// release wipes the frame that was returned last and gives up a large buffer.
func (d *Reader) release() {
	clear(d.last)
	d.last = nil
	if d.r < d.w {
		return
	}
	d.r, d.w = 0, 0
	if len(d.buf) > keepBuffer {
		d.buf = make([]byte, firstBuffer)
	}
}

// fill reads until n bytes are there.
func (d *Reader) fill(n int) error {
	for d.w-d.r < n {
		d.makeRoom(n)
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
func (d *Reader) makeRoom(n int) {
	have := d.w - d.r
	old := d.buf[d.r:d.w]
	switch {
	case d.r+n <= len(d.buf):
		return
	case d.r > 0:
		copy(d.buf, old)
		clear(d.buf[have:d.w])
	case d.w == len(d.buf):
		d.buf = make([]byte, min(n, 2*len(d.buf)))
		copy(d.buf, old)
		clear(old)
	default:
		return
	}
	d.r, d.w = 0, have
}
