package object

import (
	"vtoken/vtoken/ck"
)

// Values that defaults are made of.
var (
	boolFalse  = []byte{0}
	boolTrue   = []byte{1}
	emptyValue = []byte{}
	ulongZero  = make([]byte, 8)
)

const (
	readOnly = computed | banCreate | banGenerate | banUnwrap

	maxLabel   = 255
	maxID      = 128
	maxCurve   = 1 << 10  // a curve that is spelled out
	maxLattice = 8 << 10  // keys of ML-DSA, ML-KEM and SLH-DSA
	maxName    = 64 << 10 // subjects, issuers, URLs
)

// storageRules are common to every object that can be stored (section 4.4).
// CKA_TOKEN and its like can be changed while copying, the label always.
var storageRules = []rule{
	{typ: ck.CKA_CLASS, flags: needCreate},
	{typ: ck.CKA_TOKEN, flags: inCopy, def: boolFalse},
	{typ: ck.CKA_PRIVATE, flags: onlyUp | inCopy, def: boolTrue},
	{typ: ck.CKA_MODIFIABLE, flags: inCopy, def: boolTrue},
	{typ: ck.CKA_COPYABLE, flags: onlyDown, def: boolTrue},
	{typ: ck.CKA_DESTROYABLE, flags: inCopy, def: boolTrue},
	{typ: ck.CKA_LABEL, flags: change, def: emptyValue, max: maxLabel},
	{typ: ck.CKA_UNIQUE_ID, flags: readOnly},
}

// publicByDefault replaces a row of storageRules for objects that OpenSSH lists before
// it asks for a PIN.
var publicByDefault = []rule{
	{typ: ck.CKA_PRIVATE, flags: onlyUp | inCopy, def: boolFalse},
}

// dataRules are data objects (section 4.5).
var dataRules = []rule{
	{typ: ck.CKA_APPLICATION, flags: change, def: emptyValue, max: maxName},
	{typ: ck.CKA_OBJECT_ID, flags: change, def: emptyValue, max: maxName},
	{typ: ck.CKA_VALUE, flags: change, def: emptyValue},
}

// certificateRules are X.509 public key certificates (sections 4.6.2, 4.6.3).
var certificateRules = []rule{
	{typ: ck.CKA_CERTIFICATE_TYPE, flags: needCreate},
	{typ: ck.CKA_TRUSTED, flags: change | bySO, def: boolFalse},
	{typ: ck.CKA_CERTIFICATE_CATEGORY, def: ulongZero},
	{typ: ck.CKA_CHECK_VALUE, flags: implied, def: emptyValue, max: 3},
	{typ: ck.CKA_START_DATE, flags: change, def: emptyValue},
	{typ: ck.CKA_END_DATE, flags: change, def: emptyValue},
	{typ: ck.CKA_PUBLIC_KEY_INFO, flags: implied, def: emptyValue, max: maxName},
	{typ: ck.CKA_SUBJECT, max: maxName},
	{typ: ck.CKA_ID, flags: change, def: emptyValue, max: maxID},
	{typ: ck.CKA_ISSUER, flags: change, def: emptyValue, max: maxName},
	{typ: ck.CKA_SERIAL_NUMBER, flags: change, def: emptyValue, max: 256},
	{typ: ck.CKA_VALUE, def: emptyValue},
	{typ: ck.CKA_URL, def: emptyValue, max: maxName},
	{typ: ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY, def: emptyValue, max: 64},
	{typ: ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY, def: emptyValue, max: 64},
	{typ: ck.CKA_JAVA_MIDP_SECURITY_DOMAIN, def: ulongZero},
	{typ: ck.CKA_NAME_HASH_ALGORITHM},
}

