/*
 * A daemon that is not there, or that the user may not reach: what
 * the first argument after the module says, as the code that C_OpenSession is
 * to have. Says how many milliseconds C_Initialize and the slot list took.
 */
#include "host.h"

int main(int argc, char **argv)
{
	CK_ULONG n = 99, want = strtoul(argv[2], NULL, 0);
	CK_SESSION_HANDLE h;
	CK_SLOT_ID slot;
	CK_INFO info;
	(void)argc;
	load(argv[1]);
	double start = milliseconds();
	OK(f->C_Initialize(NULL));
	OK(f->C_GetSlotList(0, NULL, &n));
	double took = milliseconds() - start;
	if (n != 0)
		FAIL("%lu slots without a daemon", n);
	OK(f->C_GetInfo(&info));
	CK_RV rv = f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &h);
	if (rv != want)
		FAIL("C_OpenSession is 0x%lx, not 0x%lx", rv, want);
	WANT(8UL /* CKR_NO_EVENT */, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
	OK(f->C_Finalize(NULL));
	printf("%.1f\n", took);
	return 0;
}
