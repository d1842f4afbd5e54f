package main

// #include "cryptoki.h"
import "C"

import (
	"unsafe"

	"vtoken/vtoken/ck"
)

// layouts are the mechanisms whose parameter is a structure or a number; that of
// every other mechanism is passed on as its bytes. A new layout needs its struct
// in cryptoki.h and in package ck, and an encoding in package p11rpc.
var layouts = func() map[ck.MechanismType]func(C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	m := make(map[ck.MechanismType]func(C.CK_MECHANISM_PTR) (ck.Parameter, bool))
	for _, row := range []struct {
		read  func(C.CK_MECHANISM_PTR) (ck.Parameter, bool)
		types []ck.MechanismType
	}{
		{pss, []ck.MechanismType{ck.CKM_RSA_PKCS_PSS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_SHA224_RSA_PKCS_PSS,
			ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_SHA384_RSA_PKCS_PSS, ck.CKM_SHA512_RSA_PKCS_PSS,
			ck.CKM_SHA3_224_RSA_PKCS_PSS, ck.CKM_SHA3_256_RSA_PKCS_PSS, ck.CKM_SHA3_384_RSA_PKCS_PSS,
			ck.CKM_SHA3_512_RSA_PKCS_PSS}},
		{oaep, []ck.MechanismType{ck.CKM_RSA_PKCS_OAEP}},
		{ecdh, []ck.MechanismType{ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE}},
		{ctr, []ck.MechanismType{ck.CKM_AES_CTR}},
		{gcm, []ck.MechanismType{ck.CKM_AES_GCM}},
		{ccm, []ck.MechanismType{ck.CKM_AES_CCM}},
		{chacha, []ck.MechanismType{ck.CKM_CHACHA20_POLY1305}},
		{eddsa, []ck.MechanismType{ck.CKM_EDDSA}},
		{hkdf, []ck.MechanismType{ck.CKM_HKDF_DERIVE, ck.CKM_HKDF_DATA}},
		{pbkd2, []ck.MechanismType{ck.CKM_PKCS5_PBKD2}},
		{sp800108, []ck.MechanismType{ck.CKM_SP800_108_COUNTER_KDF}},
		{signContext, []ck.MechanismType{ck.CKM_ML_DSA, ck.CKM_SLH_DSA,
			ck.CKM_HASH_SLH_DSA_SHA224, ck.CKM_HASH_SLH_DSA_SHA256, ck.CKM_HASH_SLH_DSA_SHA384, ck.CKM_HASH_SLH_DSA_SHA512,
			ck.CKM_HASH_SLH_DSA_SHA3_224, ck.CKM_HASH_SLH_DSA_SHA3_256, ck.CKM_HASH_SLH_DSA_SHA3_384,
			ck.CKM_HASH_SLH_DSA_SHA3_512, ck.CKM_HASH_SLH_DSA_SHAKE128, ck.CKM_HASH_SLH_DSA_SHAKE256}},
		{otp, []ck.MechanismType{ck.CKM_HOTP}},
		{macLength, []ck.MechanismType{ck.CKM_SHA_1_HMAC_GENERAL, ck.CKM_SHA224_HMAC_GENERAL, ck.CKM_SHA256_HMAC_GENERAL,
			ck.CKM_SHA384_HMAC_GENERAL, ck.CKM_SHA512_HMAC_GENERAL, ck.CKM_SHA512_224_HMAC_GENERAL,
			ck.CKM_SHA512_256_HMAC_GENERAL, ck.CKM_AES_MAC_GENERAL, ck.CKM_AES_CMAC_GENERAL, ck.CKM_DES3_MAC_GENERAL,
			ck.CKM_DES3_CMAC_GENERAL, ck.CKM_SHA3_224_HMAC_GENERAL, ck.CKM_SHA3_256_HMAC_GENERAL,
			ck.CKM_SHA3_384_HMAC_GENERAL, ck.CKM_SHA3_512_HMAC_GENERAL}},
	} {
		for _, t := range row.types {
			m[t] = row.read
		}
	}
	return m
}()