// keyRules are common to every key (section 4.7).
var keyRules = []rule{
	{typ: ck.CKA_KEY_TYPE, flags: needCreate | needUnwrap},
	{typ: ck.CKA_ID, flags: change, def: emptyValue, max: maxID},
	{typ: ck.CKA_START_DATE, flags: change, def: emptyValue},
	{typ: ck.CKA_END_DATE, flags: change, def: emptyValue},
	{typ: ck.CKA_DERIVE, flags: change, def: boolFalse},
	{typ: ck.CKA_LOCAL, flags: readOnly},
	{typ: ck.CKA_KEY_GEN_MECHANISM, flags: readOnly},
	{typ: ck.CKA_ALLOWED_MECHANISMS, flags: implied, def: emptyValue, max: 8 << 10},
	{typ: ck.CKA_OBJECT_VALIDATION_FLAGS, flags: readOnly | implied, def: ulongZero},
}

// publicKeyRules are common to public keys (section 4.8).
var publicKeyRules = []rule{
	{typ: ck.CKA_SUBJECT, flags: change, def: emptyValue, max: maxName},
	{typ: ck.CKA_ENCRYPT, flags: change, def: boolFalse},
	{typ: ck.CKA_VERIFY, flags: change, def: boolFalse},
	{typ: ck.CKA_VERIFY_RECOVER, flags: change, def: boolFalse},
	{typ: ck.CKA_WRAP, flags: onlyDown, def: boolFalse},
	{typ: ck.CKA_TRUSTED, flags: change | bySO, def: boolFalse},
	{typ: ck.CKA_WRAP_TEMPLATE, flags: implied, def: emptyValue},
	{typ: ck.CKA_ENCAPSULATE, flags: change | implied, def: boolFalse},
	{typ: ck.CKA_ENCAPSULATE_TEMPLATE, flags: implied, def: emptyValue},
	{typ: ck.CKA_PUBLIC_KEY_INFO, max: maxName},
}

// guardRules are what private and secret keys have in common: the attributes
// that keep the material in (sections 4.9 and 4.10).
var guardRules = []rule{
	{typ: ck.CKA_SENSITIVE, flags: onlyUp}, // see setDefaults
	{typ: ck.CKA_EXTRACTABLE, flags: onlyDown},
	{typ: ck.CKA_ALWAYS_SENSITIVE, flags: readOnly},
	{typ: ck.CKA_NEVER_EXTRACTABLE, flags: readOnly},
	{typ: ck.CKA_WRAP_WITH_TRUSTED, flags: onlyUp},
	{typ: ck.CKA_UNWRAP_TEMPLATE, flags: implied, def: emptyValue},
	{typ: ck.CKA_DERIVE_TEMPLATE, flags: implied, def: emptyValue},
	{typ: ck.CKA_SIGN, flags: change, def: boolFalse},
	{typ: ck.CKA_DECRYPT, flags: change, def: boolFalse},
	{typ: ck.CKA_UNWRAP, flags: onlyDown, def: boolFalse},
}

// privateKeyRules are common to private keys (section 4.9).
var privateKeyRules = []rule{
	{typ: ck.CKA_SUBJECT, flags: change, def: emptyValue, max: maxName},
	{typ: ck.CKA_SIGN_RECOVER, flags: change, def: boolFalse},
	{typ: ck.CKA_ALWAYS_AUTHENTICATE, def: boolFalse},
	{typ: ck.CKA_DECAPSULATE, flags: change | implied, def: boolFalse},
	{typ: ck.CKA_DECAPSULATE_TEMPLATE, flags: implied, def: emptyValue},
	{typ: ck.CKA_PUBLIC_KEY_INFO, flags: fixed, max: maxName},
}

// secretKeyRules are common to secret keys (section 4.10).
var secretKeyRules = []rule{
	{typ: ck.CKA_ENCRYPT, flags: change, def: boolFalse},
	{typ: ck.CKA_VERIFY, flags: change, def: boolFalse},
	{typ: ck.CKA_WRAP, flags: onlyDown, def: boolFalse},
	{typ: ck.CKA_CHECK_VALUE, flags: fixed | implied, def: emptyValue, max: 3}, // a change may remove it
	{typ: ck.CKA_TRUSTED, flags: change | bySO, def: boolFalse},
	{typ: ck.CKA_WRAP_TEMPLATE, flags: implied, def: emptyValue},
	{typ: ck.CKA_VALUE, flags: needCreate | banGenerate | banUnwrap | notEmpty, max: maxSecret},
}

