package ck

import "fmt"

// ParameterKind says what the parameter of a mechanism is.
type ParameterKind byte

// The kinds of parameter. A mechanism may also be used without one where its section
// of the standard says so.
const (
	// ParamUnknown is the kind of a mechanism that is not in the table. Its parameter
	// may be a structure with pointers, so it never leaves the process.
	ParamUnknown ParameterKind = iota
	ParamNone
	ParamBytes // [RawParameter], such as an IV
	ParamPSS
	ParamOAEP
	ParamECDH1
	ParamEdDSA
	ParamSignContext
	ParamAESCtr
	ParamGCM
	ParamGMAC // CK_GCM_PARAMS since PKCS#11 3.2, an IV before
	ParamCCM
	ParamChaCha20Poly1305
	ParamMACGeneral
	ParamHKDF
	ParamPBKD2
	ParamSP800108
	ParamOTP

	// NumParameterKinds is the number of kinds.
	NumParameterKinds
)

// ParameterKindOf looks a mechanism up in the table of parameters. The module, the
// protocol and the daemon all follow it.
func ParameterKindOf(t MechanismType) ParameterKind { return parameterKinds[t] }

// Zero returns an empty parameter of that kind, or nil where the kind is no
// parameter.
func (k ParameterKind) Zero() Parameter { return parameterZeros[k] }

// String returns the name of the type of such a parameter.
func (k ParameterKind) String() string {
	switch k {
	case ParamUnknown:
		return "unknown"
	case ParamNone:
		return "none"
	}
	return fmt.Sprintf("%T", k.Zero())
}

// IsFlat reports whether the C form of such a parameter is one piece of memory
// without pointers.
func (k ParameterKind) IsFlat() bool {
	switch k {
	case ParamBytes, ParamPSS, ParamAESCtr, ParamMACGeneral:
		return true
	}
	return false
}

var parameterZeros = [NumParameterKinds]Parameter{
	ParamBytes:            RawParameter(nil),
	ParamPSS:              RSAPkcsPssParams{},
	ParamOAEP:             RSAPkcsOaepParams{},
	ParamECDH1:            ECDH1DeriveParams{},
	ParamEdDSA:            EdDSAParams{},
	ParamSignContext:      SignContext{},
	ParamAESCtr:           AESCtrParams{},
	ParamGCM:              GCMParams{},
	ParamGMAC:             GCMParams{},
	ParamCCM:              CCMParams{},
	ParamChaCha20Poly1305: ChaCha20Poly1305Params{},
	ParamMACGeneral:       MACGeneralParams(0),
	ParamHKDF:             HKDFParams{},
	ParamPBKD2:            PBKD2Params{},
	ParamSP800108:         SP800108Params{},
	ParamOTP:              OTPParams(nil),
}

