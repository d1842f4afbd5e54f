package p11rpc

import (
	"encoding/binary"
	"fmt"
	"strings"

	"vtoken/vtoken/ck"
)

// Decoder reads the values of one body in the order of its signature. The
// first error sticks: later values are zero, and Done returns it. Bytes that it
// returns are parts of the body, valid as long as that is. The zero Decoder is
// ready, reads version 0 and is used by one goroutine at a time.
//
// An error is either [ErrMalformed] or about a value that the protocol allows
// and that cannot be served; the second kind carries a CK_RV. Reading a value
// that is not the one of the signature is a mistake in the program and panics.
type Decoder struct {
	// Version is the version of the protocol that was agreed on.
	Version byte

	rest []byte
	call CallID
	sig  string // what is left of the signature
	err  error
}

// Request starts to read the body of a request and returns which call it is.
func (d *Decoder) Request(body []byte) (CallID, error) {
	d.start(body, true)
	if d.err == nil && d.call == CallError {
		d.fail("request with the number of an error")
	}
	return d.call, d.err
}

// Response starts to read the answer to call. Where the call failed at the
// server, the error is its CK_RV, bare.
func (d *Decoder) Response(body []byte, call CallID) error {
	d.start(body, false)
	switch {
	case d.err != nil:
	case d.call == CallError:
		rv := ck.Error(d.Ulong())
		if err := d.Done(); err != nil {
			return err
		}
		if rv == ck.CKR_OK {
			return malformed("error answer to %v with the code CKR_OK", call)
		}
		d.err = rv
	case d.call != call:
		d.fail("answer to %v, expected one to %v", d.call, call)
	}
	return d.err
}

func (d *Decoder) start(body []byte, request bool) {
	d.rest, d.call, d.sig, d.err = body, 0, "", nil
	call := CallID(d.uint32())
	sig := d.array()
	if d.err != nil {
		return
	}
	if !call.in(d.Version) {
		d.fail("call number %d, which version %d has not", call, d.Version)
		return
	}
	d.call, d.sig = call, calls[call].Response
	if request {
		d.sig = calls[call].Request
	}
	if sig == nil || string(sig) != d.sig {
		d.fail("%v with a signature that is not %q", call, d.sig)
	}
}

// Done ends the reading: it returns the first error, or one where bytes are
// left over.
func (d *Decoder) Done() error {
	if d.err != nil {
		return d.err
	}
	if d.sig != "" {
		panic("p11rpc: " + d.call.String() + " done before its values " + d.sig)
	}
	if len(d.rest) > 0 {
		d.fail("%d bytes after the last value of %v", len(d.rest), d.call)
	}
	return d.err
}

// Err is the first error so far.
func (d *Decoder) Err() error { return d.err }

func (d *Decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = malformed(format, args...)
		d.rest = nil
	}
}

// reject is for a value that the protocol allows and that cannot be served.
func (d *Decoder) reject(code ck.Error, format string, args ...any) {
	if d.err == nil {
		d.err = ck.Errorf(code, format, args...)
		d.rest = nil
	}
}

// take moves past one value of the signature and reports whether to read it.
func (d *Decoder) take(value string) bool {
	if d.err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(d.sig, value)
	if !ok {
		panic(fmt.Sprintf("p11rpc: %v has %q, not %q", d.call, d.sig, value))
	}
	d.sig = rest
	return true
}

// bytes takes n bytes off the body, or nil.
func (d *Decoder) bytes(n uint64) []byte {
	if d.err != nil || n > uint64(len(d.rest)) {
		d.fail("%v is cut off: %d bytes wanted, %d left", d.call, n, len(d.rest))
		return nil
	}
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}

func (d *Decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *Decoder) uint32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *Decoder) uint64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// array reads a length and bytes; it is nil for "no bytes" and after an error.
func (d *Decoder) array() []byte {
	n := d.uint32()
	if d.err != nil || n == none {
		return nil
	}
	return d.bytes(uint64(n))
}

// Byte reads a CK_BYTE or CK_BBOOL.
func (d *Decoder) Byte() byte {
	if !d.take("y") {
		return 0
	}
	return d.byte()
}