// Lengths of secret keys. The standard has them for generated keys only, but
// pkcs11-tool gives one when it creates or unwraps a key; one that fits does no
// harm.
var (
	aesRules     = []rule{{typ: ck.CKA_VALUE_LEN, flags: needGenerate}}
	genericRules = []rule{{typ: ck.CKA_VALUE_LEN, flags: needGenerate}}
	// hmacRules: the length of an HMAC key may be left to the mechanism.
	hmacRules = []rule{{typ: ck.CKA_VALUE_LEN}}
)

// rsaPublicRules are RSA public keys (section 6.1.2).
var rsaPublicRules = []rule{
	{typ: ck.CKA_MODULUS, flags: needCreate | banGenerate | notEmpty, max: maxRSABytes},
	{typ: ck.CKA_MODULUS_BITS, flags: needGenerate},
	{typ: ck.CKA_PUBLIC_EXPONENT, flags: needCreate | notEmpty, max: maxRSABytes},
}

// rsaPrivateRules are RSA private keys (section 6.1.3). A key needs its private
// exponent or its primes; the rest is computed.
var rsaPrivateRules = []rule{
	{typ: ck.CKA_MODULUS, flags: needCreate | banGenerate | banUnwrap | notEmpty, max: maxRSABytes},
	{typ: ck.CKA_PUBLIC_EXPONENT, flags: banGenerate | banUnwrap | notEmpty, max: maxRSABytes},
	{typ: ck.CKA_PRIVATE_EXPONENT, flags: banGenerate | banUnwrap | notEmpty, max: maxRSABytes},
	{typ: ck.CKA_PRIME_1, flags: banGenerate | banUnwrap, max: maxRSABytes},
	{typ: ck.CKA_PRIME_2, flags: banGenerate | banUnwrap, max: maxRSABytes},
	{typ: ck.CKA_EXPONENT_1, flags: banGenerate | banUnwrap, max: maxRSABytes},
	{typ: ck.CKA_EXPONENT_2, flags: banGenerate | banUnwrap, max: maxRSABytes},
	{typ: ck.CKA_COEFFICIENT, flags: banGenerate | banUnwrap, max: maxRSABytes},
}

// ecPublicRules are public keys on all curves (sections 6.3.3, 6.3.5, 6.3.7).
var ecPublicRules = []rule{
	{typ: ck.CKA_EC_PARAMS, flags: needCreate | needGenerate | notEmpty, max: maxCurve},
	{typ: ck.CKA_EC_POINT, flags: needCreate | banGenerate | notEmpty, max: 256},
}

// ecPrivateRules are private keys on all curves (sections 6.3.4, 6.3.6, 6.3.8).
// The point is ours.
var ecPrivateRules = []rule{
	{typ: ck.CKA_EC_PARAMS, flags: needCreate | banGenerate | banUnwrap | notEmpty, max: maxCurve},
	{typ: ck.CKA_VALUE, flags: needCreate | banGenerate | banUnwrap | notEmpty, max: 128},
	{typ: ck.CKA_EC_POINT, flags: banGenerate | banUnwrap, max: 256},
}

// latticePublicRules are public keys of ML-DSA, ML-KEM and SLH-DSA (sections
// 6.67.2, 6.68.2 and 6.69.2 of PKCS#11 3.2).
var latticePublicRules = []rule{
	{typ: ck.CKA_PARAMETER_SET, flags: needCreate | needGenerate},
	{typ: ck.CKA_VALUE, flags: needCreate | banGenerate | notEmpty, max: maxLattice},
}

// latticePrivateRules are private keys of ML-DSA and ML-KEM. A template
// gives the seed, the value or both.
var latticePrivateRules = []rule{
	{typ: ck.CKA_PARAMETER_SET, flags: needCreate | banGenerate | banUnwrap},
	{typ: ck.CKA_SEED, flags: banGenerate | banUnwrap, max: 64},
	{typ: ck.CKA_VALUE, flags: banGenerate | banUnwrap, max: maxLattice},
}

