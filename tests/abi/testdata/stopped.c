/*
 * A daemon that is stopped: a call ends after the limit, and when the daemon goes on, the
 * session does, too. The arguments after the module are the daemon's process and the limit in
 * milliseconds.
 */
#include <dirent.h>
#include <signal.h>

#include "host.h"

/* Whether a thread has stopped, by the letter after its name in its stat file. */
static int thread_stopped(pid_t process, const char *thread)
{
	char path[512], line[512], *end;
	snprintf(path, sizeof path, "/proc/%d/task/%s/stat", process, thread);
	FILE *stat = fopen(path, "r");
	if (stat == NULL)
		return 1; /* it has ended */
	line[fread(line, 1, sizeof line - 1, stat)] = 0;
	fclose(stat);
	end = strrchr(line, ')');
	return end != NULL && end[2] == 'T';
}

/* Stops a process and returns when every thread of it has stopped. */
static void stop(pid_t process)
{
	char path[64];
	int running;
	snprintf(path, sizeof path, "/proc/%d/task", process);
	kill(process, SIGSTOP);
	do {
		struct dirent *entry;
		DIR *dir = opendir(path);
		running = 0;
		while ((entry = readdir(dir)) != NULL)
			running += entry->d_name[0] != '.' && !thread_stopped(process, entry->d_name);
		closedir(dir);
	} while (running > 0);
}

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
	stop(daemon);
	double start = milliseconds();
	CK_RV rv = f->C_GetSessionInfo(h, &info);
	double took = milliseconds() - start;
	kill(daemon, SIGCONT);
	if (rv != CKR_DEVICE_REMOVED)
		FAIL("a call to a stopped daemon is 0x%lx", rv);
	if (took < limit)
		FAIL("it was given up after %.1f ms, the limit is %.1f", took, limit);
	while ((rv = f->C_GetSessionInfo(h, &info)) == CKR_DEVICE_REMOVED)
		; /* it has not gone on yet */
	OK(rv);
	use(h, 1);
	use(open_session(), 1);
	OK(f->C_Finalize(NULL));
	return 0;
}
