/*
 * The Go runtime has handlers for five signals, from the load of the library to the
 * end of the process (p11module/doc.go). The host does not notice: a signal ends
 * it as before, and reaches the handler that it had before. SIGURG alone does not,
 * which the runtime uses among its own threads. Other handlers get SA_ONSTACK.
 */
#include <signal.h>

#include "host.h"

#define HANDLED 42 /* exit code of the host's own handler */

static const int taken[] = {SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGURG};

static int is_taken(int sig)
{
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (taken[i] == sig)
			return 1;
	return 0;
}

static int handled = HANDLED;

static void own(int sig)
{
	(void)sig;
	_exit(handled);
}

/* A pointer that the compiler does not look through. */
static int *volatile nowhere;

/* Loads and uses the library, then has the signal come, and is done where it may. */
static void meet(const char *module, int sig, void (*handler)(int), int fault)
{
	if (handler != NULL)
		signal(sig, handler);
	load(module);
	OK(f->C_Initialize(NULL));
	use(open_session(), 1);
	if (fault)
		*nowhere = 1;
	else
		raise(sig);
	_exit(0);
}

/* What becomes of a child that meets the signal: its status. */
static int after(const char *module, int sig, void (*handler)(int), int fault)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		meet(module, sig, handler, fault);
	if (waitpid(child, &status, 0) != child)
		FAIL("waitpid");
	return status;
}

static void check(const char *module, int sig, int fault)
{
	int status = after(module, sig, NULL, fault);
	if (sig == SIGURG ? status != 0 : !WIFSIGNALED(status) || WTERMSIG(status) != sig)
		FAIL("signal %d leaves the status 0x%x", sig, status);
	status = after(module, sig, own, fault);
	if (sig != SIGURG && (!WIFEXITED(status) || WEXITSTATUS(status) != HANDLED))
		FAIL("signal %d does not reach the host's handler: 0x%x", sig, status);
	status = fault ? 0 : after(module, sig, SIG_IGN, 0);
	if (status != 0)
		FAIL("signal %d is not ignored: 0x%x", sig, status);
}

int main(int argc, char **argv)
{
	struct sigaction before[65], now;
	(void)argc;
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		check(argv[1], taken[i], 0);
	check(argv[1], SIGSEGV, 1);
	signal(SIGTERM, own);
	signal(SIGHUP, SIG_IGN);
	for (int sig = 1; sig < 65; sig++)
		sigaction(sig, NULL, &before[sig]);
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	use(open_session(), 1);
	OK(f->C_Finalize(NULL));
	for (int sig = 1; sig < 65; sig++) {
		sigaction(sig, NULL, &now);
		if (now.sa_sigaction != before[sig].sa_sigaction && !is_taken(sig))
			FAIL("signal %d has another handler", sig);
		int more = sig == SIGTERM ? SA_ONSTACK : 0; /* a handler may run on a thread of the runtime's */
		if (!is_taken(sig) && now.sa_flags != (before[sig].sa_flags | more))
			FAIL("signal %d has the flags 0x%x, had 0x%x", sig, now.sa_flags, before[sig].sa_flags);
	}
	handled = 0;
	signal(SIGURG, own); /* late, but the host's */
	raise(SIGURG);
	FAIL("a handler that was set later is not reached");
}
