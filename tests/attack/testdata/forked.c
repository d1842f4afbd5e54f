/*
 * An application that forks. The parent logs in, says "ready" and waits for the end of
 * its standard input; then its child starts the module again, finds no slots and no
 * session, and the parent goes on with what it has.
 *
 *	forked MODULE PIN
 */
#include "host.h"

int main(int argc, char **argv)
{
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	OK(f->C_Login(h, CKU_USER, (CK_UTF8CHAR_PTR)argv[2], strlen(argv[2])));
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	pid_t pid = fork();
	if (pid == 0) {
		CK_ULONG n = 99;
		CK_SESSION_HANDLE none;
		OK(f->C_Initialize(NULL));
		OK(f->C_GetSlotList(1, NULL, &n));
		if (n != 0)
			FAIL("%lu slots of a daemon of another user", n);
		WANT(CKR_DEVICE_REMOVED, f->C_OpenSession(1, CKF_SERIAL_SESSION, NULL, NULL, &none));
		_exit(0);
	}
	if (!child_is_well(pid))
		FAIL("the child failed");
	use(h, 1);
	return 0;
}
