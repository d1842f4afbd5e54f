/*
 * C_Initialize, C_Finalize and the state that the front asks before every call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cryptoki.h"
#include "front.h"
#include "image.h"
#include "_cgo_export.h"

/*
 * What is true in one process only. It lies on a page that the kernel hands to
 * a forked child filled with zeroes (MADV_WIPEONFORK), so that a child knows
 * itself as one however it was made: fork, _Fork, clone. All zeroes means: a
 * child, with no copy yet and nobody in the lock.
 */
struct front {
	atomic_int here;  /* 1 in the process that loaded this image */
	atomic_int ready; /* 1 while initialized, and here */
	pthread_mutex_t lock; /* held while the copy is loaded */
	_Atomic(const CK_FUNCTION_LIST_3_2 *) copy;
};

static struct front fallback; /* where there is no such page */
static struct front *front = &fallback;

/* The sockets that the Go edge holds, or -1: at most 16, and those that die. */
#define SOCKETS 32
static atomic_int sockets[SOCKETS] = {[0 ... SOCKETS - 1] = -1};

static atomic_int had_daemon; /* a child has it from its parent */

int front_had_daemon(void)
{
	return atomic_load(&had_daemon);
}

void front_note_daemon(void)
{
	atomic_store(&had_daemon, 1);
}

static void in_child(void)
{
	memset(front, 0, sizeof *front); /* for kernels that do not wipe the page */
	for (int i = 0; i < SOCKETS; i++) {
		int fd = atomic_exchange(&sockets[i], -1);
		if (fd >= 0)
			close(fd); /* never shutdown: the parent goes on with it */
	}
}

/*
 * Loading the library does this much and no more. It cannot wait until
 * C_Initialize, for a child may be forked before that.
 */
__attribute__((constructor)) static void at_load(void)
{
	void *page = mmap(NULL, sizeof *front, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		madvise(page, sizeof *front, MADV_WIPEONFORK);
		front = page;
	}
	atomic_store(&front->here, 1);
	image_note();
	pthread_atfork(NULL, NULL, in_child);
}

int front_ready(void)
{
	return atomic_load_explicit(&front->ready, memory_order_acquire);
}

void front_set_ready(int ready)
{
	atomic_store(&front->ready, ready);
}

const CK_FUNCTION_LIST_3_2 *front_copy(void)
{
	return atomic_load(&front->copy);
}

/*
 * A slot is taken before the socket exists and given back before it is closed,
 * so a child never closes a number that means something else by then.
 */
int front_socket_open(int *error)
{
	for (int i = 0; i < SOCKETS; i++) {
		int free_slot = -1;
		if (!atomic_compare_exchange_strong(&sockets[i], &free_slot, -2))
			continue;
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		*error = errno;
		atomic_store(&sockets[i], fd < 0 ? -1 : fd);
		return fd;
	}
	*error = EMFILE;
	return -1;
}

void front_socket_forget(int fd)
{
	for (int i = 0; i < SOCKETS; i++) {
		int expected = fd;
		if (atomic_compare_exchange_strong(&sockets[i], &expected, -1))
			break;
	}
}

void front_socket_close(int fd)
{
	front_socket_forget(fd);
	close(fd);
}

char *front_getenv(char *name)
{
	return secure_getenv(name);
}

/*
 * Section 5.4, C_Initialize: what the arguments may say. Our locks are those of
 * the system, so a host that allows only its own cannot be served. Our threads
 * (the Go runtime's) never call into the host, so that a host which forbids the
 * library to make threads is served all the same.
 */
static CK_RV check_args(const CK_C_INITIALIZE_ARGS *args)
{
	if (args == NULL)
		return CKR_OK;
	int callbacks = (args->CreateMutex != NULL) + (args->DestroyMutex != NULL) +
			(args->LockMutex != NULL) + (args->UnlockMutex != NULL);
	if (args->pReserved != NULL || (callbacks != 0 && callbacks != 4))
		return CKR_ARGUMENTS_BAD;
	if (callbacks == 4 && !(args->flags & CKF_OS_LOCKING_OK))
		return CKR_CANT_LOCK;
	return CKR_OK;
}

/* The functions of the copy for this child, which is loaded where there is none. */
static const CK_FUNCTION_LIST_3_2 *need_copy(void)
{
	pthread_mutex_lock(&front->lock);
	const CK_FUNCTION_LIST_3_2 *copy = atomic_load(&front->copy);
	if (copy == NULL) {
		copy = image_load_copy();
		atomic_store(&front->copy, copy);
	}
	pthread_mutex_unlock(&front->lock);
	return copy;
}

CK_RV C_Initialize(CK_VOID_PTR pInitArgs)
{
	CK_RV rv = check_args(pInitArgs);
	if (rv != CKR_OK)
		return rv;
	if (!atomic_load(&front->here)) {
		const CK_FUNCTION_LIST_3_2 *copy = need_copy();
		return copy ? copy->C_Initialize(pInitArgs) : CKR_FUNCTION_FAILED;
	}
	rv = vtokenInitialize();
	if (rv == CKR_OK)
		image_keep();
	return rv;
}

CK_RV C_Finalize(CK_VOID_PTR pReserved)
{
	FRONT_ENTER(C_Finalize, (pReserved));
	if (pReserved != NULL)
		return CKR_ARGUMENTS_BAD;
	CK_RV rv = vtokenFinalize();
	if (rv == CKR_OK)
		image_drop();
	return rv;
}
