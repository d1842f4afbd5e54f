/*
 * The module's file goes away after C_Initialize, as an upgrade makes it: a
 * child works all the same. The second argument says whether the host also
 * closes every descriptor that it does not know, as daemons do; the file is then
 * replaced and not removed.
 */
#include "host.h"

int main(int argc, char **argv)
{
	char aside[4096];
	(void)argc;
	load(argv[1]);
	OK(f->C_Initialize(NULL));
	use(open_session(), 1);
	int closes = strcmp(argv[2], "close") == 0;
	if (!closes) {
		snprintf(aside, sizeof aside, "%s.removed", argv[1]);
		if (rename(argv[1], aside) != 0)
			FAIL("rename");
	}
	pid_t pid = fork();
	if (pid == 0) {
		if (closes)
			for (int fd = 3; fd < 1024; fd++)
				close(fd);
		OK(f->C_Initialize(NULL));
		use(open_session(), 1);
		_exit(0);
	}
	if (!child_is_well(pid))
		FAIL("the child failed");
	use(open_session(), 1);
	return 0;
}
