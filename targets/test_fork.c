/* The simplest case: a function that main calls forks once, and the parent waits for the child. */
#include "expect.h"

enum { CHILD_STATUS = 7 };

static KEEP_FRAME pid_t spawn_child(struct seen *seen)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(CHILD_STATUS);
	}
	return pid;
}

int main(void)
{
	expect_begin();
	struct seen *seen = seen_new(1);
	pid_t pid = spawn_child(seen);
	expect_libc_fork(pid, seen, "spawn_child,main");
	int status = expect_reap(pid);
	CHECK(WEXITSTATUS(status) == CHILD_STATUS);
	return expect_end();
}
