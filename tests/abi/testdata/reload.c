/*
 * Loading, initializing, using, finalizing and unloading, many times (P04, C30):
 * the descriptors of the process are afterwards what they were before, and its
 * handlers of signals what they were after the first time; so are the threads,
 * but for those of a pool that grows to its size and no further.
 */
#include <dirent.h>
#include <signal.h>

#include "host.h"

/*
 * The Go runtime keeps a pool of threads and makes one when it first needs it,
 * up to about one for each of its processors (edge.go) and a few that wait in
 * the kernel: not all of them in the first of the thousand times.
 */
#define SLACK 6

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

/* The threads of the process. */
static int threads(void)
{
	int n = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/task");
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
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
	int had = descriptors(), ran = 0;
	(void)argc;
	for (int i = 0; i < 1000; i++) {
		void *library = open_module(argv[1]);
		load(argv[1]);
		OK(f->C_Initialize(NULL));
		use(open_session(), 1);
		OK(f->C_Finalize(NULL));
		dlclose(library); /* twice: load has opened it again */
		dlclose(library);
		if (i == 0) {
			dispositions(first);
			ran = threads();
		}
	}
	if (threads() > ran + SLACK)
		FAIL("%d threads after the first time, %d after the last", ran, threads());
	if (descriptors() != had)
		FAIL("%d descriptors before the first time, %d after the last", had, descriptors());
	dispositions(last);
	for (int sig = 1; sig < 65; sig++)
		if (first[sig].sa_sigaction != last[sig].sa_sigaction)
			FAIL("signal %d has another handler", sig);
	return 0;
}
