/*
 * What the module costs a host in memory: loading, a login, and work from one
 * thread and then from eight. Prints the growth of the resident set in kB.
 */
#include "host.h"

#define TIMES 20000

static long resident(void)
{
	char line[256];
	long kb = 0;
	FILE *status = fopen("/proc/self/status", "r");
	while (fgets(line, sizeof line, status) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	fclose(status);
	return kb;
}

static void *work(void *unused)
{
	(void)unused;
	use(open_session(), TIMES / 8);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[8];
	long before = resident();
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	login(h);
	use(h, TIMES);
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	printf("%ld\n", resident() - before);
	OK(f->C_Finalize(NULL));
	return 0;
}