// parameterKinds is the table of parameters: a row for every mechanism that a token
// offers, and for some more that p11-kit names.
var parameterKinds = map[MechanismType]ParameterKind{
	// RSA.
	CKM_RSA_PKCS_KEY_PAIR_GEN: ParamNone,
	CKM_RSA_PKCS:              ParamNone,
	CKM_RSA_X_509:             ParamNone,
	CKM_MD5_RSA_PKCS:          ParamNone,
	CKM_SHA1_RSA_PKCS:         ParamNone,
	CKM_SHA224_RSA_PKCS:       ParamNone,
	CKM_SHA256_RSA_PKCS:       ParamNone,
	CKM_SHA384_RSA_PKCS:       ParamNone,
	CKM_SHA512_RSA_PKCS:       ParamNone,
	CKM_SHA3_224_RSA_PKCS:     ParamNone,
	CKM_SHA3_256_RSA_PKCS:     ParamNone,
	CKM_SHA3_384_RSA_PKCS:     ParamNone,
	CKM_SHA3_512_RSA_PKCS:     ParamNone,
	CKM_RSA_PKCS_PSS:          ParamPSS,
	CKM_SHA1_RSA_PKCS_PSS:     ParamPSS,
	CKM_SHA224_RSA_PKCS_PSS:   ParamPSS,
	CKM_SHA256_RSA_PKCS_PSS:   ParamPSS,
	CKM_SHA384_RSA_PKCS_PSS:   ParamPSS,
	CKM_SHA512_RSA_PKCS_PSS:   ParamPSS,
	CKM_SHA3_224_RSA_PKCS_PSS: ParamPSS,
	CKM_SHA3_256_RSA_PKCS_PSS: ParamPSS,
	CKM_SHA3_384_RSA_PKCS_PSS: ParamPSS,
	CKM_SHA3_512_RSA_PKCS_PSS: ParamPSS,
	CKM_RSA_PKCS_OAEP:         ParamOAEP,

	// Elliptic curves.
	CKM_EC_KEY_PAIR_GEN:            ParamNone,
	CKM_EC_EDWARDS_KEY_PAIR_GEN:    ParamNone,
	CKM_EC_MONTGOMERY_KEY_PAIR_GEN: ParamNone,
	CKM_ECDSA:                      ParamNone,
	CKM_ECDSA_SHA1:                 ParamNone,
	CKM_ECDSA_SHA224:               ParamNone,
	CKM_ECDSA_SHA256:               ParamNone,
	CKM_ECDSA_SHA384:               ParamNone,
	CKM_ECDSA_SHA512:               ParamNone,
	CKM_ECDSA_SHA3_224:             ParamNone,
	CKM_ECDSA_SHA3_256:             ParamNone,
	CKM_ECDSA_SHA3_384:             ParamNone,
	CKM_ECDSA_SHA3_512:             ParamNone,
	CKM_EDDSA:                      ParamEdDSA,
	CKM_ECDH1_DERIVE:               ParamECDH1,
	CKM_ECDH1_COFACTOR_DERIVE:      ParamECDH1,

	// ML-DSA, ML-KEM and SLH-DSA.
	CKM_ML_DSA_KEY_PAIR_GEN:   ParamNone,
	CKM_ML_DSA:                ParamSignContext,
	CKM_ML_KEM_KEY_PAIR_GEN:   ParamNone,
	CKM_ML_KEM:                ParamNone,
	CKM_SLH_DSA_KEY_PAIR_GEN:  ParamNone,
	CKM_SLH_DSA:               ParamSignContext,
	CKM_HASH_SLH_DSA_SHA224:   ParamSignContext,
	CKM_HASH_SLH_DSA_SHA256:   ParamSignContext,
	CKM_HASH_SLH_DSA_SHA384:   ParamSignContext,
	CKM_HASH_SLH_DSA_SHA512:   ParamSignContext,
	CKM_HASH_SLH_DSA_SHA3_224: ParamSignContext,
	CKM_HASH_SLH_DSA_SHA3_256: ParamSignContext,
	CKM_HASH_SLH_DSA_SHA3_384: ParamSignContext,
	CKM_HASH_SLH_DSA_SHA3_512: ParamSignContext,
	CKM_HASH_SLH_DSA_SHAKE128: ParamSignContext,
	CKM_HASH_SLH_DSA_SHAKE256: ParamSignContext,

	// AES and ChaCha20.
	CKM_AES_KEY_GEN:       ParamNone,
	CKM_AES_ECB:           ParamNone,
	CKM_AES_CBC:           ParamBytes,
	CKM_AES_CBC_PAD:       ParamBytes,
	CKM_AES_CTR:           ParamAESCtr,
	CKM_AES_GCM:           ParamGCM,
	CKM_AES_CCM:           ParamCCM,
	CKM_AES_MAC_GENERAL:   ParamMACGeneral,
	CKM_AES_CMAC:          ParamNone,
	CKM_AES_CMAC_GENERAL:  ParamMACGeneral,
	CKM_AES_GMAC:          ParamGMAC,
	CKM_AES_KEY_WRAP:      ParamBytes,
	CKM_AES_KEY_WRAP_PAD:  ParamBytes,
	CKM_AES_KEY_WRAP_KWP:  ParamBytes,
	CKM_CHACHA20_KEY_GEN:  ParamNone,
	CKM_CHACHA20_POLY1305: ParamChaCha20Poly1305,

	// DES and triple DES.
	CKM_DES_ECB:           ParamNone,
	CKM_DES_CBC:           ParamBytes,
	CKM_DES_CBC_PAD:       ParamBytes,
	CKM_DES3_ECB:          ParamNone,
	CKM_DES3_CBC:          ParamBytes,
	CKM_DES3_CBC_PAD:      ParamBytes,
	CKM_DES3_MAC_GENERAL:  ParamMACGeneral,
	CKM_DES3_CMAC:         ParamNone,
	CKM_DES3_CMAC_GENERAL: ParamMACGeneral,

	// Digests, and the HMACs and keys that go with them.
	CKM_MD5:                     ParamNone,
	CKM_MD5_HMAC:                ParamNone,
	CKM_MD5_HMAC_GENERAL:        ParamMACGeneral,
	CKM_SHA_1:                   ParamNone,
	CKM_SHA_1_HMAC:              ParamNone,
	CKM_SHA_1_HMAC_GENERAL:      ParamMACGeneral,
	CKM_SHA_1_KEY_GEN:           ParamNone,
	CKM_SHA224:                  ParamNone,
	CKM_SHA224_HMAC:             ParamNone,
	CKM_SHA224_HMAC_GENERAL:     ParamMACGeneral,
	CKM_SHA224_KEY_GEN:          ParamNone,
	CKM_SHA256:                  ParamNone,
	CKM_SHA256_HMAC:             ParamNone,
	CKM_SHA256_HMAC_GENERAL:     ParamMACGeneral,
	CKM_SHA256_KEY_GEN:          ParamNone,
	CKM_SHA384:                  ParamNone,
	CKM_SHA384_HMAC:             ParamNone,
	CKM_SHA384_HMAC_GENERAL:     ParamMACGeneral,
	CKM_SHA384_KEY_GEN:          ParamNone,
	CKM_SHA512:                  ParamNone,
	CKM_SHA512_HMAC:             ParamNone,
	CKM_SHA512_HMAC_GENERAL:     ParamMACGeneral,
	CKM_SHA512_KEY_GEN:          ParamNone,
	CKM_SHA512_224:              ParamNone,
	CKM_SHA512_224_HMAC:         ParamNone,
	CKM_SHA512_224_HMAC_GENERAL: ParamMACGeneral,
	CKM_SHA512_224_KEY_GEN:      ParamNone,
	CKM_SHA512_256:              ParamNone,
	CKM_SHA512_256_HMAC:         ParamNone,
	CKM_SHA512_256_HMAC_GENERAL: ParamMACGeneral,
	CKM_SHA512_256_KEY_GEN:      ParamNone,
	CKM_SHA3_224:                ParamNone,
	CKM_SHA3_224_HMAC:           ParamNone,
	CKM_SHA3_224_HMAC_GENERAL:   ParamMACGeneral,
	CKM_SHA3_224_KEY_GEN:        ParamNone,
	CKM_SHA3_256:                ParamNone,
	CKM_SHA3_256_HMAC:           ParamNone,
	CKM_SHA3_256_HMAC_GENERAL:   ParamMACGeneral,
	CKM_SHA3_256_KEY_GEN:        ParamNone,
	CKM_SHA3_384:                ParamNone,
	CKM_SHA3_384_HMAC:           ParamNone,
	CKM_SHA3_384_HMAC_GENERAL:   ParamMACGeneral,
	CKM_SHA3_384_KEY_GEN:        ParamNone,
	CKM_SHA3_512:                ParamNone,
	CKM_SHA3_512_HMAC:           ParamNone,
	CKM_SHA3_512_HMAC_GENERAL:   ParamMACGeneral,
	CKM_SHA3_512_KEY_GEN:        ParamNone,

	// Other secrets.
	CKM_GENERIC_SECRET_KEY_GEN: ParamNone,
	CKM_HKDF_KEY_GEN:           ParamNone,
	CKM_HKDF_DERIVE:            ParamHKDF,
	CKM_HKDF_DATA:              ParamHKDF,
	CKM_PKCS5_PBKD2:            ParamPBKD2,
	CKM_SP800_108_COUNTER_KDF:  ParamSP800108,
	CKM_HOTP_KEY_GEN:           ParamNone,
	CKM_HOTP:                   ParamOTP,
}
