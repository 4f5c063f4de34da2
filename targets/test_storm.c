/* Many children. `test_storm N` (200): all alive at the same time, then released. `test_storm N serial`: one after
 * another, each reaped before the next, quietly: for measurements. */
#include "expect.h"

enum { DEFAULT_COUNT = 200, COUNT_MAX = 1000000, STATUS = 5 };

static KEEP_FRAME pid_t fork_held(struct seen *seen, const int ends[2])
{
	char byte;
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		seen_tell(seen, pid);
		_exit(read(ends[0], &byte, 1) == 0 ? STATUS : EXIT_FAILURE);
	}
	return pid;
}

static KEEP_FRAME pid_t fork_brief(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid;
}

static KEEP_FRAME void storm(long count)
{
	int ends[2];
	long made = 0;
	struct seen *seen = seen_new((size_t)count);
	pid_t *children = shared_memory((size_t)count * sizeof(*children));
	CHECK(pipe(ends) == 0);
	for (; made < count; made++) {
		children[made] = fork_held(&seen[made], ends);
		if (!CHECK(children[made] > 0))
			break;
	}
	for (long i = 0; i < made; i++)
		expect_libc_fork(children[i], &seen[i], "fork_held,storm,main");
	close(ends[1]);
	for (long i = 0; i < made; i++)
		expect_reap(children[i]);
}

static void fork_serially(long count)
{
	for (long i = 0; i < count; i++) {
		int status = -1;
		pid_t pid = fork_brief();
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	}
	expect_more_forks((unsigned)count);
}

int main(int count, char **arguments)
{
	long number = count > 1 ? strtol(arguments[1], NULL, 10) : DEFAULT_COUNT;
	expect_begin();
	if (!CHECK(number > 0 && number <= COUNT_MAX))
		return expect_end();
	expect_long_life(number);
	if (count > 2 && strcmp(arguments[2], "serial") == 0)
		fork_serially(number);
	else
		storm(number);
	return expect_end();
}
