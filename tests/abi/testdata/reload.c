/*
 * Loading, initializing, using, finalizing and unloading, many times:
 * the descriptors of the process are afterwards what they were before, and what it
 * does with signals and its threads what they were after the first time. What the first
 * time changes is in signals.c.
 */
#include <dirent.h>
#include <signal.h>

#include "host.h"

/*
 * The Go runtime makes its threads at the first C_Initialize (edge.go), but does
 * not wait for those that others of them begin: they may come up a moment later.
 */
#define SETTLED 3

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

/* Whether two dispositions are the same in all that the kernel knows of them. */
static int same(const struct sigaction *a, const struct sigaction *b)
{
	for (int sig = 1; sig < 65; sig++)
		if (sigismember(&a->sa_mask, sig) != sigismember(&b->sa_mask, sig))
			return 0;
	return a->sa_sigaction == b->sa_sigaction && a->sa_flags == b->sa_flags;
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
		if (i == 0)
			dispositions(first);
		if (i < SETTLED)
			ran = threads();
		if (threads() != ran)
			FAIL("%d threads at first, %d after %d times", ran, threads(), i + 1);
	}
	if (descriptors() != had)
		FAIL("%d descriptors before the first time, %d after the last", had, descriptors());
	dispositions(last);
	for (int sig = 1; sig < 65; sig++)
		if (!same(&first[sig], &last[sig]))
			FAIL("signal %d has another disposition after the last time than after the first", sig);
	return 0;
}
