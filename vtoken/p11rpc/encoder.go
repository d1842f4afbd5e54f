package p11rpc

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"vtoken/vtoken/ck"
)

// none is the length that stands for "no bytes" (a null pointer), and the type
// that stands for "no mechanism".
const none = math.MaxUint32

// Encoder writes frames into one buffer: Begin a request or a response, write
// the values of its signature in their order, End it. Several frames in a row
// can travel in one write. The zero Encoder is ready, writes version 0 and is
// used by one goroutine at a time.
//
// A value that cannot be carried puts the frame in error; later values do
// nothing, and End takes the frame out again and returns the error, which
// carries a CK_RV. A value that is not the one of the signature is a mistake in
// the program and panics.
type Encoder struct {
	// Version is the version of the protocol that was agreed on.
	Version byte

	buf   []byte
	start int // of the frame that is being written
	call  CallID
	sig   string // what is left of its signature
	err   error
}

// BeginRequest starts a request. The code must not be 0, nor that of a request
// that still waits for its answer.
func (e *Encoder) BeginRequest(code uint32, call CallID) { e.begin(code, call, calls[call].Request) }

// BeginResponse starts the answer to the request of that code.
func (e *Encoder) BeginResponse(code uint32, call CallID) { e.begin(code, call, calls[call].Response) }

func (e *Encoder) begin(code uint32, call CallID, sig string) {
	e.start, e.call, e.sig, e.err = len(e.buf), call, sig, nil
	e.uint32(code)
	e.uint32(0) // no options
	e.uint32(0) // length of the body, set by End
	e.uint32(uint32(call))
	e.uint32(uint32(len(sig)))
	e.buf = append(e.buf, sig...)
}

// End completes the frame. On an error there is no frame.
func (e *Encoder) End() error {
	if e.err == nil && len(e.buf)-e.start-headerLen > MaxBody {
		e.fail(ck.Errorf(ck.CKR_DATA_LEN_RANGE,
			"%v needs a message of %d bytes, the limit is %d: pass the data in parts",
			e.call, len(e.buf)-e.start-headerLen, MaxBody))
	}
	if e.err != nil {
		e.Abandon()
		return e.err
	}
	if e.sig != "" {
		panic("p11rpc: " + e.call.String() + " ended before its values " + e.sig)
	}
	binary.BigEndian.PutUint32(e.buf[e.start+8:], uint32(len(e.buf)-e.start-headerLen))
	e.start = len(e.buf)
	return nil
}

// Abandon takes out the frame that was begun and not ended.
func (e *Encoder) Abandon() {
	clear(e.buf[e.start:])
	e.buf = e.buf[:e.start]
}

// Error writes the whole answer to a request that failed. A code of CKR_OK
// becomes CKR_GENERAL_ERROR.
func (e *Encoder) Error(code uint32, rv ck.Error) {
	if rv == ck.CKR_OK {
		rv = ck.CKR_GENERAL_ERROR
	}
	e.BeginResponse(code, CallError)
	e.Ulong(uint64(rv))
	_ = e.End() // 33 bytes, no limit is near
}

// Bytes are the frames so far, until the next change of the encoder.
func (e *Encoder) Bytes() []byte { return e.buf[:e.start] }

// Held is how many bytes of memory the encoder has.
func (e *Encoder) Held() int { return cap(e.buf) }

// Reset wipes the buffer and keeps a small one for the next frames.
func (e *Encoder) Reset() {
	clear(e.buf)
	if cap(e.buf) > keepBuffer {
		e.buf = nil
	}
	e.buf, e.start, e.sig, e.err = e.buf[:0], 0, "", nil
}