// mechanismAt reads a mechanism; nil for a null pointer. The parameter shares
// the host's memory.
func mechanismAt(p C.CK_MECHANISM_PTR) (*ck.Mechanism, error) {
	if p == nil {
		return nil, nil
	}
	m := &ck.Mechanism{Type: ck.MechanismType(p.mechanism)}
	if p.pParameter == nil {
		if p.ulParameterLen != 0 {
			return nil, paramInvalid(m.Type, p)
		}
		return m, nil
	}
	read, ok := layouts[m.Type]
	if !ok {
		m.Parameter = ck.RawParameter(memory(p.pParameter, p.ulParameterLen))
		return m, nil
	}
	if m.Parameter, ok = read(p); !ok {
		return nil, paramInvalid(m.Type, p)
	}
	return m, nil
}

func paramInvalid(t ck.MechanismType, p C.CK_MECHANISM_PTR) error {
	return ck.Errorf(ck.CKR_MECHANISM_PARAM_INVALID, "parameter of %v: %d bytes are no such structure", t, uint64(p.ulParameterLen))
}

// memory is n bytes of the host's; nil for a null pointer.
func memory(p C.CK_VOID_PTR, n C.CK_ULONG) []byte { return bytesAt(C.CK_BYTE_PTR(p), n) }

// paramOf is the parameter as T, where it is as long as T.
func paramOf[T any](p C.CK_MECHANISM_PTR) (*T, bool) {
	var t T
	return (*T)(p.pParameter), uint64(p.ulParameterLen) == uint64(unsafe.Sizeof(t))
}

// valid reports whether a pointer in a structure goes with its length.
func valid(p unsafe.Pointer, n C.CK_ULONG) bool { return p != nil || n == 0 }

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
	return ck.RSAPkcsOaepParams{HashAlg: ck.MechanismType(v.hashAlg), MGF: uint64(v.mgf), Source: uint64(v.source),
		SourceData: memory(v.pSourceData, v.ulSourceDataLen)}, true
}

func ecdh(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_ECDH1_DERIVE_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pSharedData), v.ulSharedDataLen) || !valid(unsafe.Pointer(v.pPublicData), v.ulPublicDataLen) {
		return nil, false
	}
	return ck.ECDH1DeriveParams{KDF: ck.KDF(v.kdf), SharedData: bytesAt(v.pSharedData, v.ulSharedDataLen),
		PublicData: bytesAt(v.pPublicData, v.ulPublicDataLen)}, true
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
		return ck.GCMParams{IV: bytesAt(old.pIv, old.ulIvLen), AAD: bytesAt(old.pAAD, old.ulAADLen), TagBits: uint64(old.ulTagBits)},
			valid(unsafe.Pointer(old.pIv), old.ulIvLen) && valid(unsafe.Pointer(old.pAAD), old.ulAADLen)
	}
	if w, ok := paramOf[C.CK_GCM_WRAP_PARAMS](p); ok {
		return gcmWrap(w)
	}
	v, ok := paramOf[C.CK_GCM_PARAMS](p)
	if !ok || !valid(unsafe.Pointer(v.pIv), v.ulIvLen) || !valid(unsafe.Pointer(v.pAAD), v.ulAADLen) {
		return nil, false
	}
	return ck.GCMParams{IV: bytesAt(v.pIv, v.ulIvLen), IVBits: uint64(v.ulIvBits), AAD: bytesAt(v.pAAD, v.ulAADLen),
		TagBits: uint64(v.ulTagBits)}, true
}

func macLength(p C.CK_MECHANISM_PTR) (ck.Parameter, bool) {
	v, ok := paramOf[C.CK_ULONG](p)
	if !ok {
		return nil, false
	}
	return ck.MACGeneralParams(*v), true
}
