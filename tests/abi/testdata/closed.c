/*
 * A host that closes all descriptors which it does not know, as daemons do, and then has
 * files of its own under their numbers. Sessions go on, and the files are not touched.
 */
#include <fcntl.h>

#include "host.h"

#define FILES 64

int main(int argc, char **argv)
{
	char path[] = "/tmp/vtoken-closed.XXXXXX";
	CK_SESSION_INFO info;
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	CK_SESSION_HANDLE h = open_session();
	use(h, 1);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	use(h, 1);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	int file = mkstemp(path);
	unlink(path);
	for (int i = 1; i < FILES; i++)
		if (dup(file) < 0)
			FAIL("dup");
	use(h, 1);
	OK(f->C_GetSessionInfo(h, &info));
	OK(f->C_Finalize(NULL));
	if (lseek(file, 0, SEEK_END) != 0)
		FAIL("something was written to the host's file");
	for (int i = 0; i < FILES; i++)
		if (fcntl(file + i, F_GETFD) < 0)
			FAIL("the host's descriptor %d was closed", file + i);
	return 0;
}
