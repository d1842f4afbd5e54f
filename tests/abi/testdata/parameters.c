/*
 * The parameters that are structures with pointers or numbers, from C to the
 * mechanism, with published vectors: NIST SP 800-38C and CAVP, RFC 5869, RFC
 * 6070, RFC 7748, RFC 8032, RFC 8439; and what is refused instead of read.
 */
#include "host.h"

#define CKA_CLASS 0UL
#define CKA_VALUE 0x11UL
#define CKA_KEY_TYPE 0x100UL
#define CKA_SENSITIVE 0x103UL
#define CKA_VALUE_LEN 0x161UL
#define CKA_EXTRACTABLE 0x162UL
#define CKA_EC_PARAMS 0x180UL
#define CKA_PARAMETER_SET 0x61dUL
#define CKR_ATTRIBUTE_VALUE_INVALID 0x13UL
#define CKR_MECHANISM_INVALID 0x70UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL
#define CKR_SIGNATURE_INVALID 0xC0UL

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static CK_BBOOL yes = 1, no = 0;
static CK_ULONG private = 3, secret = 4, generic = 0x10;

/* Reads hexadecimal digits and returns the number of bytes. */
static CK_ULONG unhex(const char *s, CK_BYTE *to)
{
	CK_ULONG n = 0;
	for (unsigned int b; sscanf(s, "%2x", &b) == 1; s += 2)
		to[n++] = (CK_BYTE)b;
	return n;
}

static void same(const char *what, const CK_BYTE *got, CK_ULONG n, const char *want)
{
	CK_BYTE bytes[256];
	if (unhex(want, bytes) != n || memcmp(bytes, got, n) != 0)
		FAIL("%s is not what was published", what);
}

static CK_OBJECT_HANDLE secret_key(CK_SESSION_HANDLE h, CK_ULONG type, const char *hex)
{
	CK_BYTE value[64];
	CK_ULONG n = unhex(hex, value);
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &secret, sizeof secret}, {CKA_KEY_TYPE, &type, sizeof type}, {CKA_VALUE, value, n}};
	OK(f->C_CreateObject(h, t, COUNT(t), &key));
	return key;
}

static CK_OBJECT_HANDLE curve_key(CK_SESSION_HANDLE h, CK_ULONG type, CK_BYTE *oid, const char *hex)
{
	CK_BYTE value[64];
	CK_ULONG n = unhex(hex, value);
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE t[] = {{CKA_CLASS, &private, sizeof private}, {CKA_KEY_TYPE, &type, sizeof type},
		{CKA_EC_PARAMS, oid, 5}, {CKA_VALUE, value, n}};
	OK(f->C_CreateObject(h, t, COUNT(t), &key));
	return key;
}

static void encrypt(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE key, CK_MECHANISM m, const char *plain, const char *want)
{
	CK_BYTE in[128], out[128];
	CK_ULONG n = unhex(plain, in), length = sizeof out;
	OK(f->C_EncryptInit(h, &m, key));
	OK(f->C_Encrypt(h, in, n, out, &length));
	same("an encryption", out, length, want);
	length = sizeof out;
	OK(f->C_DecryptInit(h, &m, key));
	OK(f->C_Decrypt(h, out, unhex(want, out), in, &length));
	same("a decryption", in, length, plain);
}

/* The template of a key that may be read. */
static CK_ULONG length_;
static CK_ATTRIBUTE readable[] = {{CKA_CLASS, &secret, sizeof secret}, {CKA_KEY_TYPE, &generic, sizeof generic},
	{CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_VALUE_LEN, &length_, sizeof length_}};

static void value_is(CK_SESSION_HANDLE h, const char *what, CK_OBJECT_HANDLE key, const char *want)
{
	CK_BYTE value[128];
	CK_ATTRIBUTE a = {CKA_VALUE, value, sizeof value};
	OK(f->C_GetAttributeValue(h, key, &a, 1));
	same(what, value, a.ulValueLen, want);
}

static void derive(CK_SESSION_HANDLE h, const char *what, CK_OBJECT_HANDLE base, CK_MECHANISM m, const char *want)
{
	CK_OBJECT_HANDLE key;
	length_ = strlen(want) / 2;
	OK(f->C_DeriveKey(h, &m, base, readable, COUNT(readable), &key));
	value_is(h, what, key, want);
}

