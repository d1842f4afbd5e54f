/*
 * Loading, initializing, finalizing and unloading, many times (P04, C30): what
 * the process has afterwards is what it had before, and handlers of signals as
 * after the first time.
 */
#include <dirent.h>
#include <signal.h>

#include "host.h"

/* The open descriptors, without those two that the Go runtime keeps for good. */
static int descriptors(void)
{
	int n = 0, own = 0;
	struct dirent *entry;
	char target[64];
	DIR *dir = opendir("/proc/self/fd");
	while ((entry = readdir(dir)) != NULL) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof target - 1);
		target[length < 0 ? 0 : length] = 0;
		if (strcmp(target, "anon_inode:[eventpoll]") == 0 || strcmp(target, "anon_inode:[eventfd]") == 0)
			own++;
		else
			n++;
	}
	closedir(dir);
	if (own > 2)
		FAIL("the runtime has %d descriptors", own);
	return n;
}

/* The dispositions of all signals. */
static void dispositions(struct sigaction *to)
{
	for (int sig = 1; sig < 65; sig++)
		sigaction(sig, NULL, &to[sig]);
}

int main(int argc, char **argv)
{
	static struct sigaction first[65], last[65];
	int had = descriptors();
	(void)argc;
	for (int i = 0; i < 1000; i++) {
		void *library = open_module(argv[1]);
		load(argv[1]);
		OK(f->C_Initialize(NULL));
		use(open_session(), 1);
		OK(f->C_Finalize(NULL));
		dlclose(library);
		if (i == 0)
			dispositions(first);
	}
	if (descriptors() != had)
		FAIL("%d descriptors before the first time, %d after the last", had, descriptors());
	dispositions(last);
	for (int sig = 1; sig < 65; sig++)
		if (first[sig].sa_sigaction != last[sig].sa_sigaction)
			FAIL("signal %d has another handler", sig);
	return 0;
}
