/*
 * A thread waits in C_WaitForSlotEvent, again and again, and says what it was woken
 * with, until C_Finalize, which comes with a byte on standard input. NSS relies on
 * C_Finalize to end such a wait (softhsm/SoftHSMv2#500).
 */
#include "host.h"

static void *wait_for_events(void *unused)
{
	(void)unused;
	for (;;) {
		CK_SLOT_ID slot = 0;
		CK_RV rv = f->C_WaitForSlotEvent(0, &slot, NULL);
		printf("0x%lx %lu\n", rv, rv == CKR_OK ? slot : 0);
		fflush(stdout);
		if (rv != CKR_OK)
			return NULL;
	}
}

int main(int argc, char **argv)
{
	pthread_t thread;
	CK_SLOT_ID slot;
	CK_ULONG n = 0;
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	OK(f->C_GetSlotList(1, NULL, &n));
	WANT(CKR_NO_EVENT, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
	pthread_create(&thread, NULL, wait_for_events, NULL);
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		FAIL("nobody says when to finalize");
	OK(f->C_Finalize(NULL));
	pthread_join(thread, NULL);
	return 0;
}
