/*
 * A key wrapped with associated data (sections 5.18.6 and 5.18.7 of 3.2), through
 * the library, the protocol and the daemon.
 */
#include "host.h"

#define CKA_CLASS 0UL
#define CKA_KEY_TYPE 0x100UL
#define CKA_WRAP 0x106UL
#define CKA_UNWRAP 0x107UL
#define CKA_CHECK_VALUE 0x90UL
#define CKA_VALUE_LEN 0x161UL
#define CKA_EXTRACTABLE 0x162UL
#define CKA_WRAP_WITH_TRUSTED 0x210UL
#define CKG_NO_GENERATE 0UL
#define CKG_GENERATE_RANDOM 3UL
#define CKK_AES 0x1FUL
#define CKM_AES_KEY_GEN 0x1080UL
#define CKM_AES_CBC 0x1082UL
#define CKM_AES_GCM 0x1087UL
#define CKM_AES_CCM 0x1088UL
#define CKO_SECRET_KEY 4UL
#define CKR_AEAD_DECRYPT_FAILED 0x42UL
#define CKR_MECHANISM_INVALID 0x70UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { KEY = 32, NONCE = 12, TAG = 16 };

static CK_BYTE yes = 1, no = 0, nonce[NONCE], tag[TAG], aad[] = "whose key it is";
static CK_ULONG class = CKO_SECRET_KEY, type = CKK_AES, length = KEY;
static CK_ATTRIBUTE unwrapped[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type}};

static CK_OBJECT_HANDLE generate(CK_SESSION_HANDLE h, CK_ATTRIBUTE *uses, CK_ULONG n)
{
	CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
	CK_ATTRIBUTE t[4] = {{CKA_VALUE_LEN, &length, sizeof length}};
	CK_OBJECT_HANDLE key;
	memcpy(t + 1, uses, n * sizeof *uses);
	OK(f->C_GenerateKey(h, &m, t, n + 1, &key));
	return key;
}

static void same_key(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE one, CK_OBJECT_HANDLE two)
{
	CK_BYTE a[3], b[3];
	CK_ATTRIBUTE x = {CKA_CHECK_VALUE, a, 3}, y = {CKA_CHECK_VALUE, b, 3};
	OK(f->C_GetAttributeValue(h, one, &x, 1));
	OK(f->C_GetAttributeValue(h, two, &y, 1));
	if (memcmp(a, b, 3) != 0)
		FAIL("another key came back");
}

static int zero(const CK_BYTE *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return 0;
	return 1;
}

static void authenticated(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key, CK_MECHANISM m)
{
	CK_BYTE out[KEY + 1];
	CK_ULONG n = 0;
	CK_OBJECT_HANDLE back;
	memset(nonce, 0, NONCE), memset(tag, 0, TAG);
	OK(f->C_WrapKeyAuthenticated(h, &m, wrapping, key, aad, sizeof aad, NULL, &n));
	if (n != KEY)
		FAIL("the wrapped key is to have %lu bytes", n);
	n = KEY - 1;
	WANT(CKR_BUFFER_TOO_SMALL, f->C_WrapKeyAuthenticated(h, &m, wrapping, key, aad, sizeof aad, out, &n));
	if (n != KEY || !zero(nonce, NONCE) || !zero(tag, TAG))
		FAIL("a short buffer: %lu bytes, or a nonce or tag of nothing", n);
	OK(f->C_WrapKeyAuthenticated(h, &m, wrapping, key, aad, sizeof aad, out, &n));
	if (n != KEY || zero(nonce, NONCE) || zero(tag, TAG))
		FAIL("%lu bytes, or no nonce or tag", n);
	OK(f->C_UnwrapKeyAuthenticated(h, &m, wrapping, out, n, unwrapped, COUNT(unwrapped), aad, sizeof aad, &back));
	same_key(h, key, back);
	WANT(CKR_AEAD_DECRYPT_FAILED,
		f->C_UnwrapKeyAuthenticated(h, &m, wrapping, out, n, unwrapped, COUNT(unwrapped), aad, 1, &back));
	tag[0] ^= 1;
	WANT(CKR_AEAD_DECRYPT_FAILED,
		f->C_UnwrapKeyAuthenticated(h, &m, wrapping, out, n, unwrapped, COUNT(unwrapped), aad, sizeof aad, &back));
}

