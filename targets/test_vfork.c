/* vfork: the parent is blocked until the child ends, and until the child becomes another program. */
#include "expect.h"

enum { CHILD_STATUS = 3, PROGRAM_STATUS = 4 };

static KEEP_FRAME pid_t vfork_and_exit(struct seen *seen)
{
	pid_t pid = vfork();
	if (pid == 0) {
		seen_tell(seen, 0);
		_exit(CHILD_STATUS);
	}
	return pid;
}

static KEEP_FRAME pid_t vfork_and_exec(struct seen *seen, char *const arguments[])
{
	pid_t pid = vfork();
	if (pid == 0) {
		seen_tell(seen, 0);
		execv("/proc/self/exe", arguments);
		_exit(EXIT_FAILURE);
	}
	return pid;
}

static void expect_vfork(pid_t pid, struct seen *seen, const char *stack, int status)
{
	if (!CHECK(pid > 0))
		return;
	EXPECT_FORK(.kind = "vfork", .syscall = "vfork", .ret = pid, .seen = seen_wait(seen),
		    .flags = CLONE_VM | CLONE_VFORK, .stack = stack);
	int wait_status = expect_reap(pid);
	CHECK(WEXITSTATUS(wait_status) == status);
}

int main(int count, char **arguments)
{
	(void)arguments;
	if (count > 1)
		return PROGRAM_STATUS;
	expect_begin();
	struct seen *seen = seen_new(2);
	pid_t pid = vfork_and_exit(&seen[0]);
	expect_vfork(pid, &seen[0], "vfork_and_exit,main", CHILD_STATUS);

	static char name[] = "test_vfork", argument[] = "program";
	static char *const program[] = {name, argument, NULL};
	pid = vfork_and_exec(&seen[1], program);
	expect_exec(pid, own_name(), OWN_ABI);
	expect_vfork(pid, &seen[1], "vfork_and_exec,main", PROGRAM_STATUS);
	return expect_end();
}
