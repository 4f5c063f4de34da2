/* A fork 64 known frames down, over several source files: main, level_01 to level_64, fork_here.
 * test_deep N: that many forks from that depth, one after another, quietly. */
#include "deep.h"
#include "expect.h"

enum { LEVELS = 64, STATUS = 6, FORKS_MAX = 1000000 };

KEEP_FRAME pid_t fork_here(void *context)
{
	struct seen *seen = context;
	pid_t pid = fork();
	if (pid == 0) {
		if (seen != NULL)
			seen_tell(seen, pid);
		_exit(STATUS);
	}
	return pid;
}

static int fork_many(long count)
{
	expect_long_life(count);
	for (long i = 0; i < count; i++) {
		int status = 0;
		pid_t pid = level_01(NULL);
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == STATUS);
	}
	expect_more_forks((unsigned)count);
	return expect_end();
}

int main(int count, char **arguments)
{
	expect_begin();
	if (count > 1) {
		long forks = strtol(arguments[1], NULL, 10);
		return forks >= 0 && forks <= FORKS_MAX ? fork_many(forks) : EXIT_FAILURE;
	}
	char stack[1024] = "fork_here";
	size_t used = strlen(stack);
	for (int level = LEVELS; level > 0; level--)
		used += (size_t)snprintf(stack + used, sizeof(stack) - used, ",level_%02d", level);
	snprintf(stack + used, sizeof(stack) - used, ",main");
	struct seen *seen = seen_new(1);
	pid_t pid = level_01(seen);
	expect_libc_fork(pid, seen, stack);
	expect_reap(pid);
	return expect_end();
}
