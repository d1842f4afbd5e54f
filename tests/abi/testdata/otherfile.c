/*
 * Another file takes the name of the module's: a child never loads it.
 *
 *	otherfile MODULE OTHER HOW
 *
 * HOW is "folder": the host loads the module by a relative path and then changes to the
 * folder of OTHER, which has the same relative path there. Or "replace" and "replace
 * later": OTHER takes the place of MODULE, before C_Initialize and after. Or "replace and
 * close": after it, and the host closes the descriptors that it does not know. OTHER
 * says so on standard output where it is loaded.
 */
#include <libgen.h>

#include "host.h"

static void enter_folder_of(const char *path)
{
	char copy[4096];
	snprintf(copy, sizeof copy, "%s", path);
	if (chdir(dirname(copy)) != 0)
		FAIL("chdir %s", path);
}

/* What C_Initialize answers in a forked child. */
static CK_RV in_child(int closes)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		if (closes)
			for (int fd = 3; fd < 1024; fd++)
				close(fd);
		CK_RV rv = f->C_Initialize(NULL);
		if (rv == CKR_OK)
			use(open_session(), 1);
		fflush(stdout);
		_exit((int)rv);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		FAIL("the child crashed");
	return (CK_RV)WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *module = argv[1], *other = argv[2], *how = argv[3];
	char relative[4096], copy[4096];
	(void)argc;
	if (strcmp(how, "folder") == 0) {
		snprintf(copy, sizeof copy, "%s", module);
		snprintf(relative, sizeof relative, "./%s", basename(copy));
		enter_folder_of(module);
		load(relative);
		enter_folder_of(other);
		WANT(CKR_OK, in_child(0));
		OK(f->C_Initialize(NULL));
		WANT(CKR_OK, in_child(0));
		WANT(CKR_OK, in_child(1)); /* the path of the time of loading serves */
		return 0;
	}
	load(module);
	if (strcmp(how, "replace") != 0)
		OK(f->C_Initialize(NULL));
	if (rename(other, module) != 0)
		FAIL("rename");
	if (strcmp(how, "replace") == 0) {
		WANT(CKR_FUNCTION_FAILED, in_child(0));
		OK(f->C_Initialize(NULL)); /* the host itself goes on */
		WANT(CKR_FUNCTION_FAILED, in_child(0));
	} else if (strcmp(how, "replace later") == 0) {
		WANT(CKR_OK, in_child(0));
	} else {
		WANT(CKR_FUNCTION_FAILED, in_child(1));
	}
	use(open_session(), 1);
	return 0;
}
