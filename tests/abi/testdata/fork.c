/*
 * Forked children: before C_Initialize and after, from a parent
 * with threads at work and with a thread that is not the first, in children of
 * children, with the function list that was fetched before the fork.
 *
 *	fork MODULE ITERATIONS THREADS
 */
#include <dirent.h>
#include <sys/stat.h>

#include "host.h"

static volatile int stop;

static void *work(void *unused)
{
	CK_SESSION_HANDLE h = open_session();
	(void)unused;
	login(h);
	while (!stop)
		use(h, 1);
	OK(f->C_CloseSession(h));
	return NULL;
}

static int sockets(void)
{
	int n = 0;
	struct dirent *entry;
	struct stat st;
	DIR *dir = opendir("/proc/self/fd");
	while ((entry = readdir(dir)) != NULL)
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISSOCK(st.st_mode))
			n++;
	closedir(dir);
	return n;
}

/* What a child does that knows PKCS#11. */
static void initialize_and_use(void)
{
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_Finalize(NULL));
	OK(f->C_Initialize(NULL));
	WANT(CKR_CRYPTOKI_ALREADY_INITIALIZED, f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	use(h, 2);
}

/* What a fresh child finds, before it knows PKCS#11. */
static void is_uninitialized(void)
{
	CK_INFO info;
	CK_FUNCTION_LIST_PTR list;
	if (sockets() != 0)
		FAIL("the child has its parent's socket");
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_GetInfo(&info));
	OK(f->C_GetFunctionList(&list));
	if (list->C_Sign != f->C_Sign)
		FAIL("the child is given other functions");
}

static void child(int generations)
{
	pid_t pid;
	do {
		is_uninitialized();
		initialize_and_use();
		pid = generations-- > 0 ? fork() : -1;
	} while (pid == 0);
	if (pid > 0) {
		if (!child_is_well(pid))
			FAIL("the child's child failed");
		use(open_session(), 2);
	}
	OK(f->C_Finalize(NULL));
	initialize_and_use();
	OK(f->C_Finalize(NULL));
	_exit(0);
}

/* A child that has threads of its own at C_Initialize. */
static void *initialize(void *unused)
{
	(void)unused;
	CK_RV rv = f->C_Initialize(NULL);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		FAIL("C_Initialize is 0x%lx", rv);
	use(open_session(), 2);
	return NULL;
}

static void threaded_child(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, initialize, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static void forks(int iterations)
{
	for (int i = 0; i < iterations; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			if (i % 4 == 3)
				threaded_child();
			child(i % 3);
		}
		if (!child_is_well(pid))
			FAIL("child %d failed", i);
	}
}

static void *forks_in_thread(void *iterations)
{
	forks(*(int *)iterations);
	return NULL;
}

int main(int argc, char **argv)
{
	int iterations = atoi(argv[2]), threads = atoi(argv[3]);
	pthread_t workers[16], forker;
	(void)argc;
	load(argv[1]);
	forks(2); /* of a parent that never called C_Initialize */
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE mine = open_session();
	login(mine);
	for (int i = 0; i < threads; i++)
		pthread_create(&workers[i], NULL, work, NULL);
	pthread_create(&forker, NULL, forks_in_thread, &iterations);
	forks(iterations);
	pthread_join(forker, NULL);
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(workers[i], NULL);
	use(mine, 2);
	OK(f->C_Finalize(NULL));
	forks(2); /* of a parent that is done */
	return 0;
}
