/*
 * Many threads at C_Initialize at once, as in Firefox (OpenSC/OpenSC#2032), and then all of them at work on
 * one connection, and C_Finalize while they work.
 */
#include "host.h"

#define THREADS 16
#define ROUNDS 50

static pthread_barrier_t barrier;
static int won, lost;

static void *initialize(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&barrier);
	CK_RV rv = f->C_Initialize(NULL);
	if (rv == CKR_OK)
		__atomic_add_fetch(&won, 1, __ATOMIC_SEQ_CST);
	else if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
		__atomic_add_fetch(&lost, 1, __ATOMIC_SEQ_CST);
	else
		FAIL("C_Initialize is 0x%lx", rv);
	use(open_session(), 3);
	return NULL;
}

/* Works until C_Finalize says that it is over. */
static void *until_finalized(void *unused)
{
	CK_SESSION_HANDLE h = open_session();
	CK_BYTE b[16];
	(void)unused;
	pthread_barrier_wait(&barrier);
	for (;;) {
		CK_RV rv = f->C_GenerateRandom(h, b, sizeof b);
		if (rv == CKR_CRYPTOKI_NOT_INITIALIZED)
			return NULL;
		if (rv != CKR_OK)
			FAIL("C_GenerateRandom is 0x%lx", rv);
	}
}

static void *wait_for_event(void *unused)
{
	CK_SLOT_ID slot;
	(void)unused;
	pthread_barrier_wait(&barrier);
	CK_RV rv = f->C_WaitForSlotEvent(0, &slot, NULL);
	if (rv != CKR_CRYPTOKI_NOT_INITIALIZED && rv != CKR_FUNCTION_NOT_SUPPORTED)
		FAIL("C_WaitForSlotEvent is 0x%lx", rv);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	(void)argc;
	load(argv[1]);
	for (int round = 0; round < ROUNDS; round++) {
		won = lost = 0;
		pthread_barrier_init(&barrier, NULL, THREADS);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, initialize, NULL);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		if (won != 1 || lost != THREADS - 1)
			FAIL("%d threads initialized, %d were told that it was done", won, lost);
		pthread_barrier_init(&barrier, NULL, THREADS + 1);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, i == 0 && argc > 2 ? wait_for_event : until_finalized, NULL);
		pthread_barrier_wait(&barrier);
		OK(f->C_Finalize(NULL));
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
	}
	return 0;
}
