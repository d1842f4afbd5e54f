/*
 * When C_Finalize has returned, the daemon has let go of the sessions: a C_InitToken right
 * after it finds none, in this process and in another one.
 */
#include <sys/stat.h>

#include "host.h"

static CK_SLOT_ID slot_of(CK_SESSION_HANDLE h)
{
	CK_SESSION_INFO info;
	OK(f->C_GetSessionInfo(h, &info));
	return info.slotID;
}

static void init_token(CK_SLOT_ID slot)
{
	CK_UTF8CHAR label[32];
	const char *pin = getenv("SO_PIN");
	memset(label, ' ', sizeof label);
	OK(f->C_InitToken(slot, (CK_UTF8CHAR_PTR)pin, strlen(pin), label));
}

static void *more_sessions(void *slot)
{
	CK_SESSION_HANDLE h;
	for (int i = 0; i < 20; i++) {
		OK(f->C_OpenSession(*(CK_SLOT_ID *)slot, CKF_SERIAL_SESSION, NULL, NULL, &h));
		use(h, 1);
	}
	return NULL;
}

/* A host that closes sockets which it does not know. */
static void close_sockets(void)
{
	struct stat of;
	for (int fd = 3; fd < 64; fd++)
		if (fstat(fd, &of) == 0 && S_ISSOCK(of.st_mode))
			close(fd);
}

int main(int argc, char **argv)
{
	(void)argc;
	if (argc == 4) { /* the other process */
		load(argv[1]);
		OK(f->C_Initialize(NULL));
		init_token(strtoul(argv[3], NULL, 10));
		OK(f->C_Finalize(NULL));
		return 0;
	}
	load(argv[1]);
	for (int i = 0; i < atoi(argv[2]); i++) {
		OK(f->C_Initialize(NULL));
		CK_SLOT_ID slot = slot_of(open_session());
		if (i % 2) { /* with several connections */
			pthread_t threads[4];
			for (int j = 0; j < 4; j++)
				pthread_create(&threads[j], NULL, more_sessions, &slot);
			for (int j = 0; j < 4; j++)
				pthread_join(threads[j], NULL);
		}
		if (i % 5 == 4)
			close_sockets();
		OK(f->C_Finalize(NULL));
		if (i % 10 == 9) {
			char number[32], program[4096];
			ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
			program[n < 0 ? 0 : n] = 0;
			snprintf(number, sizeof number, "%lu", slot);
			pid_t child = fork();
			if (child == 0) {
				execl(program, program, argv[1], "0", number, NULL);
				_exit(1);
			}
			if (!child_is_well(child))
				FAIL("another process, round %d", i);
		} else {
			OK(f->C_Initialize(NULL));
			init_token(slot);
			OK(f->C_Finalize(NULL));
		}
	}
	return 0;
}
