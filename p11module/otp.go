package main

// #include "cryptoki.h"
import "C"

import (
	"encoding/binary"
	"unsafe"

	"vtoken/vtoken/ck"
)

// maxOTPParams bounds the parameters of CK_OTP_PARAMS, as package p11rpc does.
const maxOTPParams = 64

// otp reads CK_OTP_PARAMS (section 6.62.6).
func otp(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_OTP_PARAMS](p)
	if !ok || v.ulCount > maxOTPParams || !valid(unsafe.Pointer(v.pParams), v.ulCount) {
		return nil, false
	}
	out := ck.OTPParams{}
	for _, one := range unsafe.Slice(v.pParams, int(v.ulCount)) {
		if !valid(unsafe.Pointer(one.pValue), one.ulValueLen) {
			return nil, false
		}
		out = append(out, otpParam(one))
	}
	return out, true
}

// otpParam is the parameter with its CK_ULONG in the order of package ck.
func otpParam(v C.CK_OTP_PARAM) ck.OTPParam {
	p := ck.OTPParam{Type: uint64(v._type), Value: memory(v.pValue, v.ulValueLen)}
	if ck.OTPUlong(p.Type) && len(p.Value) == 8 {
		p.Value = binary.BigEndian.AppendUint64(nil, binary.NativeEndian.Uint64(p.Value))
	}
	return p
}
