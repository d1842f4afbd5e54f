/* A library that is not the module, and says where it is loaded. */
#include <unistd.h>

__attribute__((constructor)) static void at_load(void)
{
	static const char said[] = "another library was loaded\n";
	if (write(1, said, sizeof said - 1) < 0)
		_exit(1);
}
