package p11rpc

import (
	"encoding/binary"

	"vtoken/vtoken/ck"
)

// form says how the parameter of a mechanism is written.
type form byte

const (
	formBytes  form = iota // as the bytes of the host's memory
	formPSS                // CK_RSA_PKCS_PSS_PARAMS
	formOAEP               // CK_RSA_PKCS_OAEP_PARAMS
	formECDH               // CK_ECDH1_DERIVE_PARAMS
	formCTR                // CK_AES_CTR_PARAMS
	formGCM                // CK_GCM_PARAMS
	formMAC                // CK_MAC_GENERAL_PARAMS
	formVendor             // one of IBM's, which we do not read
)

// forms are the parameters that p11-kit takes apart: its list, since version 1.
// An initialization vector is bytes.
var forms = map[ck.MechanismType]form{
	ck.CKM_RSA_PKCS_PSS:            formPSS,
	ck.CKM_SHA1_RSA_PKCS_PSS:       formPSS,
	ck.CKM_SHA224_RSA_PKCS_PSS:     formPSS,
	ck.CKM_SHA256_RSA_PKCS_PSS:     formPSS,
	ck.CKM_SHA384_RSA_PKCS_PSS:     formPSS,
	ck.CKM_SHA512_RSA_PKCS_PSS:     formPSS,
	ck.CKM_RSA_PKCS_OAEP:           formOAEP,
	ck.CKM_ECDH1_DERIVE:            formECDH,
	ck.CKM_AES_CTR:                 formCTR,
	ck.CKM_AES_GCM:                 formGCM,
	ck.CKM_SHA_1_HMAC_GENERAL:      formMAC,
	ck.CKM_SHA224_HMAC_GENERAL:     formMAC,
	ck.CKM_SHA256_HMAC_GENERAL:     formMAC,
	ck.CKM_SHA384_HMAC_GENERAL:     formMAC,
	ck.CKM_SHA512_HMAC_GENERAL:     formMAC,
	ck.CKM_SHA512_224_HMAC_GENERAL: formMAC,
	ck.CKM_SHA512_256_HMAC_GENERAL: formMAC,
	ck.CKM_AES_MAC_GENERAL:         formMAC,
	ck.CKM_AES_CMAC_GENERAL:        formMAC,
	ck.CKM_DES3_MAC_GENERAL:        formMAC,
	ck.CKM_DES3_CMAC_GENERAL:       formMAC,

	ck.CKM_VENDOR_DEFINED + 0x1001b: formECDH,   // CKM_IBM_EC_X25519
	ck.CKM_VENDOR_DEFINED + 0x1001e: formECDH,   // CKM_IBM_EC_X448
	ck.CKM_VENDOR_DEFINED + 0x10024: formVendor, // CKM_IBM_KYBER
	ck.CKM_VENDOR_DEFINED + 0x10031: formVendor, // CKM_IBM_ECDSA_OTHER
	ck.CKM_VENDOR_DEFINED + 0x20004: formVendor, // CKM_IBM_ATTRIBUTEBOUND_WRAP
	ck.CKM_VENDOR_DEFINED + 0x70001: formVendor, // CKM_IBM_BTC_DERIVE
}

// hostForms are parameters that p11-kit passes on as bytes of host memory
// without a look inside, and that hold no pointer.
var hostForms = map[ck.MechanismType]form{
	ck.CKM_SHA3_224_RSA_PKCS_PSS: formPSS,
	ck.CKM_SHA3_256_RSA_PKCS_PSS: formPSS,
	ck.CKM_SHA3_384_RSA_PKCS_PSS: formPSS,
	ck.CKM_SHA3_512_RSA_PKCS_PSS: formPSS,
	ck.CKM_SHA3_224_HMAC_GENERAL: formMAC,
	ck.CKM_SHA3_256_HMAC_GENERAL: formMAC,
	ck.CKM_SHA3_384_HMAC_GENERAL: formMAC,
	ck.CKM_SHA3_512_HMAC_GENERAL: formMAC,
}