/* C_WrapKey, with the tag at the end of the wrapped key. */
static void with_tag(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE wrapping, CK_OBJECT_HANDLE key, CK_MECHANISM m)
{
	CK_BYTE out[KEY + TAG];
	CK_ULONG n = 0;
	CK_OBJECT_HANDLE back;
	memset(nonce, 0, NONCE);
	OK(f->C_WrapKey(h, &m, wrapping, key, NULL, &n));
	if (n != sizeof out)
		FAIL("the wrapped key is to have %lu bytes", n);
	for (CK_ULONG room = 0; room < sizeof out; room++) {
		n = room;
		WANT(CKR_BUFFER_TOO_SMALL, f->C_WrapKey(h, &m, wrapping, key, out, &n));
	}
	OK(f->C_WrapKey(h, &m, wrapping, key, out, &n));
	if (n != sizeof out || zero(nonce, NONCE))
		FAIL("%lu bytes, or no nonce", n);
	OK(f->C_UnwrapKey(h, &m, wrapping, out, n, unwrapped, COUNT(unwrapped), &back));
	same_key(h, key, back);
	out[n - 1] ^= 1;
	WANT(CKR_AEAD_DECRYPT_FAILED, f->C_UnwrapKey(h, &m, wrapping, out, n, unwrapped, COUNT(unwrapped), &back));
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	CK_ATTRIBUTE wraps[] = {{CKA_WRAP, &yes, 1}, {CKA_UNWRAP, &yes, 1}}, free_to_go[] = {{CKA_EXTRACTABLE, &yes, 1}, {CKA_WRAP_WITH_TRUSTED, &no, 1}};
	CK_OBJECT_HANDLE wrapping = generate(h, wraps, 2), key = generate(h, free_to_go, 2);

	CK_GCM_MESSAGE_PARAMS gcm = {nonce, NONCE, 0, CKG_GENERATE_RANDOM, tag, 8 * TAG};
	CK_CCM_MESSAGE_PARAMS ccm = {0, nonce, NONCE, 0, CKG_GENERATE_RANDOM, tag, TAG};
	authenticated(h, wrapping, key, (CK_MECHANISM){CKM_AES_GCM, &gcm, sizeof gcm});
	authenticated(h, wrapping, key, (CK_MECHANISM){CKM_AES_CCM, &ccm, sizeof ccm});
	CK_GCM_WRAP_PARAMS gcm_wrap = {nonce, NONCE, 0, CKG_GENERATE_RANDOM, aad, sizeof aad, 8 * TAG};
	CK_CCM_WRAP_PARAMS ccm_wrap = {KEY, nonce, NONCE, 0, CKG_GENERATE_RANDOM, aad, sizeof aad, TAG};
	with_tag(h, wrapping, key, (CK_MECHANISM){CKM_AES_GCM, &gcm_wrap, sizeof gcm_wrap});
	with_tag(h, wrapping, key, (CK_MECHANISM){CKM_AES_CCM, &ccm_wrap, sizeof ccm_wrap});

	CK_BYTE out[KEY];
	CK_ULONG n = KEY;
	CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof gcm}, cbc = {CKM_AES_CBC, &gcm, sizeof gcm}, none = {CKM_AES_GCM, NULL, 0},
		     mixed = {CKM_AES_GCM, &ccm, sizeof ccm};
	gcm.ivGenerator = CKG_NO_GENERATE;
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_WrapKeyAuthenticated(h, &m, wrapping, key, NULL, 0, out, &n));
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_WrapKeyAuthenticated(h, &none, wrapping, key, NULL, 0, out, &n));
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_WrapKeyAuthenticated(h, &mixed, wrapping, key, NULL, 0, out, &n));
	WANT(CKR_MECHANISM_INVALID, f->C_WrapKeyAuthenticated(h, &cbc, wrapping, key, NULL, 0, out, &n));
	WANT(CKR_SESSION_HANDLE_INVALID, f->C_WrapKeyAuthenticated(h + 1000, &m, wrapping, key, NULL, 0, out, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_WrapKeyAuthenticated(h, NULL, wrapping, key, NULL, 0, out, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_WrapKeyAuthenticated(h, &m, wrapping, key, NULL, 3, out, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_WrapKeyAuthenticated(h, &m, wrapping, key, NULL, 0, out, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_UnwrapKeyAuthenticated(h, &m, wrapping, out, n, unwrapped, 2, NULL, 0, NULL));
	OK(f->C_Finalize(NULL));
	return 0;
}
