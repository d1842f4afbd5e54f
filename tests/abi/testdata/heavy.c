/*
 * A signature that takes a second holds up no other thread of its application:
 * work in different sessions does not wait for each other.
 */
#include <stdatomic.h>

#include "host.h"

#define CKA_PARAMETER_SET 0x61DUL
#define CKM_SLH_DSA_KEY_PAIR_GEN 0x2DUL
#define CKM_SLH_DSA 0x2EUL
#define CKP_SLH_DSA_SHAKE_192S 6UL

enum { CALLS = 100 };

static atomic_int signing, signed_;
static CK_SESSION_HANDLE slow;
static CK_OBJECT_HANDLE private;

static void *sign(void *unused)
{
	static CK_BYTE signature[50000];
	CK_ULONG n = sizeof signature;
	(void)unused;
	atomic_store(&signing, 1);
	OK(f->C_Sign(slow, (CK_BYTE_PTR) "data", 4, signature, &n));
	atomic_store(&signed_, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	slow = open_session();
	CK_SESSION_HANDLE quick = open_session();
	login(slow);
	CK_ULONG set = CKP_SLH_DSA_SHAKE_192S;
	CK_ATTRIBUTE t = {CKA_PARAMETER_SET, &set, sizeof set};
	CK_MECHANISM generate = {CKM_SLH_DSA_KEY_PAIR_GEN, NULL, 0}, m = {CKM_SLH_DSA, NULL, 0};
	CK_OBJECT_HANDLE public;
	pthread_t thread;
	OK(f->C_GenerateKeyPair(slow, &generate, &t, 1, NULL, 0, &public, &private));
	OK(f->C_SignInit(slow, &m, private));
	pthread_create(&thread, NULL, sign, NULL);
	while (!atomic_load(&signing))
		;
	use(quick, CALLS);
	if (atomic_load(&signed_))
		FAIL("%d short calls took as long as the signature", CALLS);
	pthread_join(thread, NULL);
	OK(f->C_Finalize(NULL));
	return 0;
}