// wireForm is the form in which that version of the protocol carries t.
func wireForm(t ck.MechanismType, version byte) form {
	if version == 0 && t != ck.CKM_RSA_PKCS_PSS && t != ck.CKM_RSA_PKCS_OAEP {
		return formBytes
	}
	return forms[t]
}

// hostForm is the structure that lies behind the bytes of t.
func hostForm(t ck.MechanismType) form {
	if f, ok := hostForms[t]; ok {
		return f
	}
	return forms[t]
}

// Carries reports whether the parameter of that mechanism can travel in that
// version. A mechanism without one always can.
func Carries(t ck.MechanismType, version byte) bool {
	if t >= none {
		return false
	}
	if _, ok := extended[t]; ok {
		return version == Extended
	}
	if wireForm(t, version) != formBytes {
		return wireForm(t, version) != formVendor
	}
	switch hostForm(t) {
	case formOAEP, formECDH, formGCM, formVendor:
		return false
	}
	return true
}

// Mechanism writes a mechanism. Nil is the null pointer that cancels an
// operation, which version 0 has not. The parameter of a mechanism that p11-kit
// takes to have none is left out.
func (e *Encoder) Mechanism(m *ck.Mechanism) {
	if !e.take("M") {
		return
	}
	if m == nil {
		if e.Version == 0 {
			e.fail(ck.Errorf(ck.CKR_FUNCTION_NOT_SUPPORTED, "%v without a mechanism: the server's protocol cannot say that", e.call))
		}
		e.uint32(none)
		return
	}
	_, ours := extended[m.Type]
	if !Carries(m.Type, e.Version) && !(ours && m.Parameter == nil) {
		e.fail(ck.Errorf(ck.CKR_MECHANISM_INVALID, "%v with %v, which protocol version %d cannot carry", e.call, m.Type, e.Version))
		return
	}
	e.uint32(uint32(m.Type))
	switch {
	case paramless(m.Type) && e.Version >= 2:
		return
	case paramless(m.Type):
		e.array(nil)
		return
	case e.Version >= 2 && m.Parameter == nil:
		e.buf = append(e.buf, 0)
		return
	case e.Version >= 2:
		e.buf = append(e.buf, 1)
	}
	if !e.parameterOf(m) {
		e.fail(ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "%v with %v and a parameter of another mechanism", e.call, m.Type))
	}
}

func (e *Encoder) parameterOf(m *ck.Mechanism) bool {
	if l, ok := extended[m.Type]; ok && e.Version == Extended {
		return l.write(writing{e}, m.Parameter)
	}
	return e.parameter(wireForm(m.Type, e.Version), m.Parameter)
}

// formOf is the form that a parameter of that type has.
func formOf(p ck.Parameter) form {
	switch p.(type) {
	case ck.RSAPkcsPssParams:
		return formPSS
	case ck.RSAPkcsOaepParams:
		return formOAEP
	case ck.ECDH1DeriveParams:
		return formECDH
	case ck.AESCtrParams:
		return formCTR
	case ck.GCMParams:
		return formGCM
	case ck.MACGeneralParams:
		return formMAC
	}
	return formBytes
}

// parameter writes p in the form f and reports whether p is of that form.
func (e *Encoder) parameter(f form, p ck.Parameter) bool {
	if f == formBytes {
		v, ok := toHost(p)
		e.array(v)
		return ok
	}
	switch p := p.(type) {
	case ck.RSAPkcsPssParams:
		e.uint64(uint64(p.HashAlg))
		e.uint64(p.MGF)
		e.uint64(p.SLen)
	case ck.RSAPkcsOaepParams:
		e.uint64(uint64(p.HashAlg))
		e.uint64(p.MGF)
		e.uint64(p.Source)
		e.array(p.SourceData)
	case ck.ECDH1DeriveParams:
		e.uint64(uint64(p.KDF))
		e.array(p.SharedData)
		e.array(p.PublicData)
	case ck.AESCtrParams:
		e.uint64(p.CounterBits)
		e.array(p.CB[:])
	case ck.GCMParams:
		e.array(p.IV)
		e.uint64(p.IVBits)
		e.array(p.AAD)
		e.uint64(p.TagBits)
	case ck.MACGeneralParams:
		e.uint64(uint64(p))
	}
	return f == formOf(p)
}