// Ulong reads a CK_ULONG.
func (d *Decoder) Ulong() uint64 {
	if !d.take("u") {
		return 0
	}
	return d.uint64()
}

// Session reads a session handle.
func (d *Decoder) Session() ck.SessionHandle { return ck.SessionHandle(d.Ulong()) }

// Object reads an object handle.
func (d *Decoder) Object() ck.ObjectHandle { return ck.ObjectHandle(d.Ulong()) }

// Slot reads a slot id.
func (d *Decoder) Slot() ck.SlotID { return ck.SlotID(d.Ulong()) }

func (d *Decoder) version() ck.Version {
	if !d.take("v") {
		return ck.Version{}
	}
	return ck.Version{Major: d.byte(), Minor: d.byte()}
}

// SpaceString reads a text from a field of that length, without its padding.
func (d *Decoder) SpaceString(length int) string {
	if !d.take("s") {
		return ""
	}
	v := d.array()
	if d.err == nil && len(v) != length {
		d.fail("%v with a text of %d bytes where %d belong", d.call, len(v), length)
		return ""
	}
	return strings.TrimRight(string(v), " ")
}

// ZeroString reads the text of C_InitToken in version 0, without its padding.
func (d *Decoder) ZeroString() string {
	if !d.take("z") {
		return ""
	}
	return strings.TrimRight(string(d.array()), " \x00")
}

// Data reads bytes of a request. It is nil where the caller passed none, and an
// error (CKR_ARGUMENTS_BAD) where the caller passed a length without bytes.
func (d *Decoder) Data() []byte {
	if !d.take("ay") {
		return nil
	}
	if d.byte() != 0 {
		return d.array()
	}
	if n := d.uint32(); n != 0 {
		d.reject(ck.CKR_ARGUMENTS_BAD, "%v with a null pointer to %d bytes", d.call, n)
	}
	return nil
}

// Output reads the bytes of a response for the memory that the caller offers.
// It is CKR_BUFFER_TOO_SMALL, with the length, where they do not fit.
func (d *Decoder) Output(b ck.Buffer) (ck.Output, error) {
	if !d.take("ay") {
		return ck.Output{}, d.err
	}
	var o ck.Output
	if d.byte() != 0 {
		if o.Data = d.array(); o.Data == nil {
			o.Data = []byte{}
		}
		o.Len = uint64(len(o.Data))
	} else if o.Len = uint64(d.uint32()); o.Len == 0 {
		o.Data = []byte{}
	}
	switch {
	case d.err != nil:
		return ck.Output{}, d.err
	case b.Null:
		o.Data = nil
	case o.Data == nil, o.Len > b.Len:
		return ck.Output{Len: o.Len}, ck.CKR_BUFFER_TOO_SMALL
	}
	return o, nil
}

// Buffer reads the size of the memory that a caller offers for bytes. No answer
// is larger than MaxBody, so neither is the size.
func (d *Decoder) Buffer() ck.Buffer {
	if !d.take("fy") {
		return ck.Buffer{Null: true}
	}
	switch n := d.uint32(); {
	case n == 0:
		return ck.Buffer{Null: true}
	case n == none && d.Version > 0:
		return ck.Buffer{}
	default:
		return ck.Buffer{Len: min(uint64(n), MaxBody)}
	}
}

// UlongBuffer reads for how many values the caller offers memory; 0 asks for
// their number. It is at most what fits a frame.
func (d *Decoder) UlongBuffer() uint64 {
	if !d.take("fu") {
		return 0
	}
	return min(uint64(d.uint32()), MaxBody/8)
}

// UlongList reads a list of handles, slots or mechanisms. Where only its length
// was sent, list is nil; otherwise n is the length of list.
func UlongList[T ~uint64](d *Decoder) (list []T, n uint64) {
	if !d.take("au") {
		return nil, 0
	}
	present := d.byte() != 0
	n = uint64(d.uint32())
	if !present {
		return nil, n
	}
	if n*8 > uint64(len(d.rest)) {
		d.fail("%v with a list of %d in %d bytes", d.call, n, len(d.rest))
		return nil, 0
	}
	list = make([]T, n)
	for i := range list {
		list[i] = T(d.uint64())
	}
	return list, n
}
