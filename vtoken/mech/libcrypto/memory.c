//go:build cgo

#include "crypto.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *get(size_t n, const char *file, int line) { return malloc(n); }

static void put(void *p, const char *file, int line) {
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

// again is realloc, but leaves nothing where the block was.
static void *again(void *p, size_t n, const char *file, int line) {
	if (p == NULL)
		return malloc(n);
	if (n == 0) {
		put(p, file, line);
		return NULL;
	}
	size_t had = malloc_usable_size(p);
	void *fresh = malloc(n);
	if (fresh == NULL)
		return NULL;
	memcpy(fresh, p, had < n ? had : n);
	put(p, file, line);
	return fresh;
}

// smallest is the least that one allocation in the secure heap takes.
enum { smallest = 32 };

static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
static int begun = -1;
static size_t heap;

int vt_begin(size_t secure) {
	pthread_mutex_lock(&once);
	if (begun < 0) {
		begun = 0;
		if (CRYPTO_set_mem_functions(get, again, put)) {
			begun = CRYPTO_secure_malloc_init(secure, smallest) == 1 ? 1 : 2;
			heap = secure;
		}
	}
	int state = begun;
	pthread_mutex_unlock(&once);
	return state;
}

int vt_room(void) { return CRYPTO_secure_malloc_initialized() && CRYPTO_secure_used() < heap - heap / 4; }