// toHost is the parameter as the memory of a 64-bit little-endian host.
func toHost(p ck.Parameter) (v []byte, ok bool) {
	le := binary.LittleEndian
	switch p := p.(type) {
	case nil:
		return nil, true
	case ck.RawParameter:
		return p, true
	case ck.RSAPkcsPssParams:
		v = le.AppendUint64(v, uint64(p.HashAlg))
		v = le.AppendUint64(v, p.MGF)
		return le.AppendUint64(v, p.SLen), true
	case ck.AESCtrParams:
		v = le.AppendUint64(v, p.CounterBits)
		return append(v, p.CB[:]...), true
	case ck.MACGeneralParams:
		return le.AppendUint64(v, uint64(p)), true
	}
	return nil, false
}

// fromHost is the inverse of toHost. Bytes that are not of the form stay bytes,
// for the mechanism to refuse.
func fromHost(f form, v []byte) ck.Parameter {
	le := binary.LittleEndian
	switch {
	case v == nil:
		return nil
	case f == formPSS && len(v) == 24:
		return ck.RSAPkcsPssParams{
			HashAlg: ck.MechanismType(le.Uint64(v)), MGF: le.Uint64(v[8:]), SLen: le.Uint64(v[16:]),
		}
	case f == formCTR && len(v) == 24:
		return ck.AESCtrParams{CounterBits: le.Uint64(v), CB: [16]byte(v[8:])}
	case f == formMAC && len(v) == 8:
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
	switch {
	case paramless(m.Type):
		if d.Version < 2 {
			d.array()
		}
	case d.Version >= 2 && d.byte() == 0:
	default:
		m.Parameter = d.parameter(m.Type)
	}
	if d.err != nil {
		return nil
	}
	return m
}

func (d *Decoder) parameter(t ck.MechanismType) ck.Parameter {
	if l, ok := extended[t]; ok && d.Version == Extended {
		return l.read(reading{d})
	}
	switch wireForm(t, d.Version) {
	case formPSS:
		return ck.RSAPkcsPssParams{HashAlg: ck.MechanismType(d.uint64()), MGF: d.uint64(), SLen: d.uint64()}
	case formOAEP:
		return ck.RSAPkcsOaepParams{
			HashAlg: ck.MechanismType(d.uint64()), MGF: d.uint64(), Source: d.uint64(), SourceData: d.array(),
		}
	case formECDH:
		return ck.ECDH1DeriveParams{KDF: ck.KDF(d.uint64()), SharedData: d.array(), PublicData: d.array()}
	case formCTR:
		p := ck.AESCtrParams{CounterBits: d.uint64()}
		if v := d.array(); len(v) == len(p.CB) {
			p.CB = [16]byte(v)
		} else {
			d.reject(ck.CKR_MECHANISM_PARAM_INVALID, "%v with a counter block of %d bytes", d.call, len(v))
		}
		return p
	case formGCM:
		return ck.GCMParams{IV: d.array(), IVBits: d.uint64(), AAD: d.array(), TagBits: d.uint64()}
	case formMAC:
		return ck.MACGeneralParams(d.uint64())
	case formVendor:
		d.reject(ck.CKR_MECHANISM_INVALID, "%v with %v, whose parameter is not read here", d.call, t)
		return nil
	default:
		return fromHost(hostForm(t), d.array())
	}
}

// NoParameterUpdate writes that the parameter of mechanism t stays as it is, in
// the answer to C_DeriveKey2.
func (e *Encoder) NoParameterUpdate(t ck.MechanismType) {
	if e.take("P") && !paramless(t) {
		e.buf = append(e.buf, 0)
	}
}

// ParameterUpdate passes over the update of the parameter of mechanism t. Only
// mechanisms whose parameter does not travel here (see [Carries]) have one.
func (d *Decoder) ParameterUpdate(t ck.MechanismType) {
	if d.take("P") && !paramless(t) {
		d.byte()
	}
}
