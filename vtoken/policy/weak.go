package policy

import "vtoken/vtoken/ck"

// weak are the mechanisms that [Modern] does not offer, or not for everything,
// with the uses that it leaves.
var weak = map[ck.MechanismType]ck.Flags{
	// SHA-1 can be made to collide: no new signatures.
	ck.CKM_SHA1_RSA_PKCS:     ck.CKF_VERIFY,
	ck.CKM_SHA1_RSA_PKCS_PSS: ck.CKF_VERIFY,
	ck.CKM_ECDSA_SHA1:        ck.CKF_VERIFY,

	// Sound, but NSS has a token that lists it open PFX files, with C_UnwrapKey and
	// AES-CBC, which this policy refuses. NSS opens them itself where it is not listed.
	ck.CKM_PKCS5_PBKD2: 0,

	ck.CKM_MD5:              0,
	ck.CKM_MD5_HMAC:         0,
	ck.CKM_MD5_HMAC_GENERAL: 0,
	ck.CKM_MD5_RSA_PKCS:     0,

	ck.CKM_DES_KEY_GEN:     0,
	ck.CKM_DES_ECB:         0,
	ck.CKM_DES_CBC:         0,
	ck.CKM_DES_CBC_PAD:     0,
	ck.CKM_DES_MAC:         0,
	ck.CKM_DES_MAC_GENERAL: 0,
	ck.CKM_DES_OFB64:       0,
	ck.CKM_DES_OFB8:        0,
	ck.CKM_DES_CFB64:       0,
	ck.CKM_DES_CFB8:        0,

	ck.CKM_DES2_KEY_GEN:      0,
	ck.CKM_DES3_KEY_GEN:      0,
	ck.CKM_DES3_ECB:          0,
	ck.CKM_DES3_CBC:          0,
	ck.CKM_DES3_CBC_PAD:      0,
	ck.CKM_DES3_MAC:          0,
	ck.CKM_DES3_MAC_GENERAL:  0,
	ck.CKM_DES3_CMAC:         0,
	ck.CKM_DES3_CMAC_GENERAL: 0,
}
