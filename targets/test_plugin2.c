/* Loaded by test_dlopen where test_plugin was before: other functions, other frames at the same addresses. */
#include "expect.h"

pid_t plugin_fork_second(struct seen *seen);

static KEEP_FRAME pid_t fork_deeper(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(0);
	}
	return pid;
}

KEEP_FRAME pid_t plugin_fork_second(struct seen *seen)
{
	volatile char room[200];
	room[0] = 1;
	pid_t pid = fork_deeper(seen);
	return room[0] == 1 ? pid : -1;
}
