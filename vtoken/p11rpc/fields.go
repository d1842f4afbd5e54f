package p11rpc

import "vtoken/vtoken/ck"

// layouts maps each kind of parameter that is a structure or a number to its fields on
// the wire.
var layouts = [ck.NumParameterKinds]layout{
	ck.ParamPSS:              pssFields,
	ck.ParamOAEP:             oaepFields,
	ck.ParamECDH1:            ecdhFields,
	ck.ParamEdDSA:            eddsaFields,
	ck.ParamSignContext:      signContextFields,
	ck.ParamAESCtr:           ctrFields,
	ck.ParamGCM:              gcmFields,
	ck.ParamGMAC:             gcmFields,
	ck.ParamCCM:              ccmFields,
	ck.ParamChaCha20Poly1305: chachaFields,
	ck.ParamMACGeneral:       macFields,
	ck.ParamHKDF:             hkdfFields,
	ck.ParamPBKD2:            pbkd2Fields,
	ck.ParamSP800108:         sp800108Fields,
	ck.ParamOTP:              otpFields,
}

// A layout goes through the fields of one kind of parameter, between begin and end. It
// writes the fields of p and reports whether p is of that kind, or reads them and
// returns the parameter.
type layout func(f fields, p ck.Parameter) (ck.Parameter, bool)

// fields writes the fields of a parameter into a frame or reads them from one. It is no
// interface, so that a parameter that is written needs no memory of its own.
type fields struct {
	e *Encoder // nil where fields are read
	d *Decoder // nil where fields are written
}

// begin returns the parameter as a T to go through.
func begin[T ck.Parameter](f fields, p ck.Parameter) (v T, ok bool) {
	if f.d != nil {
		return v, true
	}
	v, ok = p.(T)
	return v, ok
}

// end returns what a layout returns.
func end[T ck.Parameter](f fields, v T, ok bool) (ck.Parameter, bool) {
	if f.d != nil {
		return v, true
	}
	return nil, ok
}

func (f fields) flag(v *bool) {
	switch {
	case f.d != nil:
		*v = f.d.byte() != 0
	case *v:
		f.e.buf = append(f.e.buf, 1)
	default:
		f.e.buf = append(f.e.buf, 0)
	}
}

func (f fields) number(v *uint64) {
	if f.d != nil {
		*v = f.d.uint64()
		return
	}
	f.e.uint64(*v)
}

// number is a field of a type of its own.
func number[T ~uint64](f fields, v *T) {
	n := uint64(*v)
	f.number(&n)
	*v = T(n)
}

func (f fields) bytes(v *[]byte) {
	if f.d != nil {
		*v = f.d.array()
		return
	}
	f.e.array(*v)
}

// block is a field of as many bytes as v has.
func (f fields) block(v []byte) {
	if f.d == nil {
		f.e.array(v)
		return
	}
	got := f.d.array()
	if len(got) != len(v) {
		f.d.reject(ck.CKR_MECHANISM_PARAM_INVALID, "%v with a block of %d bytes where %d belong", f.d.call, len(got), len(v))
		return
	}
	copy(v, got)
}

// maxParts bounds the parts of a parameter that is a list.
const maxParts = 64

// list is the number of elements: n where they are written.
func (f fields) list(n int) int {
	if f.d == nil {
		if n > maxParts {
			f.e.fail(ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID,
				"%v with a parameter of %d parts, the limit is %d", f.e.call, n, maxParts))
		}
		f.e.uint32(uint32(n))
		return n
	}
	count := f.d.uint32()
	if count > maxParts {
		f.d.fail("%v with a parameter of %d parts, the limit is %d", f.d.call, count, maxParts)
		return 0
	}
	return int(count)
}

func pssFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.RSAPkcsPssParams](f, p)
	number(f, &v.HashAlg)
	f.number(&v.MGF)
	f.number(&v.SLen)
	return end(f, v, ok)
}

func oaepFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.RSAPkcsOaepParams](f, p)
	number(f, &v.HashAlg)
	f.number(&v.MGF)
	f.number(&v.Source)
	f.bytes(&v.SourceData)
	return end(f, v, ok)
}

func ecdhFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.ECDH1DeriveParams](f, p)
	number(f, &v.KDF)
	f.bytes(&v.SharedData)
	f.bytes(&v.PublicData)
	return end(f, v, ok)
}

func eddsaFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.EdDSAParams](f, p)
	f.flag(&v.PhFlag)
	f.bytes(&v.Context)
	return end(f, v, ok)
}

func signContextFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.SignContext](f, p)
	f.number(&v.Hedge)
	f.bytes(&v.Context)
	return end(f, v, ok)
}

func ctrFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.AESCtrParams](f, p)
	f.number(&v.CounterBits)
	f.block(v.CB[:])
	return end(f, v, ok)
}

func gcmFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.GCMParams](f, p)
	f.bytes(&v.IV)
	f.number(&v.IVBits)
	f.bytes(&v.AAD)
	f.number(&v.TagBits)
	return end(f, v, ok)
}

func ccmFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.CCMParams](f, p)
	f.number(&v.DataLen)
	f.bytes(&v.Nonce)
	f.bytes(&v.AAD)
	f.number(&v.MACLen)
	return end(f, v, ok)
}

func chachaFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.ChaCha20Poly1305Params](f, p)
	f.bytes(&v.Nonce)
	f.bytes(&v.AAD)
	return end(f, v, ok)
}

func macFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.MACGeneralParams](f, p)
	number(f, &v)
	return end(f, v, ok)
}

func hkdfFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.HKDFParams](f, p)
	f.flag(&v.Extract)
	f.flag(&v.Expand)
	number(f, &v.PRF)
	f.number(&v.SaltType)
	f.bytes(&v.Salt)
	number(f, &v.SaltKey)
	f.bytes(&v.Info)
	return end(f, v, ok)
}

func pbkd2Fields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.PBKD2Params](f, p)
	f.number(&v.SaltSource)
	f.bytes(&v.Salt)
	f.number(&v.Iterations)
	f.number(&v.PRF)
	f.bytes(&v.PRFData)
	f.bytes(&v.Password)
	return end(f, v, ok)
}

func sp800108Fields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.SP800108Params](f, p)
	number(f, &v.PRF)
	n := f.list(len(v.Data))
	if f.d != nil && n > 0 {
		v.Data = make([]ck.PRFData, n)
	}
	for i := range v.Data {
		part := &v.Data[i]
		f.number(&part.Type)
		f.bytes(&part.Value)
		f.flag(&part.LittleEndian)
		f.number(&part.WidthBits)
		f.number(&part.Method)
	}
	return end(f, v, ok)
}

func otpFields(f fields, p ck.Parameter) (ck.Parameter, bool) {
	v, ok := begin[ck.OTPParams](f, p)
	n := f.list(len(v))
	if f.d != nil {
		v = make(ck.OTPParams, n)
	}
	for i := range v {
		f.number(&v[i].Type)
		f.bytes(&v[i].Value)
	}
	return end(f, v, ok)
}
