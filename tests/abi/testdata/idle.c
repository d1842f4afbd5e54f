/*
 * A host that waits in C_WaitForSlotEvent takes nearly no processor, neither with the
 * daemon there nor, after a byte on standard input, without it: strongSwan calls again
 * at once after an error.
 */
#include <stdint.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "host.h"

#define SECONDS 2
#define LIMIT_US (SECONDS * 1000) /* a thousandth */
#define TRIES 5

static void *wait_for_event(void *unused)
{
	CK_SLOT_ID slot;
	(void)unused;
	WANT(CKR_CRYPTOKI_NOT_INITIALIZED, f->C_WaitForSlotEvent(0, &slot, NULL));
	return NULL;
}

static long processor_time(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000L + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

/* The processor time of the process over some seconds. */
static long over_seconds(void)
{
	struct itimerspec once = {.it_value.tv_sec = SECONDS};
	uint64_t times;
	int timer = timerfd_create(CLOCK_MONOTONIC, 0);
	long begun = processor_time();
	timerfd_settime(timer, 0, &once, NULL);
	if (read(timer, &times, sizeof times) != sizeof times)
		FAIL("the timer");
	close(timer);
	return processor_time() - begun;
}

/* What begins or ends meanwhile may take some, but not again and again. */
static void is_idle(const char *when)
{
	long took = 0;
	for (int i = 0; i < TRIES; i++) {
		took = over_seconds();
		if (took < LIMIT_US)
			return;
	}
	FAIL("%s: %ld us of processor time in %d s, %d times", when, took, SECONDS, TRIES);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	use(open_session(), 1);
	pthread_create(&thread, NULL, wait_for_event, NULL);
	is_idle("with the daemon");
	puts("ready");
	fflush(stdout);
	if (getchar() == EOF)
		FAIL("nobody says that the daemon is gone");
	is_idle("without the daemon");
	OK(f->C_Finalize(NULL));
	pthread_join(thread, NULL);
	return 0;
}
