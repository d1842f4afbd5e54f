package p11rpc

import (
	"encoding/binary"

	"vtoken/vtoken/ck"
)

// form says how the parameter of a mechanism is written.
type form byte

const (
	formRefused form = iota // not at all; a mechanism without a parameter can travel
	formUnread              // in a form of IBM's that this package does not know
	formNothing             // p11-kit takes the mechanism to have none
	formEmpty               // as bytes, of which there are none
	formBytes               // as bytes that are the same on every host
	formMemory              // as bytes of host memory without pointers
	formFields              // field by field
)

// wireForm returns the form in which that version of the protocol carries the parameter
// of t, and the kind of that parameter.
//
// The form follows from the kind in the table of package ck, with p11-kit's lists as
// exceptions, because both ends must agree. What p11-kit does not take apart travels as
// bytes of memory. Where that memory would hold pointers, or where nobody knows what it
// holds, only [Extended] carries the parameter, or no version does.
func wireForm(t ck.MechanismType, version byte) (form, ck.ParameterKind) {
	if paramless(t) {
		return formNothing, ck.ParamNone
	}
	kind := ck.ParameterKindOf(t)
	switch {
	case takesApart(t, version):
		if kind = stockKinds[t]; kind == ck.ParamUnknown {
			return formUnread, kind
		}
		return formFields, kind
	case kind == ck.ParamNone:
		return formEmpty, kind
	case kind == ck.ParamBytes:
		return formBytes, kind
	case kind.IsFlat():
		return formMemory, kind
	case kind != ck.ParamUnknown && isExtended(version):
		return formFields, kind
	}
	return formRefused, kind
}

// Mechanism writes a mechanism. Nil is the null pointer that cancels an operation, which
// version 0 does not have. The parameter of a mechanism that p11-kit takes to have none
// is left out.
func (e *Encoder) Mechanism(m *ck.Mechanism) {
	if !e.take("M") {
		return
	}
	if m == nil {
		if e.Version == 0 {
			e.fail(ck.Errorf(ck.CKR_FUNCTION_NOT_SUPPORTED,
				"%v without a mechanism: the server's protocol cannot say that", e.call))
		}
		e.uint32(none)
		return
	}
	f, kind := wireForm(m.Type, e.Version)
	if m.Type >= none || f == formUnread || f == formRefused && m.Parameter != nil {
		e.fail(ck.Errorf(ck.CKR_MECHANISM_INVALID,
			"%v with %v, which protocol version %d cannot carry", e.call, m.Type, e.Version))
		return
	}
	e.uint32(uint32(m.Type))
	switch {
	case f == formNothing && e.Version >= 2:
		return
	case f == formNothing:
		e.array(nil)
		return
	case e.Version >= 2 && m.Parameter == nil:
		e.buf = append(e.buf, 0)
		return
	case e.Version >= 2:
		e.buf = append(e.buf, 1)
	}
	if !e.parameter(f, kind, m.Parameter) {
		e.fail(ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID,
			"%v with %v and a parameter that is %T, not %v", e.call, m.Type, m.Parameter, kind))
	}
}

// parameter writes p in the form f and reports whether p is of that kind.
func (e *Encoder) parameter(f form, kind ck.ParameterKind, p ck.Parameter) bool {
	if f == formFields {
		_, ok := layouts[kind](fields{e: e}, p)
		return ok
	}
	v, ok := hostMemory(kind, p)
	e.array(v)
	return ok
}

// maxIV bounds a parameter that is bytes. All of them are initialization vectors of block
// ciphers; what is longer is a structure that the application passed by mistake.
const maxIV = 16

// hostMemory returns a parameter without pointers as the memory of a 64-bit
// little-endian host, and reports whether it is of that kind.
func hostMemory(kind ck.ParameterKind, p ck.Parameter) (v []byte, ok bool) {
	le := binary.LittleEndian
	switch p := p.(type) {
	case nil:
		return nil, true
	case ck.RawParameter:
		return p, kind == ck.ParamBytes && len(p) <= maxIV || kind == ck.ParamNone && len(p) == 0
	case ck.RSAPkcsPssParams:
		v = le.AppendUint64(v, uint64(p.HashAlg))
		v = le.AppendUint64(v, p.MGF)
		return le.AppendUint64(v, p.SLen), kind == ck.ParamPSS
	case ck.AESCtrParams:
		v = le.AppendUint64(v, p.CounterBits)
		return append(v, p.CB[:]...), kind == ck.ParamAESCtr
	case ck.MACGeneralParams:
		return le.AppendUint64(v, uint64(p)), kind == ck.ParamMACGeneral
	}
	return nil, false
}

// fromHostMemory is the inverse of hostMemory. Bytes that are not of the kind stay
// bytes, for the mechanism to refuse.
func fromHostMemory(kind ck.ParameterKind, v []byte) ck.Parameter {
	le := binary.LittleEndian
	switch {
	case v == nil:
		return nil
	case kind == ck.ParamPSS && len(v) == 24:
		return ck.RSAPkcsPssParams{
			HashAlg: ck.MechanismType(le.Uint64(v)), MGF: le.Uint64(v[8:]), SLen: le.Uint64(v[16:]),
		}
	case kind == ck.ParamAESCtr && len(v) == 24:
		return ck.AESCtrParams{CounterBits: le.Uint64(v), CB: [16]byte(v[8:])}
	case kind == ck.ParamMACGeneral && len(v) == 8:
		return ck.MACGeneralParams(le.Uint64(v))
	}
	return ck.RawParameter(v)
}

// Mechanism reads a mechanism; it is nil for the null pointer that cancels an
// operation, and after an error.
func (d *Decoder) Mechanism() *ck.Mechanism {
	if !d.take("M") {
		return nil
	}
	t := d.uint32()
	if d.err != nil || t == none {
		return nil
	}
	m := &ck.Mechanism{Type: ck.MechanismType(t)}
	f, kind := wireForm(m.Type, d.Version)
	switch {
	case f == formNothing && d.Version < 2:
		d.array()
	case f == formNothing:
	case d.Version >= 2 && d.byte() == 0:
	default:
		m.Parameter = d.parameter(f, kind, m.Type)
	}
	if d.err != nil {
		return nil
	}
	return m
}

// parameter reads a parameter. Bytes that a stock client sends for a mechanism of no
// other form stay bytes: they may be the client's pointers, which mean nothing here.
func (d *Decoder) parameter(f form, kind ck.ParameterKind, t ck.MechanismType) ck.Parameter {
	switch f {
	case formFields:
		p, _ := layouts[kind](fields{d: d}, nil)
		return p
	case formUnread:
		d.reject(ck.CKR_MECHANISM_INVALID, "%v with %v, whose parameter is not read here", d.call, t)
		return nil
	}
	return fromHostMemory(kind, d.array())
}

// NoParameterUpdate writes that the parameter of mechanism t stays the same, in the
// answer to C_DeriveKey2.
func (e *Encoder) NoParameterUpdate(t ck.MechanismType) {
	if e.take("P") && !paramless(t) {
		e.buf = append(e.buf, 0)
	}
}

// ParameterUpdate passes over the update of the parameter of mechanism t. Only
// mechanisms whose parameter does not travel have one.
func (d *Decoder) ParameterUpdate(t ck.MechanismType) {
	if d.take("P") && !paramless(t) {
		d.byte()
	}
}
