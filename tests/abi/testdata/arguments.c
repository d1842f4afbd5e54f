/*
 * What the front refuses by itself: calls before C_Initialize and after
 * C_Finalize, null pointers, and arguments of C_Initialize. strongSwan passes
 * callbacks without CKF_OS_LOCKING_OK and tries again on CKR_CANT_LOCK; NSS says that
 * the library may make no threads. Also what the interfaces say of each other, which
 * p11-kit has to be able to rely on.
 */
#include "host.h"

static CK_RV create(CK_VOID_PTR_PTR m) { (void)m; FAIL("a host's mutex callback was called"); }
static CK_RV other(CK_VOID_PTR m) { (void)m; FAIL("a host's mutex callback was called"); }

static void initialize_arguments(void)
{
	CK_C_INITIALIZE_ARGS args = {0};
	args.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS;
	OK(f->C_Initialize(&args));
	WANT(CKR_CRYPTOKI_ALREADY_INITIALIZED, f->C_Initialize(&args));
	OK(f->C_Finalize(NULL));

	args.flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS | CKF_OS_LOCKING_OK;
	args.CreateMutex = create;
	WANT(CKR_ARGUMENTS_BAD, f->C_Initialize(&args));
	args.DestroyMutex = args.LockMutex = args.UnlockMutex = other;
	OK(f->C_Initialize(&args));
	OK(f->C_Finalize(NULL));
	args.flags = 0;
	WANT(CKR_CANT_LOCK, f->C_Initialize(&args));
	memset(&args, 0, sizeof args);
	args.pReserved = &args;
	WANT(CKR_ARGUMENTS_BAD, f->C_Initialize(&args));
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
}

/* Calls with arguments that are all good, for what the state says of them. */
static void every_state(CK_RV want)
{
	CK_BYTE b[64];
	CK_ULONG n = sizeof b, v;
	CK_MECHANISM m = {0};
	CK_ATTRIBUTE a = {0, &v, sizeof v};
	CK_INFO info;
	CK_SLOT_INFO slot;
	CK_TOKEN_INFO token;
	CK_SESSION_INFO session;
	WANT(want, f->C_GetInfo(&info));
	WANT(want, f->C_GetSlotList(1, NULL, &n));
	WANT(want, f->C_GetSlotInfo(1, &slot));
	WANT(want, f->C_GetTokenInfo(1, &token));
	WANT(want, f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &v));
	WANT(want, f->C_CloseSession(1));
	WANT(want, f->C_CloseAllSessions(1));
	WANT(want, f->C_GetSessionInfo(1, &session));
	WANT(want, f->C_Login(1, CKU_USER, b, 4));
	WANT(want, f->C_CreateObject(1, &a, 1, &v));
	WANT(want, f->C_GetAttributeValue(1, 1, &a, 1));
	WANT(want, f->C_FindObjects(1, &v, 1, &n));
	WANT(want, f->C_SignInit(1, &m, 1));
	WANT(want, f->C_Sign(1, b, 1, b, &n));
	WANT(want, f->C_GenerateRandom(1, b, 1));
	WANT(want, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &v, NULL));
	WANT(want, f->C_GetFunctionStatus(1));
	WANT(want, f->C_MessageSignFinal(1));
	WANT(want, f->C_SessionCancel(1, 0));
	WANT(want, f->C_VerifySignature(1, b, 1));
	WANT(want, f->C_GetSessionValidationFlags(1, 1, &n));
	WANT(want, f->C_AsyncGetID(1, b, &n));
}