// slhdsaPrivateRules are private keys of SLH-DSA (section 6.69.3).
var slhdsaPrivateRules = []rule{
	{typ: ck.CKA_PARAMETER_SET, flags: needCreate | banGenerate | banUnwrap},
	{typ: ck.CKA_VALUE, flags: needCreate | banGenerate | banUnwrap | notEmpty, max: maxLattice},
}

// otpRules are one-time password keys (sections 6.62.3 and 6.62.8), which have
// the attributes of secret keys too. None of them changes, but for the counter,
// which moves on with each password. What is left out follows from the rest; see
// completeHOTP.
var otpRules = []rule{
	{typ: ck.CKA_OTP_FORMAT, def: ulongZero},
	{typ: ck.CKA_OTP_LENGTH},
	{typ: ck.CKA_OTP_USER_FRIENDLY_MODE, def: boolTrue},
	{typ: ck.CKA_OTP_CHALLENGE_REQUIREMENT, def: ulongZero},
	{typ: ck.CKA_OTP_TIME_REQUIREMENT},
	{typ: ck.CKA_OTP_COUNTER_REQUIREMENT},
	{typ: ck.CKA_OTP_PIN_REQUIREMENT, def: ulongZero},
	{typ: ck.CKA_OTP_TIME_INTERVAL},
	{typ: ck.CKA_OTP_COUNTER, max: 8},
	{typ: ck.CKA_OTP_TIME, def: emptyValue, max: 14},
	{typ: ck.CKA_OTP_USER_IDENTIFIER, def: emptyValue, max: maxLabel},
	{typ: ck.CKA_OTP_SERVICE_IDENTIFIER, def: emptyValue, max: maxLabel},
	{typ: ck.CKA_OTP_SERVICE_LOGO, def: emptyValue, max: maxName},
	{typ: ck.CKA_OTP_SERVICE_LOGO_TYPE, def: emptyValue, max: maxLabel},
	{typ: ck.CKA_VTOKEN_OTP_HASH, max: 16},
	{typ: ck.CKA_VALUE_LEN},
}

