/*
 * How a forked child gets a library that works: the file of this one is copied
 * into memory and loaded from there. The loader takes it for another library,
 * as it has another inode, and gives it data and a Go runtime of its own.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cryptoki.h"
#include "front.h"
#include "image.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

#define FD_FOLDER "/proc/self/fd/"

/*
 * The file that the loader mapped, as image_note found it: its path without links and
 * independent of the working folder, its device and its inode. As long as this library
 * is mapped the system gives the inode to no other file, so that a descriptor or a path
 * means this file exactly where device and inode are these.
 */
static char own_file[PATH_MAX]; /* empty where it is not known */
static dev_t own_dev;
static ino_t own_ino;

/* The file held open, or -1. Hosts that turn into daemons close descriptors that they
 * do not know, and the number may mean another file then. */
static int kept = -1;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

void image_note(void)
{
	Dl_info info;
	struct stat st;
	if (dladdr(&kept, &info) == 0 || info.dli_fname == NULL)
		return;
	/* A copy is not copied again: a child's child asks the original. */
	if (strncmp(info.dli_fname, FD_FOLDER, strlen(FD_FOLDER)) == 0)
		return;
	if (realpath(info.dli_fname, own_file) == NULL || stat(own_file, &st) != 0) {
		own_file[0] = 0;
		return;
	}
	own_dev = st.st_dev;
	own_ino = st.st_ino;
}

/* Whether a descriptor is open on the file that was loaded. */
static int is_own(int fd)
{
	struct stat st;
	return own_file[0] != 0 && fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == own_dev && st.st_ino == own_ino;
}

/* Opens the file that was loaded, or nothing: not what has its name by now. */
static int open_own(void)
{
	if (own_file[0] == 0)
		return -1;
	int fd = open(own_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
	if (fd >= 0 && !is_own(fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

void image_keep(void)
{
	pthread_mutex_lock(&kept_lock);
	if (!is_own(kept))
		kept = open_own();
	pthread_mutex_unlock(&kept_lock);
}

void image_drop(void)
{
	pthread_mutex_lock(&kept_lock);
	if (is_own(kept))
		close(kept);
	kept = -1;
	pthread_mutex_unlock(&kept_lock);
}

/* A file in memory from which code may be run, closed on exec. */
static int memory_file(void)
{
	int fd = memfd_create("vtoken-pkcs11", MFD_CLOEXEC | MFD_EXEC);
	return fd >= 0 ? fd : memfd_create("vtoken-pkcs11", MFD_CLOEXEC);
}

/* Offsets are explicit: the position of the kept file is shared with the parent. */
static int copy_file(int to, int from)
{
	struct stat st;
	off_t done = 0;
	if (fstat(from, &st) != 0 || st.st_size == 0)
		return -1;
	while (done < st.st_size) {
		ssize_t n = sendfile(to, from, &done, (size_t)(st.st_size - done));
		if (n <= 0)
			return -1;
	}
	return 0;
}

static const CK_FUNCTION_LIST_3_2 *functions_of(void *library)
{
	CK_RV (*get)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
	CK_VERSION version = {3, 2};
	CK_INTERFACE_PTR interface;
	*(void **)&get = dlsym(library, "C_GetInterface");
	if (get == NULL)
		return NULL;
	if (front_had_daemon())
		get((CK_UTF8CHAR_PTR)INTERFACE_HAD_DAEMON, NULL, &interface, 0);
	if (get((CK_UTF8CHAR_PTR) "PKCS 11", &version, &interface, 0) != CKR_OK)
		return NULL;
	return interface->pFunctionList;
}

/*
 * The loader takes two files of one name for the same. The copy of a child and
 * the copy that its child needs may get the same descriptor number, so the
 * generation is written into the path in a way that leads to the same place:
 * "/" for a 1, "./" for a 0.
 */
static void name_copy(char *path, size_t size, int fd)
{
	static unsigned generation; /* counts on in the children of children */
	size_t n = (size_t)snprintf(path, size, FD_FOLDER);
	generation++;
	for (unsigned rest = generation; rest != 0; rest >>= 1)
		n += (size_t)snprintf(path + n, size - n, "%s", rest & 1 ? "/" : "./");
	snprintf(path + n, size - n, "%d", fd);
}

static const CK_FUNCTION_LIST_3_2 *load_from(int file)
{
	char path[128];
	const CK_FUNCTION_LIST_3_2 *functions = NULL;
	int copy = memory_file();
	if (copy < 0)
		return NULL;
	if (copy_file(copy, file) == 0) {
		name_copy(path, sizeof path, copy);
		void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (library != NULL)
			functions = functions_of(library);
	}
	close(copy);
	return functions;
}

/* No lock: this is a child, where a thread of the parent may have held it, and
 * the caller lets one thread in. */
const CK_FUNCTION_LIST_3_2 *image_load_copy(void)
{
	if (is_own(kept))
		return load_from(kept);
	int file = open_own();
	if (file < 0)
		return NULL;
	const CK_FUNCTION_LIST_3_2 *functions = load_from(file);
	close(file);
	return functions;
}
