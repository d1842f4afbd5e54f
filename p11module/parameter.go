package main

// #include "cryptoki.h"
import "C"

import (
	"unsafe"

	"vtoken/vtoken/ck"
)

// These read the parameters of mechanisms that are newer than p11-kit's
// protocol; package p11rpc carries them in a version of our own.

func ccm(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	if w, ok := paramOf[C.CK_CCM_WRAP_PARAMS](p); ok {
		return ccmWrap(w)
	}
	v, ok := paramOf[C.CK_CCM_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pNonce), v.ulNonceLen) || !valid(unsafe.Pointer(v.pAAD), v.ulAADLen) {
		return nil, false
	}
	return ck.CCMParams{
		DataLen: uint64(v.ulDataLen),
		Nonce:   bytesAt(v.pNonce, v.ulNonceLen),
		AAD:     bytesAt(v.pAAD, v.ulAADLen),
		MACLen:  uint64(v.ulMACLen),
	}, true
}

func chacha(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_SALSA20_CHACHA20_POLY1305_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pNonce), v.ulNonceLen) || !valid(unsafe.Pointer(v.pAAD), v.ulAADLen) {
		return nil, false
	}
	return ck.ChaCha20Poly1305Params{Nonce: bytesAt(v.pNonce, v.ulNonceLen), AAD: bytesAt(v.pAAD, v.ulAADLen)}, true
}

func eddsa(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_EDDSA_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pContextData), v.ulContextDataLen) {
		return nil, false
	}
	return ck.EdDSAParams{PhFlag: v.phFlag != 0, Context: bytesAt(v.pContextData, v.ulContextDataLen)}, true
}

func hkdf(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_HKDF_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pSalt), v.ulSaltLen) || !valid(unsafe.Pointer(v.pInfo), v.ulInfoLen) {
		return nil, false
	}
	return ck.HKDFParams{
		Extract:  v.bExtract != 0,
		Expand:   v.bExpand != 0,
		PRF:      ck.MechanismType(v.prfHashMechanism),
		SaltType: uint64(v.ulSaltType),
		Salt:     bytesAt(v.pSalt, v.ulSaltLen),
		SaltKey:  ck.ObjectHandle(v.hSaltKey),
		Info:     bytesAt(v.pInfo, v.ulInfoLen),
	}, true
}

// maxPassword bounds the password of PBKDF2. The older CK_PKCS5_PBKD2_PARAMS has
// as many bytes as this structure, with a pointer where the length is: that is
// beyond the bound, and refused instead of read.
const maxPassword = 64 << 10

func pbkd2(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_PKCS5_PBKD2_PARAMS2](p)
	if !ok || v.ulPasswordLen > maxPassword || !valid(unsafe.Pointer(v.pSaltSourceData), v.ulSaltSourceDataLen) ||
		!valid(unsafe.Pointer(v.pPrfData), v.ulPrfDataLen) || !valid(unsafe.Pointer(v.pPassword), v.ulPasswordLen) {
		return nil, false
	}
	return ck.PBKD2Params{
		SaltSource: uint64(v.saltSource),
		Salt:       memory(C.CK_VOID_PTR(v.pSaltSourceData), v.ulSaltSourceDataLen),
		Iterations: uint64(v.iterations),
		PRF:        uint64(v.prf),
		PRFData:    memory(C.CK_VOID_PTR(v.pPrfData), v.ulPrfDataLen),
		Password:   bytesAt(C.CK_BYTE_PTR(v.pPassword), v.ulPasswordLen),
	}, true
}

// maxParts bounds the parts of CK_SP800_108_KDF_PARAMS, as package p11rpc does.
const maxParts = 64

func sp800108(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_SP800_108_KDF_PARAMS](p)
	if !ok || v.ulNumberOfDataParams > maxParts || v.ulAdditionalDerivedKeys != 0 ||
		!valid(unsafe.Pointer(v.pDataParams), v.ulNumberOfDataParams) {
		return nil, false
	}
	out := ck.SP800108Params{PRF: ck.MechanismType(v.prfType)}
	for _, part := range unsafe.Slice(v.pDataParams, int(v.ulNumberOfDataParams)) {
		data, ok := prfData(part)
		if !ok {
			return nil, false
		}
		out.Data = append(out.Data, data)
	}
	return out, true
}

func prfData(v C.CK_PRF_DATA_PARAM) (ck.PRFData, bool) {
	data := ck.PRFData{Type: uint64(v._type)}
	if !valid(unsafe.Pointer(v.pValue), v.ulValueLen) {
		return data, false
	}
	if data.Type == ck.SP800108ByteArray || v.pValue == nil {
		data.Value = memory(C.CK_VOID_PTR(v.pValue), v.ulValueLen)
		return data, true
	}
	switch uintptr(v.ulValueLen) {
	case unsafe.Sizeof(C.CK_SP800_108_DKM_LENGTH_FORMAT{}):
		format := (*C.CK_SP800_108_DKM_LENGTH_FORMAT)(v.pValue)
		data.Method, data.WidthBits = uint64(format.dkmLengthMethod), uint64(format.ulWidthInBits)
		data.LittleEndian = format.bLittleEndian != 0
		return data, data.Type == ck.SP800108DKMLength
	case unsafe.Sizeof(C.CK_SP800_108_COUNTER_FORMAT{}):
		format := (*C.CK_SP800_108_COUNTER_FORMAT)(v.pValue)
		data.LittleEndian, data.WidthBits = format.bLittleEndian != 0, uint64(format.ulWidthInBits)
		return data, data.Type != ck.SP800108DKMLength
	}
	return data, false
}

func signContext(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_SIGN_ADDITIONAL_CONTEXT](p)
	if !ok || !valid(unsafe.Pointer(v.pContext), v.ulContextLen) {
		return nil, false
	}
	return ck.SignContext{Hedge: uint64(v.hedgeVariant), Context: bytesAt(v.pContext, v.ulContextLen)}, true
}

// gcmWrap and ccmWrap read the parameters of C_WrapKey, which writes the nonce
// into the host's memory.

func gcmWrap(v *C.CK_GCM_WRAP_PARAMS) (ck.Parameter, bool) {
	m, ok := gcmMessage(&C.CK_GCM_MESSAGE_PARAMS{
		pIv:           v.pIv,
		ulIvLen:       v.ulIvLen,
		ulIvFixedBits: v.ulIvFixedBits,
		ivGenerator:   v.ivGenerator,
		ulTagBits:     v.ulTagBits,
	})
	p := &ck.WrapParams{MessageParams: *m, AAD: bytesAt(v.pAAD, v.ulAADLen)}
	return p, ok && valid(unsafe.Pointer(v.pAAD), v.ulAADLen)
}

func ccmWrap(v *C.CK_CCM_WRAP_PARAMS) (ck.Parameter, bool) {
	m, ok := ccmMessage(&C.CK_CCM_MESSAGE_PARAMS{
		ulDataLen:        v.ulDataLen,
		pNonce:           v.pNonce,
		ulNonceLen:       v.ulNonceLen,
		ulNonceFixedBits: v.ulNonceFixedBits,
		nonceGenerator:   v.nonceGenerator,
		ulMACLen:         v.ulMACLen,
	})
	p := &ck.WrapParams{MessageParams: *m, AAD: bytesAt(v.pAAD, v.ulAADLen)}
	return p, ok && valid(unsafe.Pointer(v.pAAD), v.ulAADLen)
}
