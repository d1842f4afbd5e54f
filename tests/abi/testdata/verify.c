/*
 * Verifying with the signature given first (section 5.15 of 3.2), and the other
 * functions of 3.2 that need nothing of the daemon.
 */
#include "host.h"

#define CKA_SIGN 0x108UL
#define CKA_VERIFY 0x10AUL
#define CKA_EC_PARAMS 0x180UL
#define CKF_VERIFY 0x2000UL
#define CKM_EC_KEY_PAIR_GEN 0x1040UL
#define CKM_ECDSA_SHA256 0x1044UL
#define CKR_OPERATION_ACTIVE 0x90UL
#define CKR_OPERATION_NOT_INITIALIZED 0x91UL
#define CKR_SIGNATURE_INVALID 0xC0UL
#define CKR_SIGNATURE_LEN_RANGE 0xC1UL
#define CKS_LAST_VALIDATION_OK 1UL

static CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
static CK_OBJECT_HANDLE public, private;
static CK_BYTE text[] = "a text", signature[64];

static void make_signature(CK_SESSION_HANDLE h)
{
	static CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_BYTE yes = 1;
	CK_ATTRIBUTE a[] = {{CKA_VERIFY, &yes, 1}, {CKA_EC_PARAMS, curve, sizeof curve}}, b[] = {{CKA_SIGN, &yes, 1}};
	CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_ULONG n = sizeof signature;
	OK(f->C_GenerateKeyPair(h, &generate, a, 2, b, 1, &public, &private));
	OK(f->C_SignInit(h, &mechanism, private));
	OK(f->C_Sign(h, text, sizeof text, signature, &n));
}

static void start(CK_SESSION_HANDLE h, CK_ULONG length)
{
	OK(f->C_VerifySignatureInit(h, &mechanism, public, signature, length));
}

static void verify(CK_SESSION_HANDLE h)
{
	start(h, sizeof signature);
	OK(f->C_VerifySignature(h, text, sizeof text));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_VerifySignature(h, text, sizeof text));

	start(h, sizeof signature);
	OK(f->C_VerifySignatureUpdate(h, text, 3));
	OK(f->C_VerifySignatureUpdate(h, text + 3, sizeof text - 3));
	OK(f->C_VerifySignatureFinal(h));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_VerifySignatureFinal(h));

	start(h, sizeof signature);
	WANT(CKR_SIGNATURE_INVALID, f->C_VerifySignature(h, text, 3));
	start(h, sizeof signature - 1);
	WANT(CKR_SIGNATURE_LEN_RANGE, f->C_VerifySignature(h, text, sizeof text));
	start(h, sizeof signature);
	WANT(CKR_SIGNATURE_INVALID, f->C_VerifySignatureFinal(h));
}

/* The two ways to verify are one operation of the session, and do not mix. */
static void mixed(CK_SESSION_HANDLE h)
{
	start(h, sizeof signature);
	WANT(CKR_OPERATION_ACTIVE, f->C_VerifyInit(h, &mechanism, public));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_Verify(h, text, sizeof text, signature, sizeof signature));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_VerifyUpdate(h, text, 1));
	OK(f->C_VerifySignature(h, text, sizeof text));
	OK(f->C_VerifyInit(h, &mechanism, public));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_VerifySignature(h, text, sizeof text));
	OK(f->C_Verify(h, text, sizeof text, signature, sizeof signature));
	start(h, sizeof signature);
	OK(f->C_SessionCancel(h, CKF_VERIFY));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_VerifySignature(h, text, sizeof text));
	start(h, sizeof signature);
	OK(f->C_VerifySignatureInit(h, NULL, public, NULL, 0));
	WANT(CKR_OPERATION_NOT_INITIALIZED, f->C_VerifySignatureUpdate(h, text, 1));
}

static void validation(CK_SESSION_HANDLE h)
{
	CK_FLAGS flags = 99;
	OK(f->C_GetSessionValidationFlags(h, CKS_LAST_VALIDATION_OK, &flags));
	if (flags != 0)
		FAIL("validation flags are 0x%lx", flags);
	WANT(CKR_ARGUMENTS_BAD, f->C_GetSessionValidationFlags(h, 77, &flags));
	WANT(CKR_SESSION_HANDLE_INVALID, f->C_GetSessionValidationFlags(h + 1000, CKS_LAST_VALIDATION_OK, &flags));
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	make_signature(h);
	verify(h);
	mixed(h);
	validation(h);
	OK(f->C_Finalize(NULL));
	return 0;
}
