package p11rpc

import "vtoken/vtoken/ck"

// stockKinds are the parameters that p11-kit takes apart since version 1: the exceptions
// to the rule of wireForm. It holds p11-kit's list, of which package ck has the kinds,
// and those of IBM's mechanisms, which no token here offers.
var stockKinds = func() map[ck.MechanismType]ck.ParameterKind {
	kinds := map[ck.MechanismType]ck.ParameterKind{
		ck.CKM_VENDOR_DEFINED + 0x1001b: ck.ParamECDH1,   // CKM_IBM_EC_X25519
		ck.CKM_VENDOR_DEFINED + 0x1001e: ck.ParamECDH1,   // CKM_IBM_EC_X448
		ck.CKM_VENDOR_DEFINED + 0x10024: ck.ParamUnknown, // CKM_IBM_KYBER
		ck.CKM_VENDOR_DEFINED + 0x10031: ck.ParamUnknown, // CKM_IBM_ECDSA_OTHER
		ck.CKM_VENDOR_DEFINED + 0x20004: ck.ParamUnknown, // CKM_IBM_ATTRIBUTEBOUND_WRAP
		ck.CKM_VENDOR_DEFINED + 0x70001: ck.ParamUnknown, // CKM_IBM_BTC_DERIVE
	}
	for _, t := range stockList {
		kinds[t] = ck.ParameterKindOf(t)
	}
	return kinds
}()

// stockList is p11-kit's list of mechanisms whose parameters it takes apart.
var stockList = [...]ck.MechanismType{
	ck.CKM_RSA_PKCS_PSS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_SHA224_RSA_PKCS_PSS, ck.CKM_SHA256_RSA_PKCS_PSS,
	ck.CKM_SHA384_RSA_PKCS_PSS, ck.CKM_SHA512_RSA_PKCS_PSS, ck.CKM_RSA_PKCS_OAEP,
	ck.CKM_ECDH1_DERIVE,
	ck.CKM_AES_CTR, ck.CKM_AES_GCM,
	ck.CKM_SHA_1_HMAC_GENERAL, ck.CKM_SHA224_HMAC_GENERAL, ck.CKM_SHA256_HMAC_GENERAL,
	ck.CKM_SHA384_HMAC_GENERAL, ck.CKM_SHA512_HMAC_GENERAL,
	ck.CKM_SHA512_224_HMAC_GENERAL, ck.CKM_SHA512_256_HMAC_GENERAL,
	ck.CKM_AES_MAC_GENERAL, ck.CKM_AES_CMAC_GENERAL, ck.CKM_DES3_MAC_GENERAL, ck.CKM_DES3_CMAC_GENERAL,
}

// takesApart reports whether p11-kit of that version takes the parameter of t apart.
func takesApart(t ck.MechanismType, version byte) bool {
	if version == 0 {
		return t == ck.CKM_RSA_PKCS_PSS || t == ck.CKM_RSA_PKCS_OAEP
	}
	_, ok := stockKinds[t]
	return ok
}
