/*
 * A daemon that is stopped (C66): a call ends after the limit, the session is
 * lost, and when the daemon goes on, a new session works without C_Finalize. The
 * arguments after the module are the daemon's process and the limit in
 * milliseconds.
 */
#include <signal.h>

#include "host.h"

int main(int argc, char **argv)
{
	pid_t daemon = atoi(argv[2]);
	double limit = atof(argv[3]);
	CK_SESSION_INFO info;
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	use(h, 1);
	kill(daemon, SIGSTOP);
	double start = milliseconds();
	CK_RV rv = f->C_GetSessionInfo(h, &info);
	double took = milliseconds() - start;
	kill(daemon, SIGCONT);
	if (rv != CKR_DEVICE_REMOVED)
		FAIL("a call to a stopped daemon is 0x%lx", rv);
	if (took < limit)
		FAIL("it was given up after %.1f ms, the limit is %.1f", took, limit);
	WANT(CKR_SESSION_HANDLE_INVALID, f->C_GetSessionInfo(h, &info));
	use(open_session(), 1);
	OK(f->C_Finalize(NULL));
	return 0;
}