func (e *Encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// take moves past one value of the signature and reports whether to write it.
func (e *Encoder) take(value string) bool {
	if e.err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(e.sig, value)
	if !ok {
		panic(fmt.Sprintf("p11rpc: %v wants %q, not %q", e.call, e.sig, value))
	}
	e.sig = rest
	return true
}

func (e *Encoder) uint32(v uint32) { e.buf = binary.BigEndian.AppendUint32(e.buf, v) }
func (e *Encoder) uint64(v uint64) { e.buf = binary.BigEndian.AppendUint64(e.buf, v) }

// array writes a length and bytes; nil is "no bytes". It takes no memory for bytes that
// fit no frame.
func (e *Encoder) array(v []byte) {
	switch {
	case v == nil:
		e.uint32(none)
	case len(v) > MaxBody:
		e.fail(ck.Errorf(ck.CKR_DATA_LEN_RANGE, "%v with %d bytes in a value, the limit is %d", e.call, len(v), MaxBody))
	default:
		e.uint32(uint32(len(v)))
		e.buf = append(e.buf, v...)
	}
}

// Byte writes a CK_BYTE or CK_BBOOL.
func (e *Encoder) Byte(v byte) {
	if e.take("y") {
		e.buf = append(e.buf, v)
	}
}

// Ulong writes a CK_ULONG.
func (e *Encoder) Ulong(v uint64) {
	if e.take("u") {
		e.uint64(v)
	}
}

func (e *Encoder) version(v ck.Version) {
	if e.take("v") {
		e.buf = append(e.buf, v.Major, v.Minor)
	}
}

// SpaceString writes a text padded with blanks to the length of its field. A
// longer text is cut.
func (e *Encoder) SpaceString(s string, length int) {
	if e.take("s") {
		e.padded(s, length)
	}
}

func (e *Encoder) padded(s string, length int) {
	e.uint32(uint32(length))
	n := min(len(s), length)
	e.buf = append(e.buf, s[:n]...)
	for ; n < length; n++ {
		e.buf = append(e.buf, ' ')
	}
}

// ZeroString writes the label of C_InitToken in version 0. It is padded with
// blanks to 32 bytes, which the server's module reads whatever its length says.
func (e *Encoder) ZeroString(s string) {
	if e.take("z") {
		e.padded(s, 32)
	}
}

// Data writes bytes of a request: data, a signature, a PIN. Nil is none.
func (e *Encoder) Data(v []byte) {
	if e.take("ay") {
		e.present(v)
	}
}

func (e *Encoder) present(v []byte) {
	if len(v) > MaxBody {
		e.fail(ck.Errorf(ck.CKR_DATA_LEN_RANGE, "%v of %d bytes, the limit is %d: pass the data in parts", e.call, len(v), MaxBody))
		return
	}
	e.buf = append(e.buf, 1)
	e.array(v)
}

// Output writes the bytes of a response, or only their length where o.Data is
// nil, which tells the client either what it asked or that its buffer is too
// short.
func (e *Encoder) Output(o ck.Output) {
	if !e.take("ay") {
		return
	}
	if o.Data != nil || o.Len == 0 {
		e.present(o.Data)
		return
	}
	e.buf = append(e.buf, 0)
	e.length(o.Len)
}

// Buffer writes the size of the memory that a caller offers for bytes. Version
// 0 cannot tell memory of size 0 from no memory.
func (e *Encoder) Buffer(b ck.Buffer) {
	if !e.take("fy") {
		return
	}
	switch {
	case b.Null, b.Len == 0 && e.Version == 0:
		e.uint32(0)
	case b.Len == 0:
		e.uint32(none)
	default:
		e.uint32(uint32(min(b.Len, MaxBody)))
	}
}

// UlongBuffer writes for how many values the caller offers memory; 0 asks for
// their number.
func (e *Encoder) UlongBuffer(n uint64) {
	if e.take("fu") {
		e.uint32(uint32(min(n, MaxBody/8)))
	}
}

// length writes a length or count that is told without the bytes.
func (e *Encoder) length(n uint64) {
	if n >= none {
		e.fail(ck.Errorf(ck.CKR_FUNCTION_FAILED, "%v has an output of %d bytes, which the protocol cannot tell", e.call, n))
		return
	}
	e.uint32(uint32(n))
}

// Ulongs writes a list of handles, slots or mechanisms.
func Ulongs[T ~uint64](e *Encoder, list []T) {
	if !e.take("au") {
		return
	}
	e.buf = append(e.buf, 1)
	e.length(uint64(len(list)))
	for _, v := range list {
		e.uint64(uint64(v))
	}
}

// UlongCount writes the length of a list instead of the list.
func (e *Encoder) UlongCount(n uint64) {
	if e.take("au") {
		e.buf = append(e.buf, 0)
		e.length(n)
	}
}
