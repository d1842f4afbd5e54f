/*
 * What the hosts of these tests share. A host is a program that loads the module
 * as an application does; it says nothing and exits with 0 where all is well.
 */
#ifndef HOST_H
#define HOST_H

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cryptoki.h"

#define CKR_SLOT_ID_INVALID 0x3UL
#define CKR_NO_EVENT 0x8UL
#define CKR_DEVICE_REMOVED 0x32UL
#define CKR_SESSION_HANDLE_INVALID 0xB3UL
#define CKR_USER_ALREADY_LOGGED_IN 0x100UL
#define CKF_SERIAL_SESSION 4UL
#define CKF_RW_SESSION 2UL
#define CKF_DONT_BLOCK 1UL
#define CKF_TOKEN_INITIALIZED 0x400UL
#define CKU_USER 1UL

/* The functions of the module. Set once by load, and used by children as it is. */
static CK_FUNCTION_LIST_3_2 *f;

/* Ends the host, from a forked child too, with a sentence. */
#define FAIL(...)                                                      \
	do {                                                           \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);        \
		fprintf(stderr, __VA_ARGS__);                          \
		fprintf(stderr, "\n");                                 \
		_exit(1);                                              \
	} while (0)

/* Calls and expects a code. */
#define WANT(want, call)                                                            \
	do {                                                                        \
		CK_RV rv_ = (call);                                                 \
		if (rv_ != (want))                                                  \
			FAIL("%s is 0x%lx, not %s", #call, rv_, #want);             \
	} while (0)

#define OK(call) WANT(CKR_OK, call)

static void *open_module(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		FAIL("%s", dlerror());
	return library;
}

static inline void load(const char *path)
{
	CK_RV (*get)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
	CK_INTERFACE_PTR interface;
	*(void **)&get = dlsym(open_module(path), "C_GetInterface");
	CK_VERSION newest = {3, 2};
	OK(get(NULL, &newest, &interface, 0));
	f = interface->pFunctionList;
}

static inline double milliseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Opens a session with the first token that is initialized. */
static inline CK_SESSION_HANDLE open_session(void)
{
	CK_SLOT_ID slots[16];
	CK_ULONG n = 16;
	OK(f->C_GetSlotList(1, slots, &n));
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;
		CK_SESSION_HANDLE h;
		OK(f->C_GetTokenInfo(slots[i], &info));
		if (!(info.flags & CKF_TOKEN_INITIALIZED))
			continue;
		OK(f->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &h));
		return h;
	}
	FAIL("no token in %lu slots", n);
}

static inline void login(CK_SESSION_HANDLE h)
{
	const char *pin = getenv("PIN");
	CK_RV rv = f->C_Login(h, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin));
	if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
		FAIL("C_Login is 0x%lx", rv);
}

/* Some calls with answers that can be checked. */
static inline void use(CK_SESSION_HANDLE h, int times)
{
	for (int i = 0; i < times; i++) {
		CK_BYTE random[32] = {0}, none[32] = {0};
		CK_SESSION_INFO info;
		OK(f->C_GenerateRandom(h, random, sizeof random));
		if (memcmp(random, none, sizeof none) == 0)
			FAIL("32 random bytes are all zero");
		OK(f->C_GetSessionInfo(h, &info));
	}
}

static inline int child_is_well(pid_t child)
{
	int status;
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
