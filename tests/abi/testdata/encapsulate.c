/*
 * A key that two sides agree on by ML-KEM (sections 5.18.8 and 5.18.9 of 3.2),
 * through the library, the protocol and the daemon.
 */
#include "host.h"

#define CKA_CLASS 0UL
#define CKA_TOKEN 1UL
#define CKA_VALUE 0x11UL
#define CKA_KEY_TYPE 0x100UL
#define CKA_SENSITIVE 0x103UL
#define CKA_EXTRACTABLE 0x162UL
#define CKA_ALWAYS_SENSITIVE 0x165UL
#define CKA_PARAMETER_SET 0x61DUL
#define CKA_ENCAPSULATE 0x633UL
#define CKA_DECAPSULATE 0x634UL
#define CKK_GENERIC_SECRET 0x10UL
#define CKM_ML_KEM 0x17UL
#define CKM_ML_KEM_KEY_PAIR_GEN 0xFUL
#define CKM_ECDSA 0x1041UL
#define CKO_SECRET_KEY 4UL
#define CKR_KEY_FUNCTION_NOT_PERMITTED 0x68UL
#define CKR_KEY_HANDLE_INVALID 0x60UL
#define CKR_MECHANISM_INVALID 0x70UL
#define CKR_WRAPPED_KEY_LEN_RANGE 0x112UL

enum { SECRET = 32 };

/* The parameter sets and the lengths of their ciphertexts. */
static const CK_ULONG sets[][2] = {{1, 768}, {2, 1088}, {3, 1568}};

static CK_MECHANISM kem = {CKM_ML_KEM, NULL, 0};
static CK_BYTE yes = 1, no = 0;
static CK_ULONG class = CKO_SECRET_KEY, type = CKK_GENERIC_SECRET;
static CK_ATTRIBUTE readable[] = {
	{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
	{CKA_SENSITIVE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1},
};

static void generate(CK_SESSION_HANDLE h, CK_ULONG set, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	CK_MECHANISM m = {CKM_ML_KEM_KEY_PAIR_GEN, NULL, 0};
	CK_ATTRIBUTE a[] = {{CKA_PARAMETER_SET, &set, sizeof set}, {CKA_ENCAPSULATE, &yes, 1}};
	CK_ATTRIBUTE b[] = {{CKA_TOKEN, &yes, 1}, {CKA_DECAPSULATE, &yes, 1}};
	OK(f->C_GenerateKeyPair(h, &m, a, 2, b, 2, public, private));
}

static void value(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE key, CK_BYTE *to)
{
	CK_BYTE always = 9;
	CK_ATTRIBUTE a[] = {{CKA_VALUE, to, SECRET}, {CKA_ALWAYS_SENSITIVE, &always, 1}};
	OK(f->C_GetAttributeValue(h, key, a, 2));
	if (a[0].ulValueLen != SECRET || always != 0)
		FAIL("the key has %lu bytes, CKA_ALWAYS_SENSITIVE is %d", a[0].ulValueLen, always);
}

/* The objects that there are. */
static CK_ULONG count(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE list[64];
	CK_ULONG n;
	OK(f->C_FindObjectsInit(h, NULL, 0));
	OK(f->C_FindObjects(h, list, 64, &n));
	OK(f->C_FindObjectsFinal(h));
	return n;
}

static void agree(CK_SESSION_HANDLE h, CK_ULONG set, CK_ULONG length)
{
	static CK_BYTE ciphertext[2000];
	CK_OBJECT_HANDLE public, private, ours = 0, theirs;
	CK_BYTE one[SECRET], two[SECRET];
	CK_ULONG n = 0;
	generate(h, set, &public, &private);
	CK_ULONG before = count(h);
	OK(f->C_EncapsulateKey(h, &kem, public, readable, 4, NULL, &n, &ours));
	if (n != length)
		FAIL("the ciphertext is to have %lu bytes, not %lu", n, length);
	n = 0;
	OK(f->C_EncapsulateKey(h, &kem, public, readable, 4, NULL, &n, NULL));
	if (n != length || count(h) != before)
		FAIL("without a place for the handle: %lu bytes, %lu objects where %lu were", n, count(h), before);
	WANT(CKR_ARGUMENTS_BAD, f->C_EncapsulateKey(h, &kem, public, readable, 4, ciphertext, &n, NULL));
	n = length - 1;
	WANT(CKR_BUFFER_TOO_SMALL, f->C_EncapsulateKey(h, &kem, public, readable, 4, ciphertext, &n, &ours));
	if (n != length || count(h) != before)
		FAIL("a short buffer: %lu bytes, %lu objects where %lu were", n, count(h), before);
	OK(f->C_EncapsulateKey(h, &kem, public, readable, 4, ciphertext, &n, &ours));
	OK(f->C_DecapsulateKey(h, &kem, private, readable, 4, ciphertext, n, &theirs));
	value(h, ours, one);
	value(h, theirs, two);
	if (n != length || memcmp(one, two, SECRET) != 0)
		FAIL("parameter set %lu: the two keys differ", set);

	ciphertext[5] ^= 1;
	OK(f->C_DecapsulateKey(h, &kem, private, readable, 4, ciphertext, n, &theirs));
	value(h, theirs, two);
	if (memcmp(one, two, SECRET) == 0)
		FAIL("a changed ciphertext gives the same key");
	WANT(CKR_WRAPPED_KEY_LEN_RANGE, f->C_DecapsulateKey(h, &kem, private, readable, 4, ciphertext, n - 1, &theirs));
}

static void refused(CK_SESSION_HANDLE h)
{
	CK_OBJECT_HANDLE public, private, key;
	CK_BYTE ciphertext[1088];
	CK_ULONG n = sizeof ciphertext;
	CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
	generate(h, 2, &public, &private);
	WANT(CKR_MECHANISM_INVALID, f->C_EncapsulateKey(h, &ecdsa, public, readable, 4, ciphertext, &n, &key));
	WANT(CKR_KEY_HANDLE_INVALID, f->C_EncapsulateKey(h, &kem, 99999, readable, 4, ciphertext, &n, &key));
	WANT(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_EncapsulateKey(h, &kem, private, readable, 4, ciphertext, &n, &key));
	WANT(CKR_KEY_FUNCTION_NOT_PERMITTED, f->C_DecapsulateKey(h, &kem, public, readable, 4, ciphertext, n, &key));
	WANT(CKR_SESSION_HANDLE_INVALID, f->C_DecapsulateKey(h + 1000, &kem, private, readable, 4, ciphertext, n, &key));
	WANT(CKR_ARGUMENTS_BAD, f->C_EncapsulateKey(h, NULL, public, readable, 4, ciphertext, &n, &key));
	WANT(CKR_ARGUMENTS_BAD, f->C_EncapsulateKey(h, &kem, public, readable, 4, ciphertext, NULL, &key));
	WANT(CKR_ARGUMENTS_BAD, f->C_DecapsulateKey(h, &kem, private, readable, 4, NULL, 5, &key));
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
		agree(h, sets[i][0], sets[i][1]);
	refused(h);
	OK(f->C_Finalize(NULL));
	return 0;
}