static void ciphers(CK_SESSION_HANDLE h)
{
	CK_BYTE nonce[16], aad[32];
	CK_CCM_PARAMS ccm = {4, nonce, unhex("10111213141516", nonce), aad, unhex("0001020304050607", aad), 4};
	encrypt(h, secret_key(h, 0x1f, "404142434445464748494a4b4c4d4e4f"),
		(CK_MECHANISM){0x1088, &ccm, sizeof ccm}, "20212223", "7162015b4dac255d");

	CK_SALSA20_CHACHA20_POLY1305_PARAMS chacha = {nonce, unhex("000000000102030405060708", nonce), aad, unhex("f33388860000000000004e91", aad)};
	CK_MECHANISM m = {0x4021, &chacha, sizeof chacha};
	CK_BYTE out[64], tag[16], in[] = "Internet-Drafts";
	CK_ULONG n = sizeof out;
	CK_OBJECT_HANDLE key = secret_key(h, 0x33, "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
	OK(f->C_EncryptInit(h, &m, key));
	OK(f->C_Encrypt(h, in, 15, out, &n));
	if (n != 15 + sizeof tag)
		FAIL("ChaCha20-Poly1305 puts out %lu bytes", n);
	same("the start of RFC 8439 appendix A.5", out, 15, "64a0861575861af460f062c79be643");
}

static void eddsa(CK_SESSION_HANDLE h)
{
	CK_BYTE oid[] = {6, 3, 0x2b, 0x65, 0x70}, message[16], context[] = "foo", out[64];
	CK_ULONG n = unhex("f726936d19c800494e3fdaff20b276a8", message), length = sizeof out;
	CK_EDDSA_PARAMS p = {0, 3, context};
	CK_MECHANISM m = {0x1057, &p, sizeof p};
	OK(f->C_SignInit(h, &m, curve_key(h, 0x40, oid, "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6")));
	OK(f->C_Sign(h, message, n, out, &length));
	same("a signature of Ed25519ctx", out, length, "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a"
		"8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d");
	p.pContextData = NULL;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(h, &m, 1));
}

/* Lengths that were never set are refused, and take no memory. No bytes are no parameter. */
static void lengths(CK_SESSION_HANDLE h)
{
	CK_BYTE oid[] = {6, 3, 0x2b, 0x65, 0x70}, out[64];
	CK_ULONG length = sizeof out;
	CK_OBJECT_HANDLE key = curve_key(h, 0x40, oid, "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6");
	CK_EDDSA_PARAMS p = {0, 1UL << 39, out};
	CK_MECHANISM m = {0x1057, &p, sizeof p}, iv = {0x1085, out, 1UL << 39}, unknown = {0x4029, out, sizeof out};
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignInit(h, &m, key));
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(h, &iv, key));
	WANT(CKR_MECHANISM_INVALID, f->C_SignInit(h, &unknown, key));
	m.ulParameterLen = 0;
	OK(f->C_SignInit(h, &m, key));
	OK(f->C_Sign(h, out, 1, out, &length));

	for (CK_ATTRIBUTE_TYPE t = CKA_CLASS; t <= CKA_VALUE; t += CKA_VALUE) {
		CK_ATTRIBUTE a = {t, out, 1UL << 39};
		WANT(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(h, &a, 1, &key));
	}
}

