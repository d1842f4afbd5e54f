package main

// #include "cryptoki.h"
import "C"

import (
	"unsafe"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// A reader reads the parameter of a mechanism, which is not a null pointer. It reports
// whether that has the form of the kind.
type reader func(C.CK_MECHANISM_PTR) (ck.Parameter, bool)

// readers maps each kind of parameter to what reads its C form.
var readers = [ck.NumParameterKinds]reader{
	ck.ParamUnknown:          raw,
	ck.ParamNone:             raw,
	ck.ParamBytes:            raw,
	ck.ParamPSS:              pss,
	ck.ParamOAEP:             oaep,
	ck.ParamECDH1:            ecdh,
	ck.ParamEdDSA:            eddsa,
	ck.ParamSignContext:      signContext,
	ck.ParamAESCtr:           ctr,
	ck.ParamGCM:              gcm,
	ck.ParamGMAC:             gmac,
	ck.ParamCCM:              ccm,
	ck.ParamChaCha20Poly1305: chacha,
	ck.ParamMACGeneral:       macLength,
	ck.ParamHKDF:             hkdf,
	ck.ParamPBKD2:            pbkd2,
	ck.ParamSP800108:         sp800108,
	ck.ParamOTP:              otp,
}

// mechanismAt reads a mechanism; nil for a null pointer. A parameter of no bytes counts as
// none; another one shares the host's memory.
func mechanismAt(p C.CK_MECHANISM_PTR) (*ck.Mechanism, error) {
	if p == nil {
		return nil, nil
	}
	m := &ck.Mechanism{Type: ck.MechanismType(p.mechanism)}
	if p.ulParameterLen == 0 {
		return m, nil
	}
	if p.pParameter == nil {
		return nil, paramInvalid(m.Type, p)
	}
	var ok bool
	if m.Parameter, ok = readers[ck.ParameterKindOf(m.Type)](p); !ok {
		return nil, paramInvalid(m.Type, p)
	}
	return m, nil
}

// raw reads a parameter as its bytes. Package p11rpc lets them out only where the kind
// says that they are no structure.
func raw(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	return ck.RawParameter(memory(p.pParameter, p.ulParameterLen)), valid(unsafe.Pointer(p.pParameter), p.ulParameterLen)
}

func paramInvalid(t ck.MechanismType, p C.CK_MECHANISM_PTR) error {
	return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID,
		"the parameter of %v has %d bytes and is not %v", t, uint64(p.ulParameterLen), ck.ParameterKindOf(t))
}

// memory is n bytes of the host's; nil for a null pointer.
func memory(p C.CK_VOID_PTR, n C.CK_ULONG) []byte { return bytesAt(C.CK_BYTE_PTR(p), n) }

// paramOf is the parameter as T, where it is as long as T.
func paramOf[T any](p C.CK_MECHANISM_PTR) (*T, bool) {
	var t T
	return (*T)(p.pParameter), uint64(p.ulParameterLen) == uint64(unsafe.Sizeof(t))
}

// valid reports whether a pointer goes with its length. A length beyond the protocol's
// limit was never set, or is another field of another structure.
func valid(p unsafe.Pointer, n C.CK_ULONG) bool { return n == 0 || p != nil && n <= p11rpc.MaxBody }

func pss(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_RSA_PKCS_PSS_PARAMS](p)
	if !ok {
		return nil, false
	}
	return ck.RSAPkcsPssParams{HashAlg: ck.MechanismType(v.hashAlg), MGF: uint64(v.mgf), SLen: uint64(v.sLen)}, true
}

func oaep(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_RSA_PKCS_OAEP_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pSourceData), v.ulSourceDataLen) {
		return nil, false
	}
	return ck.RSAPkcsOaepParams{
		HashAlg:    ck.MechanismType(v.hashAlg),
		MGF:        uint64(v.mgf),
		Source:     uint64(v.source),
		SourceData: memory(v.pSourceData, v.ulSourceDataLen),
	}, true
}

func ecdh(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_ECDH1_DERIVE_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pSharedData), v.ulSharedDataLen) ||
		!valid(unsafe.Pointer(v.pPublicData), v.ulPublicDataLen) {
		return nil, false
	}
	return ck.ECDH1DeriveParams{
		KDF:        ck.KDF(v.kdf),
		SharedData: bytesAt(v.pSharedData, v.ulSharedDataLen),
		PublicData: bytesAt(v.pPublicData, v.ulPublicDataLen),
	}, true
}

func ctr(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_AES_CTR_PARAMS](p)
	if !ok {
		return nil, false
	}
	out := ck.AESCtrParams{CounterBits: uint64(v.ulCounterBits)}
	copy(out.CB[:], bytesAt(&v.cb[0], C.CK_ULONG(len(v.cb))))
	return out, true
}

func gcm(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	if old, ok := paramOf[C.GCM_PARAMS_OLD](p); ok {
		return ck.GCMParams{
			IV:      bytesAt(old.pIv, old.ulIvLen),
			AAD:     bytesAt(old.pAAD, old.ulAADLen),
			TagBits: uint64(old.ulTagBits),
		}, valid(unsafe.Pointer(old.pIv), old.ulIvLen) && valid(unsafe.Pointer(old.pAAD), old.ulAADLen)
	}
	if w, ok := paramOf[C.CK_GCM_WRAP_PARAMS](p); ok {
		return gcmWrap(w)
	}
	v, ok := paramOf[C.CK_GCM_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pIv), v.ulIvLen) || !valid(unsafe.Pointer(v.pAAD), v.ulAADLen) {
		return nil, false
	}
	return ck.GCMParams{
		IV:      bytesAt(v.pIv, v.ulIvLen),
		IVBits:  uint64(v.ulIvBits),
		AAD:     bytesAt(v.pAAD, v.ulAADLen),
		TagBits: uint64(v.ulTagBits),
	}, true
}

// gmac reads the parameter of CKM_AES_GMAC. It was an IV of 12 bytes before PKCS#11 3.2,
// with a tag of 128 bits.
func gmac(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	const ivLen = 12
	if p.ulParameterLen == ivLen {
		return ck.GCMParams{IV: memory(p.pParameter, ivLen), IVBits: 8 * ivLen, TagBits: 128}, true
	}
	return gcm(p)
}

func macLength(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_ULONG](p)
	if !ok {
		return nil, false
	}
	return ck.MACGeneralParams(*v), true
}
