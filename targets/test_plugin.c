/* Loaded by test_dlopen: a library with a function that forks. */
#include "expect.h"

pid_t plugin_fork_first(struct seen *seen);

KEEP_FRAME pid_t plugin_fork_first(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}