// kinds is the one list of the kinds of object that can be made.
var kinds = func() []struct {
	kind
	tables   [][]rule
	usage    []ck.AttributeType
	complete func(*draft) error
} {
	type row = struct {
		kind
		tables   [][]rule
		usage    []ck.AttributeType
		complete func(*draft) error
	}
	key := func(class ck.ObjectClass, t ck.KeyType) kind { return kind{class, uint64(t)} }
	public := [][]rule{storageRules, publicByDefault, keyRules, publicKeyRules}
	private := [][]rule{storageRules, keyRules, guardRules, privateKeyRules}
	sec := [][]rule{storageRules, keyRules, guardRules, secretKeyRules}
	with := func(t [][]rule, more []rule) [][]rule { return append(t[:len(t):len(t)], more) }
	mac := []ck.AttributeType{ck.CKA_SIGN, ck.CKA_VERIFY}

	list := []row{
		{kind{ck.CKO_DATA, 0}, [][]rule{storageRules, dataRules}, nil, nil},
		{kind{ck.CKO_CERTIFICATE, uint64(ck.CKC_X_509)},
			[][]rule{storageRules, publicByDefault, certificateRules}, nil, completeCertificate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_RSA), with(public, rsaPublicRules),
			[]ck.AttributeType{ck.CKA_VERIFY, ck.CKA_ENCRYPT}, completeRSAPublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_RSA), with(private, rsaPrivateRules),
			[]ck.AttributeType{ck.CKA_SIGN, ck.CKA_DECRYPT}, completeRSAPrivate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_EC), with(public, ecPublicRules),
			[]ck.AttributeType{ck.CKA_VERIFY, ck.CKA_DERIVE}, completeECPublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_EC), with(private, ecPrivateRules),
			[]ck.AttributeType{ck.CKA_SIGN, ck.CKA_DERIVE}, completeECPrivate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_EC_EDWARDS), with(public, ecPublicRules),
			[]ck.AttributeType{ck.CKA_VERIFY}, completeECPublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_EC_EDWARDS), with(private, ecPrivateRules),
			[]ck.AttributeType{ck.CKA_SIGN}, completeECPrivate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_EC_MONTGOMERY), with(public, ecPublicRules),
			[]ck.AttributeType{ck.CKA_DERIVE}, completeECPublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_EC_MONTGOMERY), with(private, ecPrivateRules),
			[]ck.AttributeType{ck.CKA_DERIVE}, completeECPrivate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_ML_DSA), with(public, latticePublicRules),
			[]ck.AttributeType{ck.CKA_VERIFY}, completeLatticePublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_ML_DSA), with(private, latticePrivateRules),
			[]ck.AttributeType{ck.CKA_SIGN}, completeLatticePrivate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_ML_KEM), with(public, latticePublicRules),
			[]ck.AttributeType{ck.CKA_ENCAPSULATE}, completeLatticePublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_ML_KEM), with(private, latticePrivateRules),
			[]ck.AttributeType{ck.CKA_DECAPSULATE}, completeLatticePrivate},
		{key(ck.CKO_PUBLIC_KEY, ck.CKK_SLH_DSA), with(public, latticePublicRules),
			[]ck.AttributeType{ck.CKA_VERIFY}, completeLatticePublic},
		{key(ck.CKO_PRIVATE_KEY, ck.CKK_SLH_DSA), with(private, slhdsaPrivateRules),
			[]ck.AttributeType{ck.CKA_SIGN}, completeLatticePrivate},
		{key(ck.CKO_SECRET_KEY, ck.CKK_AES), with(sec, aesRules),
			append(mac[:2:2], ck.CKA_ENCRYPT, ck.CKA_DECRYPT), completeAES},
		{key(ck.CKO_SECRET_KEY, ck.CKK_CHACHA20), with(sec, hmacRules),
			[]ck.AttributeType{ck.CKA_ENCRYPT, ck.CKA_DECRYPT}, completeChaCha20},
		{key(ck.CKO_SECRET_KEY, ck.CKK_GENERIC_SECRET), with(sec, genericRules),
			append(mac[:2:2], ck.CKA_DERIVE), completeGeneric},
		{key(ck.CKO_OTP_KEY, ck.CKK_HOTP), with(sec, otpRules), mac, completeHOTP},
		{key(ck.CKO_SECRET_KEY, ck.CKK_HKDF), with(sec, genericRules), []ck.AttributeType{ck.CKA_DERIVE}, completeGeneric},
	}
	for _, t := range []ck.KeyType{ck.CKK_DES, ck.CKK_DES2, ck.CKK_DES3} {
		list = append(list, row{key(ck.CKO_SECRET_KEY, t), with(sec, hmacRules),
			[]ck.AttributeType{ck.CKA_DECRYPT, ck.CKA_VERIFY}, completeDES})
	}
	for _, t := range HMACKeyTypes() {
		list = append(list, row{key(ck.CKO_SECRET_KEY, t), with(sec, hmacRules), mac, completeGeneric})
	}
	return list
}()

// HMACKeyTypes are the key types of secrets that are for one HMAC only.
func HMACKeyTypes() []ck.KeyType {
	return []ck.KeyType{
		ck.CKK_MD5_HMAC, ck.CKK_SHA_1_HMAC, ck.CKK_SHA224_HMAC, ck.CKK_SHA256_HMAC, ck.CKK_SHA384_HMAC,
		ck.CKK_SHA512_HMAC, ck.CKK_SHA512_224_HMAC, ck.CKK_SHA512_256_HMAC,
		ck.CKK_SHA3_224_HMAC, ck.CKK_SHA3_256_HMAC, ck.CKK_SHA3_384_HMAC, ck.CKK_SHA3_512_HMAC,
	}
}
