/*
 * A program that lives for one signature, as command line tools do. How it ends
 * is the second argument: it finalizes (sign), it just returns (leave), or it is
 * killed with its session open (die). "make" makes the key that the others use.
 */
#include <signal.h>

#include "host.h"

#define CKA_CLASS 0UL
#define CKA_TOKEN 1UL
#define CKA_SIGN 0x108UL
#define CKA_EC_PARAMS 0x180UL
#define CKO_PRIVATE_KEY 3UL
#define CKM_EC_KEY_PAIR_GEN 0x1040UL
#define CKM_ECDSA 0x1041UL

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

static void sign(CK_SESSION_HANDLE h)
{
	CK_ULONG class = CKO_PRIVATE_KEY, found = 0, length = 64;
	CK_ATTRIBUTE search = {CKA_CLASS, &class, sizeof class};
	CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
	CK_OBJECT_HANDLE key;
	CK_BYTE digest[32] = {1}, signature[64];
	OK(f->C_FindObjectsInit(h, &search, 1));
	OK(f->C_FindObjects(h, &key, 1, &found));
	OK(f->C_FindObjectsFinal(h));
	if (found != 1)
		FAIL("%lu keys", found);
	OK(f->C_SignInit(h, &mechanism, key));
	OK(f->C_Sign(h, digest, sizeof digest, signature, &length));
	if (length != sizeof signature)
		FAIL("a signature of %lu bytes", length);
}

int main(int argc, char **argv)
{
	const char *how = argc == 3 ? argv[2] : "";
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	if (strcmp(how, "make") == 0)
		make_key(h);
	else
		sign(h);
	if (strcmp(how, "die") == 0)
		raise(SIGKILL);
	if (strcmp(how, "leave") != 0)
		OK(f->C_Finalize(NULL));
	return 0;
}
