package p11rpc

import (
	"math"

	"vtoken/vtoken/ck"
)

// An attribute on the wire is its type (4 bytes), a byte that says whether it
// has a value, the length of the value in the sender's memory (4 bytes) and the
// value in the form of its kind. In memory a CK_ULONG has 8 bytes and a
// CK_ATTRIBUTE 24, as on every 64-bit host.
const hostAttribute = 24

// Template writes the template of a request.
func (e *Encoder) Template(t ck.Template) {
	if !e.take("aA") {
		return
	}
	if len(t) > MaxAttributes {
		e.fail(ck.Errorf(ck.CKR_ARGUMENTS_BAD, "%v with %d attributes, the limit is %d", e.call, len(t), MaxAttributes))
		return
	}
	e.uint32(uint32(len(t)))
	for _, a := range t {
		e.attribute(a)
	}
}

// Template reads the template of a request.
func (d *Decoder) Template() ck.Template {
	if !d.take("aA") {
		return nil
	}
	n := d.count(MaxAttributes)
	t := make(ck.Template, 0, n)
	for range n {
		a := d.attribute(0)
		if d.err != nil {
			return nil
		}
		if a.Len != 0 && a.Value == nil || a.unknown() {
			d.reject(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v with a length and no value for %v", d.call, a.Type)
			return nil
		}
		t = append(t, ck.Attribute{Type: a.Type, Value: a.Value})
	}
	return t
}

// count reads a count of attributes, of which each takes 5 bytes at least.
func (d *Decoder) count(limit uint64) uint64 {
	n := uint64(d.uint32())
	if n > limit || n*5 > uint64(len(d.rest)) {
		d.fail("%v with %d attributes in %d bytes, the limit is %d", d.call, n, len(d.rest), limit)
		return 0
	}
	return n
}

// attributeType writes the type, which has 4 bytes on the wire.
func (e *Encoder) attributeType(t ck.AttributeType) {
	if t > math.MaxUint32 {
		e.fail(ck.Errorf(ck.CKR_ATTRIBUTE_TYPE_INVALID, "%v with attribute type %#x, which is above 32 bits", e.call, uint64(t)))
	}
	e.uint32(uint32(t))
}

// attribute writes an attribute with its value.
func (e *Encoder) attribute(a ck.Attribute) {
	e.attributeType(a.Type)
	e.buf = append(e.buf, 1)
	v := a.Value
	switch wireKind(a.Type, e.Version) {
	case ck.KindBool:
		e.uint32(uint32(len(v)))
		e.buf = append(e.buf, firstByte(v))
	case ck.KindUlong:
		e.uint32(uint32(len(v)))
		e.ulongValue(a)
	case ck.KindMechanisms:
		e.uint32(uint32(len(v)))
		e.uint32(uint32(len(v) / 8))
		e.buf = append(e.buf, v[:len(v)/8*8]...)
	case ck.KindTemplate:
		e.nested(a)
	default:
		v = hostBytes(a.Type, v)
		e.uint32(uint32(len(v)))
		e.array(v)
	}
}

func firstByte(v []byte) byte {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// ulongValue writes a CK_ULONG. A value that the caller gave a wrong length
// keeps that length, so that the peer can refuse it by name.
func (e *Encoder) ulongValue(a ck.Attribute) {
	if len(a.Value) > 8 {
		e.fail(ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v is a number and has %d bytes", a.Type, len(a.Value)))
		return
	}
	var b [8]byte
	copy(b[8-len(a.Value):], a.Value)
	e.buf = append(e.buf, b[:]...)
}

// nested writes the attributes of a CKA_*_TEMPLATE.
func (e *Encoder) nested(a ck.Attribute) {
	t, err := ck.DecodeTemplate(a.Value)
	if err != nil {
		e.fail(ck.Errorf(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v holds no template of one level", a.Type))
		return
	}
	e.uint32(uint32(len(t) * hostAttribute))
	e.uint32(uint32(len(t)))
	for _, inner := range t {
		e.attribute(inner)
	}
}

// wireAttribute is an attribute as it was read.
type wireAttribute struct {
	Type  ck.AttributeType
	Value []byte // canonical; nil where the wire holds a length only
	// Len is the length that the sender told: of the canonical value, but
	// hostAttribute times the number of attributes for a template.
	Len    uint64
	Nested []wireAttribute
}

// unknown reports that the sender has no value and no length to tell.
func (a *wireAttribute) unknown() bool { return a.Len == ck.UnavailableInformation }

func (d *Decoder) attribute(depth int) (a wireAttribute) {
	a.Type = ck.AttributeType(d.uint32())
	if d.byte() == 0 {
		a.Len = ck.UnavailableInformation
		return a
	}
	a.Len = uint64(d.uint32())
	switch wireKind(a.Type, d.Version) {
	case ck.KindBool:
		a.Value = d.bytes(1)
		d.checkLen(&a, 1)
	case ck.KindUlong:
		a.Value = d.bytes(8)
		d.checkUlong(&a)
	case ck.KindMechanisms:
		n := uint64(d.uint32())
		a.Value = d.bytes(8 * n)
		d.checkMechanisms(&a, n)
	case ck.KindTemplate:
		d.nested(&a, depth)
	default:
		v := d.array()
		if v != nil && uint64(len(v)) != a.Len {
			d.fail("%v of %d bytes with a length of %d", a.Type, len(v), a.Len)
		}
		a.Value = hostBytes(a.Type, v)
	}
	return a
}

// checkLen accepts the one length that a value can have, or 0 for no value.
func (d *Decoder) checkLen(a *wireAttribute, want uint64) {
	switch {
	case d.err != nil:
	case a.Len == 0:
		a.Value = a.Value[:0]
	case a.Len != want:
		d.reject(ck.CKR_ATTRIBUTE_VALUE_INVALID, "%v has %d bytes where %d belong", a.Type, a.Len, want)
	}
}

// checkUlong also accepts the CK_ULONG of a 32-bit host.
func (d *Decoder) checkUlong(a *wireAttribute) {
	if a.Len == 4 {
		a.Len = 8
	}
	d.checkLen(a, 8)
}

// checkMechanisms accepts a length that goes with the count, or a length alone:
// a server answers so where the caller asked for the length.
func (d *Decoder) checkMechanisms(a *wireAttribute, n uint64) {
	switch {
	case d.err != nil:
	case n == 0 && a.Len > 0:
		a.Value = nil
	case a.Len != 8*n && a.Len != 4*n:
		d.fail("%v with %d mechanisms and a length of %d", a.Type, n, a.Len)
	default:
		a.Len = 8 * n
	}
}

// nested reads the attributes of a CKA_*_TEMPLATE.
func (d *Decoder) nested(a *wireAttribute, depth int) {
	if depth > 0 {
		d.fail("%v inside of a template", a.Type)
		return
	}
	n := d.count(ck.MaxNested)
	if n == 0 && a.Len > 0 {
		return // the length alone
	}
	var t ck.Template
	complete := true
	for range n {
		inner := d.attribute(depth + 1)
		if d.err != nil {
			return
		}
		complete = complete && (inner.Value != nil || inner.Len == 0)
		a.Nested = append(a.Nested, inner)
		t = append(t, ck.Attribute{Type: inner.Type, Value: inner.Value})
	}
	a.Len = n * hostAttribute
	if complete {
		a.Value = append([]byte{}, ck.EncodeTemplate(t)...)
	}
}