static void derivations(CK_SESSION_HANDLE h)
{
	CK_BYTE oid[] = {6, 3, 0x2b, 0x65, 0x6e}, salt[16], info[16], peer[32], fixed[64];
	CK_ECDH1_DERIVE_PARAMS ecdh = {1, 0, NULL, unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", peer), peer};
	CK_OBJECT_HANDLE x25519 = curve_key(h, 0x41, oid, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	for (CK_MECHANISM_TYPE t = 0x1050; t <= 0x1051; t++)
		derive(h, "X25519", x25519, (CK_MECHANISM){t, &ecdh, sizeof ecdh},
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");

	CK_HKDF_PARAMS hkdf = {1, 1, 0x250, 2, salt, unhex("000102030405060708090a0b0c", salt), 0, info, unhex("f0f1f2f3f4f5f6f7f8f9", info)};
	derive(h, "HKDF", secret_key(h, 0x42, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), (CK_MECHANISM){0x402a, &hkdf, sizeof hkdf},
		"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

	CK_SP800_108_COUNTER_FORMAT counter = {0, 8};
	CK_PRF_DATA_PARAM parts[] = {{1, &counter, sizeof counter}, {4, fixed,
		unhex("98e9988bb4cc8b34d7922e1c68ad692ba2a1d9ae15149571675f17a77ad49e80c8d2a85e831a26445b1f0ff44d7084a17206b4896c8112daad18605a", fixed)}};
	CK_SP800_108_KDF_PARAMS kdf = {0x251, 2, parts, 0, NULL};
	CK_OBJECT_HANDLE base = secret_key(h, generic, "3edc6b5b8f7aadbd713732b482b8f979286e1ea3b8f8f99c30c884cfe3349b83"), key;
	CK_MECHANISM m = {0x3ac, &kdf, sizeof kdf};
	derive(h, "the counter KDF", base, m, "6c037652990674a07844732d0ad985f9");
	parts[0].ulValueLen = 3;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(h, &m, base, readable, COUNT(readable), &key));
	parts[0].ulValueLen = sizeof counter;
	kdf.ulAdditionalDerivedKeys = 1;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_DeriveKey(h, &m, base, readable, COUNT(readable), &key));
}

static void passwords(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE key;
	CK_ULONG n = 8;
	CK_PKCS5_PBKD2_PARAMS2 p = {1, "salt", 4, 4096, 1, NULL, 0, (CK_UTF8CHAR_PTR)"password", 8};
	CK_MECHANISM m = {0x3b0, &p, sizeof p};
	length_ = 20;
	OK(f->C_GenerateKey(h, &m, readable, COUNT(readable), &key));
	value_is(h, "PBKDF2", key, "4b007901b765489abead49d926f721d065a429c1");
	memcpy(&p.ulPasswordLen, &(CK_ULONG_PTR){&n}, sizeof n); /* as in CK_PKCS5_PBKD2_PARAMS */
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_GenerateKey(h, &m, readable, COUNT(readable), &key));
}

/* The longest signature that there is, SLH-DSA-SHA2-256f, with the length asked for first. */
static void hashes(CK_SESSION_HANDLE h)
{
	CK_ULONG set = 0xb, n;
	static CK_BYTE a[50000], b[50000];
	CK_OBJECT_HANDLE pub, priv;
	CK_ATTRIBUTE t = {CKA_PARAMETER_SET, &set, sizeof set};
	CK_SIGN_ADDITIONAL_CONTEXT p = {2, (CK_BYTE_PTR) "context", 7};
	CK_MECHANISM make = {0x2d, NULL, 0}, m = {0x2e, &p, sizeof p}, plain = {0x2e, NULL, 0};
	OK(f->C_GenerateKeyPair(h, &make, &t, 1, NULL, 0, &pub, &priv));
	CK_BYTE *to[] = {a, b};
	for (int i = 0; i < 2; i++) {
		OK(f->C_SignInit(h, &m, priv));
		OK(f->C_Sign(h, (CK_BYTE_PTR)"message", 7, NULL, &n));
		if (n != 49856)
			FAIL("a signature of SLH-DSA-SHA2-256f is said to have %lu bytes", n);
		OK(f->C_Sign(h, (CK_BYTE_PTR)"message", 7, to[i], &n));
	}
	if (n != 49856 || memcmp(a, b, n) != 0)
		FAIL("a deterministic signature of SLH-DSA-SHA2-256f has %lu bytes, or changes", n);
	OK(f->C_VerifyInit(h, &m, pub));
	OK(f->C_Verify(h, (CK_BYTE_PTR)"message", 7, a, n));
	OK(f->C_VerifyInit(h, &plain, pub));
	WANT(CKR_SIGNATURE_INVALID, f->C_Verify(h, (CK_BYTE_PTR)"message", 7, a, n));
}

static void lattices(CK_SESSION_HANDLE h)
{
	CK_ULONG set = 2, n;
	CK_BYTE a[4000], b[4000], context[] = "context", value[32], other[32];
	CK_OBJECT_HANDLE pub, priv, key;
	CK_ATTRIBUTE t = {CKA_PARAMETER_SET, &set, sizeof set};
	CK_SIGN_ADDITIONAL_CONTEXT p = {2, context, 7};
	CK_MECHANISM make = {0x1c, NULL, 0}, m = {0x1d, &p, sizeof p}, plain = {0x1d, NULL, 0};
	OK(f->C_GenerateKeyPair(h, &make, &t, 1, NULL, 0, &pub, &priv));
	CK_BYTE *to[] = {a, b};
	for (int i = 0; i < 2; i++) {
		n = sizeof a;
		OK(f->C_SignInit(h, &m, priv));
		OK(f->C_Sign(h, (CK_BYTE_PTR)"message", 7, to[i], &n));
	}
	if (n != 3309 || memcmp(a, b, n) != 0)
		FAIL("a deterministic signature of ML-DSA-65 has %lu bytes, or changes", n);
	OK(f->C_VerifyInit(h, &m, pub));
	OK(f->C_Verify(h, (CK_BYTE_PTR)"message", 7, a, n));
	OK(f->C_VerifyInit(h, &plain, pub));
	WANT(CKR_SIGNATURE_INVALID, f->C_Verify(h, (CK_BYTE_PTR)"message", 7, a, n));

	make.mechanism = 0xf;
	plain.mechanism = 0x17;
	length_ = 32;
	OK(f->C_GenerateKeyPair(h, &make, &t, 1, NULL, 0, &pub, &priv));
	OK(f->C_EncapsulateKey(h, &plain, pub, readable, COUNT(readable), NULL, &n, &key));
	if (n != 1088)
		FAIL("a ciphertext of ML-KEM-768 has %lu bytes", n);
	n = sizeof a;
	OK(f->C_EncapsulateKey(h, &plain, pub, readable, COUNT(readable), a, &n, &key));
	CK_ATTRIBUTE v = {CKA_VALUE, value, sizeof value};
	OK(f->C_GetAttributeValue(h, key, &v, 1));
	OK(f->C_DecapsulateKey(h, &plain, priv, readable, COUNT(readable), a, n, &key));
	v.pValue = other;
	OK(f->C_GetAttributeValue(h, key, &v, 1));
	if (memcmp(value, other, sizeof value) != 0)
		FAIL("both ends of ML-KEM have other secrets");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		FAIL("usage: %s MODULE", argv[0]);
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	ciphers(h);
	eddsa(h);
	lengths(h);
	derivations(h);
	passwords(h);
	lattices(h);
	hashes(h);
	OK(f->C_Finalize(NULL));
	return 0;
}
