package mech

import (
	"crypto"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"

	"vtoken/vtoken/ck"
)

// hashAlg is a hash function and the mechanisms that are made with it. A field
// that is 0 is one that PKCS#11 does not have.
type hashAlg struct {
	// weak hashes are for old software, by mechanisms of their own that an
	// algorithm policy sees; parameters that name a hash may not name them.
	weak    bool
	hash    crypto.Hash
	new     func() hash.Hash
	digest  ck.MechanismType
	keyType ck.KeyType // keys for its HMAC only
	keyGen  ck.MechanismType
	hmac    ck.MechanismType
	general ck.MechanismType // HMAC of a length that the parameter says
	rsaPKCS ck.MechanismType
	rsaPSS  ck.MechanismType
	ecdsa   ck.MechanismType
	mgf     uint64 // CKG_MGF1_*
	// Key derivation functions of ANSI X9.63 and NIST SP 800-56C.
	kdf, kdfSP800 ck.KDF
	pbkdf2        uint64 // CKP_PKCS5_PBKD2_HMAC_*
}

// hashAlgs is the one table of hash functions.
func hashAlgs() []hashAlg {
	return []hashAlg{
		{weak: true, hash: crypto.MD5, new: md5.New, digest: ck.CKM_MD5, keyType: ck.CKK_MD5_HMAC,
			hmac: ck.CKM_MD5_HMAC, general: ck.CKM_MD5_HMAC_GENERAL, rsaPKCS: ck.CKM_MD5_RSA_PKCS},
		{false, crypto.SHA1, sha1.New, ck.CKM_SHA_1, ck.CKK_SHA_1_HMAC, ck.CKM_SHA_1_KEY_GEN,
			ck.CKM_SHA_1_HMAC, ck.CKM_SHA_1_HMAC_GENERAL,
			ck.CKM_SHA1_RSA_PKCS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA1, ck.CKG_MGF1_SHA1, ck.CKD_SHA1_KDF, ck.CKD_SHA1_KDF_SP800, ck.CKP_PKCS5_PBKD2_HMAC_SHA1},
		{false, crypto.SHA224, sha256.New224, ck.CKM_SHA224, ck.CKK_SHA224_HMAC, ck.CKM_SHA224_KEY_GEN,
			ck.CKM_SHA224_HMAC, ck.CKM_SHA224_HMAC_GENERAL,
			ck.CKM_SHA224_RSA_PKCS, ck.CKM_SHA224_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA224, ck.CKG_MGF1_SHA224, ck.CKD_SHA224_KDF, ck.CKD_SHA224_KDF_SP800, ck.CKP_PKCS5_PBKD2_HMAC_SHA224},
		{false, crypto.SHA256, sha256.New, ck.CKM_SHA256, ck.CKK_SHA256_HMAC, ck.CKM_SHA256_KEY_GEN,
			ck.CKM_SHA256_HMAC, ck.CKM_SHA256_HMAC_GENERAL,
			ck.CKM_SHA256_RSA_PKCS, ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA256, ck.CKG_MGF1_SHA256, ck.CKD_SHA256_KDF, ck.CKD_SHA256_KDF_SP800, ck.CKP_PKCS5_PBKD2_HMAC_SHA256},
		{false, crypto.SHA384, sha512.New384, ck.CKM_SHA384, ck.CKK_SHA384_HMAC, ck.CKM_SHA384_KEY_GEN,
			ck.CKM_SHA384_HMAC, ck.CKM_SHA384_HMAC_GENERAL,
			ck.CKM_SHA384_RSA_PKCS, ck.CKM_SHA384_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA384, ck.CKG_MGF1_SHA384, ck.CKD_SHA384_KDF, ck.CKD_SHA384_KDF_SP800, ck.CKP_PKCS5_PBKD2_HMAC_SHA384},
		{false, crypto.SHA512, sha512.New, ck.CKM_SHA512, ck.CKK_SHA512_HMAC, ck.CKM_SHA512_KEY_GEN,
			ck.CKM_SHA512_HMAC, ck.CKM_SHA512_HMAC_GENERAL,
			ck.CKM_SHA512_RSA_PKCS, ck.CKM_SHA512_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA512, ck.CKG_MGF1_SHA512, ck.CKD_SHA512_KDF, ck.CKD_SHA512_KDF_SP800, ck.CKP_PKCS5_PBKD2_HMAC_SHA512},
		{hash: crypto.SHA512_224, new: sha512.New512_224, digest: ck.CKM_SHA512_224,
			keyType: ck.CKK_SHA512_224_HMAC, keyGen: ck.CKM_SHA512_224_KEY_GEN,
			hmac: ck.CKM_SHA512_224_HMAC, general: ck.CKM_SHA512_224_HMAC_GENERAL,
			pbkdf2: ck.CKP_PKCS5_PBKD2_HMAC_SHA512_224},
		{hash: crypto.SHA512_256, new: sha512.New512_256, digest: ck.CKM_SHA512_256,
			keyType: ck.CKK_SHA512_256_HMAC, keyGen: ck.CKM_SHA512_256_KEY_GEN,
			hmac: ck.CKM_SHA512_256_HMAC, general: ck.CKM_SHA512_256_HMAC_GENERAL,
			pbkdf2: ck.CKP_PKCS5_PBKD2_HMAC_SHA512_256},
		{false, crypto.SHA3_224, func() hash.Hash { return sha3.New224() }, ck.CKM_SHA3_224, ck.CKK_SHA3_224_HMAC, ck.CKM_SHA3_224_KEY_GEN,
			ck.CKM_SHA3_224_HMAC, ck.CKM_SHA3_224_HMAC_GENERAL,
			ck.CKM_SHA3_224_RSA_PKCS, ck.CKM_SHA3_224_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_224, ck.CKG_MGF1_SHA3_224, ck.CKD_SHA3_224_KDF, ck.CKD_SHA3_224_KDF_SP800, 0},
		{false, crypto.SHA3_256, func() hash.Hash { return sha3.New256() }, ck.CKM_SHA3_256, ck.CKK_SHA3_256_HMAC, ck.CKM_SHA3_256_KEY_GEN,
			ck.CKM_SHA3_256_HMAC, ck.CKM_SHA3_256_HMAC_GENERAL,
			ck.CKM_SHA3_256_RSA_PKCS, ck.CKM_SHA3_256_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_256, ck.CKG_MGF1_SHA3_256, ck.CKD_SHA3_256_KDF, ck.CKD_SHA3_256_KDF_SP800, 0},
		{false, crypto.SHA3_384, func() hash.Hash { return sha3.New384() }, ck.CKM_SHA3_384, ck.CKK_SHA3_384_HMAC, ck.CKM_SHA3_384_KEY_GEN,
			ck.CKM_SHA3_384_HMAC, ck.CKM_SHA3_384_HMAC_GENERAL,
			ck.CKM_SHA3_384_RSA_PKCS, ck.CKM_SHA3_384_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_384, ck.CKG_MGF1_SHA3_384, ck.CKD_SHA3_384_KDF, ck.CKD_SHA3_384_KDF_SP800, 0},
		{false, crypto.SHA3_512, func() hash.Hash { return sha3.New512() }, ck.CKM_SHA3_512, ck.CKK_SHA3_512_HMAC, ck.CKM_SHA3_512_KEY_GEN,
			ck.CKM_SHA3_512_HMAC, ck.CKM_SHA3_512_HMAC_GENERAL,
			ck.CKM_SHA3_512_RSA_PKCS, ck.CKM_SHA3_512_RSA_PKCS_PSS, ck.CKM_ECDSA_SHA3_512, ck.CKG_MGF1_SHA3_512, ck.CKD_SHA3_512_KDF, ck.CKD_SHA3_512_KDF_SP800, 0},
	}
}

// hashOf finds the hash of a digest mechanism, as parameters name it.
func hashOf(t ck.MechanismType) (hashAlg, bool) {
	for _, h := range hashAlgs() {
		if h.digest == t && !h.weak {
			return h, true
		}
	}
	return hashAlg{}, false
}

// hashOfMGF finds the hash of a mask generation function.
func hashOfMGF(mgf uint64) (hashAlg, bool) {
	for _, h := range hashAlgs() {
		if h.mgf == mgf && mgf != 0 {
			return h, true
		}
	}
	return hashAlg{}, false
}

// digestMechanisms are the plain digests (sections 6.21 to 6.32).
func digestMechanisms() []*Descriptor {
	var list []*Descriptor
	for _, h := range hashAlgs() {
		list = append(list, &Descriptor{
			Type: h.digest,
			Digest: func(p ck.Parameter) (hash.Hash, error) {
				return h.new(), noParameter(p)
			},
		})
	}
	return list
}