static void null_pointers(void)
{
	CK_BYTE b[4];
	CK_ULONG n = 4;
	CK_MECHANISM m = {0};
	WANT(CKR_ARGUMENTS_BAD, f->C_GetInfo(NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetFunctionList(NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetInterfaceList(NULL, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetInterface(NULL, NULL, NULL, 0));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetSlotList(1, NULL, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetSlotInfo(1, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetTokenInfo(1, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetMechanismList(1, NULL, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetMechanismInfo(1, 1, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_InitToken(1, b, 4, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_InitPIN(1, NULL, 4));
	WANT(CKR_ARGUMENTS_BAD, f->C_OpenSession(1, 0, NULL, NULL, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetSessionInfo(1, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_Login(1, CKU_USER, NULL, 4));
	WANT(CKR_ARGUMENTS_BAD, f->C_CreateObject(1, NULL, 1, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_CreateObject(1, NULL, 0, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetAttributeValue(1, 1, NULL, 1));
	WANT(CKR_ARGUMENTS_BAD, f->C_FindObjects(1, NULL, 1, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_FindObjects(1, &n, 1, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_Sign(1, NULL, 1, b, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_Sign(1, b, 1, b, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_Verify(1, b, 1, NULL, 1));
	WANT(CKR_ARGUMENTS_BAD, f->C_GenerateKey(1, NULL, NULL, 0, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_GenerateKeyPair(1, &m, NULL, 0, NULL, 0, NULL, &n));
	WANT(CKR_ARGUMENTS_BAD, f->C_GenerateRandom(1, NULL, 1));
	WANT(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_VerifySignatureInit(1, &m, 1, NULL, 1));
	WANT(CKR_ARGUMENTS_BAD, f->C_EncryptMessageBegin(1, NULL, 0, NULL, 0));
	WANT(CKR_ARGUMENTS_BAD, f->C_GetSessionValidationFlags(1, 1, NULL));
	WANT(CKR_ARGUMENTS_BAD, f->C_Finalize(b));
}

static void not_supported(void)
{
	WANT(CKR_FUNCTION_NOT_PARALLEL, f->C_GetFunctionStatus(1));
	WANT(CKR_FUNCTION_NOT_PARALLEL, f->C_CancelFunction(1));
	WANT(CKR_FUNCTION_NOT_SUPPORTED, f->C_AsyncComplete(1, NULL, NULL));
}

/* Every pointer of all lists is the function that is exported by that name. */
static void lists_agree(void *library)
{
	CK_FUNCTION_LIST_PTR old;
	CK_INTERFACE list[8];
	CK_INTERFACE_PTR one;
	CK_ULONG n = 8, small = 1;
	CK_VERSION v240 = {2, 40}, v300 = {3, 0}, v310 = {3, 1}, v320 = {3, 2};
	CK_FUNCTION_LIST_3_0 *middle;
	OK(f->C_GetFunctionList(&old));
	if (old->version.major != 2 || old->version.minor != 40)
		FAIL("C_GetFunctionList has version %d.%d", old->version.major, old->version.minor);
	OK(f->C_GetInterface((CK_UTF8CHAR_PTR) "PKCS 11", &v300, &one, CKF_INTERFACE_FORK_SAFE));
	middle = one->pFunctionList;
	if (middle->version.major != 3 || middle->version.minor != 0)
		FAIL("the 3.0 interface has version %d.%d", middle->version.major, middle->version.minor);
#define SAME(name)                                                              \
	SAME3(name)                                                             \
	if ((void *)old->name != dlsym(library, #name) || (void *)f->name != (void *)old->name) \
		FAIL("the pointers to " #name " differ");
#define SAME3(name)                                                             \
	SAME32(name)                                                            \
	if ((void *)middle->name != (void *)f->name)                            \
		FAIL("the pointers to " #name " differ");
#define SAME32(name)                                                            \
	if ((void *)f->name != dlsym(library, #name) || f->name == NULL)        \
		FAIL("the pointers to " #name " differ");
#include "names.h"
	OK(f->C_GetInterfaceList(NULL, &n));
	WANT(CKR_BUFFER_TOO_SMALL, f->C_GetInterfaceList(list, &small));
	OK(f->C_GetInterfaceList(list, &n));
	if (n != 3 || small != 3)
		FAIL("%lu interfaces, %lu after a buffer for one", n, small);
	for (CK_ULONG i = 0; i < n; i++)
		if (!(list[i].flags & CKF_INTERFACE_FORK_SAFE) || strcmp((char *)list[i].pInterfaceName, "PKCS 11") != 0)
			FAIL("interface %lu has name %s and flags %lx", i, list[i].pInterfaceName, list[i].flags);
	OK(f->C_GetInterface((CK_UTF8CHAR_PTR) "PKCS 11", &v240, &one, CKF_INTERFACE_FORK_SAFE));
	if (one->pFunctionList != old)
		FAIL("the 2.40 interface is not C_GetFunctionList's");
	OK(f->C_GetInterface((CK_UTF8CHAR_PTR) "PKCS 11", &v320, &one, 0));
	if (one->pFunctionList != f)
		FAIL("there are two interfaces 3.2");
	OK(f->C_GetInterface(NULL, NULL, &one, 0));
	if (one->pFunctionList != middle)
		FAIL("the 3.0 interface is not the default");
	WANT(CKR_FUNCTION_FAILED, f->C_GetInterface(NULL, &v310, &one, 0));
	WANT(CKR_FUNCTION_FAILED, f->C_GetInterface((CK_UTF8CHAR_PTR) "Vendor", NULL, &one, 0));
	WANT(CKR_FUNCTION_FAILED, f->C_GetInterface(NULL, NULL, &one, 2));
}

/* Texts are padded with blanks and never terminated. */
static void texts(void)
{
	CK_INFO info;
	memset(&info, 0xff, sizeof info);
	OK(f->C_GetInfo(&info));
	if (memcmp(info.manufacturerID, "vtoken                          ", 32) != 0)
		FAIL("manufacturer is %.32s", info.manufacturerID);
	if (memchr(info.libraryDescription, 0, 32) != NULL)
		FAIL("the description is zero terminated");
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	lists_agree(open_module(argv[1]));
	every_state(CKR_CRYPTOKI_NOT_INITIALIZED);
	initialize_arguments();
	every_state(CKR_CRYPTOKI_NOT_INITIALIZED);
	OK(f->C_Initialize(NULL));
	null_pointers();
	not_supported();
	texts();
	WANT(CKR_SESSION_HANDLE_INVALID, f->C_CloseSession(12345));
	OK(f->C_Finalize(NULL));
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
	every_state(CKR_CRYPTOKI_NOT_INITIALIZED);
	return 0;
}
