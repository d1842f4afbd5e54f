/*
 * An application that signs without end, in two threads, with one login at its start. For
 * each line on its standard input it tells how often it has signed in all, and the longest
 * call since the line before, in microseconds. Any call that fails ends it with a sentence.
 *
 *	traffic MODULE make	makes the key of the token
 *	traffic MODULE sign	signs until its input ends
 */
#include <stdatomic.h>

#include "host.h"

#define CKA_CLASS 0UL
#define CKA_TOKEN 1UL
#define CKA_SIGN 0x108UL
#define CKA_EC_PARAMS 0x180UL
#define CKO_PRIVATE_KEY 3UL
#define CKM_EC_KEY_PAIR_GEN 0x1040UL
#define CKM_ECDSA 0x1041UL
#define CKS_RW_USER_FUNCTIONS 3UL

static atomic_ulong signatures[2];
static atomic_ulong longest;
static atomic_int over;

/* Modules of PKCS#11 2.40 have this function only. */
static void load_any(const char *path)
{
	CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR);
	*(void **)&get = dlsym(open_module(path), "C_GetFunctionList");
	OK(get((CK_FUNCTION_LIST_PTR_PTR)&f));
}

static void make_key(CK_SESSION_HANDLE h)
{
	static CK_BYTE curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
	CK_BYTE yes = 1;
	CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, curve, sizeof curve}};
	CK_ATTRIBUTE private[] = {{CKA_TOKEN, &yes, 1}, {CKA_SIGN, &yes, 1}};
	CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
	CK_OBJECT_HANDLE pair[2];
	OK(f->C_GenerateKeyPair(h, &mechanism, public, 2, private, 2, &pair[0], &pair[1]));
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE h)
{
	CK_ULONG class = CKO_PRIVATE_KEY, found = 0;
	CK_ATTRIBUTE search = {CKA_CLASS, &class, sizeof class};
	CK_OBJECT_HANDLE key = 0;
	OK(f->C_FindObjectsInit(h, &search, 1));
	OK(f->C_FindObjects(h, &key, 1, &found));
	OK(f->C_FindObjectsFinal(h));
	if (found != 1)
		FAIL("%lu keys", found);
	return key;
}

static void *work(void *number)
{
	CK_SESSION_HANDLE h = open_session();
	CK_OBJECT_HANDLE key = find_key(h);
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_BYTE digest[32] = {1}, signature[64];
	while (!over) {
		double began = milliseconds();
		CK_ULONG length = sizeof signature;
		CK_SESSION_INFO info;
		OK(f->C_SignInit(h, &mechanism, key));
		OK(f->C_Sign(h, digest, sizeof digest, signature, &length));
		if (length != sizeof signature)
			FAIL("a signature of %lu bytes", length);
		OK(f->C_GetSessionInfo(h, &info));
		if (info.state != CKS_RW_USER_FUNCTIONS)
			FAIL("the session is in state %lu", info.state);
		unsigned long took = (unsigned long)((milliseconds() - began) * 1e3), before = longest;
		while (took > before && !atomic_compare_exchange_weak(&longest, &before, took))
			;
		signatures[(long)number]++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		FAIL("usage: traffic MODULE make|sign");
	load_any(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	if (strcmp(argv[2], "make") == 0) {
		make_key(h);
		OK(f->C_Finalize(NULL));
		return 0;
	}
	pthread_t threads[2];
	for (long i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	char line[16];
	while (fgets(line, sizeof line, stdin) != NULL) {
		printf("%lu %lu %lu\n", (unsigned long)signatures[0], (unsigned long)signatures[1],
		       (unsigned long)atomic_exchange(&longest, 0));
		fflush(stdout);
	}
	over = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	OK(f->C_Finalize(NULL));
	return 0;
}
