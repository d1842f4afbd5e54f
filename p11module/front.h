/*
 * The C front: what every exported function asks before it goes on, and the
 * fork guard behind it (see doc.go).
 */
#ifndef VTOKEN_FRONT_H
#define VTOKEN_FRONT_H

#include "cryptoki.h"

extern const CK_FUNCTION_LIST front_list_2_40;
extern const CK_FUNCTION_LIST_3_0 front_list_3_0;
extern const CK_FUNCTION_LIST_3_2 front_list_3_2;

/* Whether this image serves calls: it is initialized, in the process that loaded it. */
int front_ready(void);

/*
 * The functions of the private copy that serves this forked child, or NULL
 * where the child has not called C_Initialize (or this is no child).
 */
const CK_FUNCTION_LIST_3_2 *front_copy(void);

/* Marks this image as initialized or not. Called by the Go edge. */
void front_set_ready(int ready);

/*
 * A socket of the Go edge, closed without a word in a forked child. Open returns
 * -1 (see errno) or the descriptor; what it opened goes to close, or to forget where
 * the host has closed it.
 */
int front_socket_open(int *error);
void front_socket_close(int fd);
void front_socket_forget(int fd);

/*
 * Whether this application, or the one that it was forked from, ever had a daemon: then
 * its calls wait for one that is away, also the first. Note is called by the Go edge, and
 * by the parent's front in the copy for a child.
 */
int front_had_daemon(void);
void front_note_daemon(void);

/* The interface with which a parent's front tells its copy so. */
#define INTERFACE_HAD_DAEMON "vtoken had daemon"

/* getenv, or NULL in a program that runs with more rights than its user. */
char *front_getenv(char *name);

/* The head of every exported function but those of initialization. */
#define FRONT_ENTER(name, args)                                                    \
	do {                                                                       \
		if (__builtin_expect(!front_ready(), 0)) {                         \
			const CK_FUNCTION_LIST_3_2 *copy = front_copy();           \
			return copy ? copy->name args : CKR_CRYPTOKI_NOT_INITIALIZED; \
		}                                                                  \
	} while (0)

#endif
