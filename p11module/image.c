/*
 * How a forked child gets a library that works: the file of this one is copied
 * into memory and loaded from there. The loader takes it for another library,
 * as it has another inode, and gives it data and a Go runtime of its own.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cryptoki.h"
#include "image.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

#define FD_FOLDER "/proc/self/fd/"

/* The kept file. Device and inode prove that the number still means it: hosts
 * that turn into daemons close descriptors that they do not know. */
static int kept = -1;
static dev_t kept_dev;
static ino_t kept_ino;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;

static const char *own_path(void)
{
	Dl_info info;
	if (dladdr(&kept, &info) == 0 || info.dli_fname == NULL)
		return NULL;
	/* A copy is not copied again: a child's child asks the original. */
	if (strncmp(info.dli_fname, FD_FOLDER, strlen(FD_FOLDER)) == 0)
		return NULL;
	return info.dli_fname;
}

static int open_path(void)
{
	const char *path = own_path();
	return path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

static int still_kept(void)
{
	struct stat st;
	return kept >= 0 && fstat(kept, &st) == 0 && st.st_dev == kept_dev && st.st_ino == kept_ino;
}

void image_keep(void)
{
	struct stat st;
	pthread_mutex_lock(&kept_lock);
	if (!still_kept()) {
		kept = open_path();
		if (kept >= 0 && fstat(kept, &st) == 0) {
			kept_dev = st.st_dev;
			kept_ino = st.st_ino;
		}
	}
	pthread_mutex_unlock(&kept_lock);
}

void image_drop(void)
{
	pthread_mutex_lock(&kept_lock);
	if (still_kept())
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
	if (get == NULL || get((CK_UTF8CHAR_PTR) "PKCS 11", &version, &interface, 0) != CKR_OK)
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
	if (still_kept())
		return load_from(kept);
	int file = open_path();
	if (file < 0)
		return NULL;
	const CK_FUNCTION_LIST_3_2 *functions = load_from(file);
	close(file);
	return functions;
}
