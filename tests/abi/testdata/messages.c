/*
 * Many messages signed and verified in one operation (sections 5.14 and 5.16),
 * through the library, the protocol and the daemon.
 */
#include "host.h"

#define CKA_SIGN 0x108UL
#define CKA_VERIFY 0x10AUL
#define CKA_EC_PARAMS 0x180UL
#define CKM_EC_KEY_PAIR_GEN 0x1040UL
#define CKM_ECDSA_SHA256 0x1044UL
#define CKR_MECHANISM_PARAM_INVALID 0x71UL
#define CKR_OPERATION_ACTIVE 0x90UL
#define CKR_OPERATION_NOT_INITIALIZED 0x91UL
#define CKR_SIGNATURE_INVALID 0xC0UL

enum { SIGNATURE = 64, MESSAGES = 3 };

static CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
static CK_BYTE text[] = "a message", signatures[MESSAGES][SIGNATURE];

static void generate(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
	static CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_BYTE yes = 1;
	CK_ATTRIBUTE a[] = {{CKA_VERIFY, &yes, 1}, {CKA_EC_PARAMS, curve, sizeof curve}}, b[] = {{CKA_SIGN, &yes, 1}};
	CK_MECHANISM m = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	OK(f->C_GenerateKeyPair(h, &m, a, 2, b, 1, public, private));
}

/* The first i bytes of the text are message i. */
static void sign(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE private)
{
	CK_ULONG n = 0;
	OK(f->C_MessageSignInit(h, &mechanism, private));
	OK(f->C_SignMessage(h, NULL, 0, text, 1, NULL, &n));
	if (n != SIGNATURE)
		FAIL("a signature of %lu bytes", n);
	n = SIGNATURE - 1;
	WANT(CKR_BUFFER_TOO_SMALL, f->C_SignMessage(h, NULL, 0, text, 1, signatures[0], &n));
	for (CK_ULONG i = 0; i < MESSAGES - 1; i++)
		OK(f->C_SignMessage(h, NULL, 0, text, i, signatures[i], &n));
	WANT(CKR_MECHANISM_PARAM_INVALID, f->C_SignMessage(h, text, 1, text, 1, signatures[0], &n));
	OK(f->C_SignMessageBegin(h, NULL, 0));
	WANT(CKR_OPERATION_ACTIVE, f->C_SignMessageBegin(h, NULL, 0));
	OK(f->C_SignMessageNext(h, NULL, 0, text, 1, NULL, NULL));
	OK(f->C_SignMessageNext(h, NULL, 0, text + 1, MESSAGES - 2, NULL, &n));
	OK(f->C_SignMessageNext(h, NULL, 0, text + 1, MESSAGES - 2, signatures[MESSAGES - 1], &n));
	OK(f->C_MessageSignFinal(h));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_MessageSignFinal(h));
	OK(f->C_MessageSignInit(h, &mechanism, private));
	OK(f->C_MessageSignInit(h, NULL, private));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_SignMessage(h, NULL, 0, text, 1, signatures[0], &n));
}

static void verify(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE public)
{
	OK(f->C_MessageVerifyInit(h, &mechanism, public));
	for (CK_ULONG i = 0; i < MESSAGES; i++) {
		CK_BYTE *other = signatures[(i + 1) % MESSAGES];
		WANT(CKR_SIGNATURE_INVALID, f->C_VerifyMessage(h, NULL, 0, text, i, other, SIGNATURE));
		OK(f->C_VerifyMessage(h, NULL, 0, text, i, signatures[i], SIGNATURE));
	}
	OK(f->C_VerifyMessageBegin(h, NULL, 0));
	OK(f->C_VerifyMessageNext(h, NULL, 0, text, 1, NULL, 0));
	OK(f->C_VerifyMessageNext(h, NULL, 0, text + 1, MESSAGES - 2, signatures[MESSAGES - 1], SIGNATURE));
	OK(f->C_MessageVerifyFinal(h));
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE public, private;
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	generate(h, &public, &private);
	sign(h, private);
	verify(h, public);
	OK(f->C_Finalize(NULL));
	return 0;
}
