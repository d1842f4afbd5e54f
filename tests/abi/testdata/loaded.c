/*
 * Loading alone opens nothing and says nothing: hosts load what they are told to
 * (CVE-2023-38408). The handlers of signals that a host has are left alone, but for
 * those that a Go runtime must see: faults, which it hands on, and its own two.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>

#include "host.h"

static int descriptors(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static int may_change(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGPIPE || sig == SIGURG;
}

static void mine(int sig) { (void)sig; }

int main(int argc, char **argv)
{
	struct sigaction action = {0}, now;
	int had = descriptors();
	(void)argc;
	action.sa_handler = mine;
	for (int sig = 1; sig < 32; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			sigaction(sig, &action, NULL);
	load(argv[1]);
	/* The Go runtime starts in a thread of its own, and reads files of /proc and /sys. */
	for (int i = 0; descriptors() != had; i++) {
		if (i == 1000)
			FAIL("loading opened %d descriptors", descriptors() - had);
		poll(NULL, 0, 10);
	}
	OK(f->C_Initialize(NULL));
	OK(f->C_Finalize(NULL));
	for (int sig = 1; sig < 32; sig++) {
		sigaction(sig, NULL, &now);
		if (sig != SIGKILL && sig != SIGSTOP && !may_change(sig) && now.sa_handler != mine)
			FAIL("the handler of signal %d was replaced", sig);
	}
	return 0;
}
