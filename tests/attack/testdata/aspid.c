/*
 * Runs a program under a process id that it chooses, and as another user. It needs the right to
 * set process ids (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE) and a process id that is free.
 *
 *	aspid PID UID PROGRAM
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	pid_t want = atoi(argv[1]);
	struct clone_args args;
	memset(&args, 0, sizeof args);
	args.exit_signal = SIGCHLD;
	args.set_tid = (uint64_t)(uintptr_t)&want;
	args.set_tid_size = 1;
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0) {
		fprintf(stderr, "process id %d: %s\n", want, strerror(errno));
		return 1;
	}
	if (pid == 0) {
		int id = atoi(argv[2]);
		if (setgid(id) != 0 || setuid(id) != 0)
			_exit(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(argv[3], argv[3], NULL);
		_exit(1);
	}
	int status;
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
