/* A child becomes the other ABI's build of this program, forks there, comes back to this ABI, and forks again. */
#include "expect.h"

enum { THERE_STATUS = 11, BACK_STATUS = 12, NOT_RUN_STATUS = 13, FORKS_AFTER_EXEC = 2 };

static KEEP_FRAME pid_t fork_child(struct seen *seen, int status)
{
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		_exit(status);
	}
	return pid;
}

static KEEP_FRAME void fork_and_reap(int status, const char *stack)
{
	struct seen *seen = seen_new(1);
	pid_t pid = fork_child(seen, status);
	expect_libc_fork(pid, seen, stack);
	expect_reap(pid);
}

/* Does not return when all is well. */
static void become(const char *path, char *stage)
{
	static char name[] = "test_exec";
	execv(path, (char *const[]){name, stage, NULL});
	if (errno == ENOEXEC)
		_exit(NOT_RUN_STATUS);
	CHECK(!"execv");
}

static KEEP_FRAME int run_there(void)
{
	static char stage[] = "back";
	expect_begin();
	fork_and_reap(THERE_STATUS, "fork_child,fork_and_reap,run_there,main");
	expect_exec(getpid(), OTHER_ABI "/test_exec", OTHER_ABI);
	become(path_beside("../" OTHER_ABI "/test_exec"), stage);
	return EXIT_FAILURE;
}

static KEEP_FRAME int run_back(void)
{
	expect_begin();
	fork_and_reap(0, "fork_child,fork_and_reap,run_back,main");
	return atomic_load(&expect_totals->wrong) == 0 ? BACK_STATUS : EXIT_FAILURE;
}

int main(int count, char **arguments)
{
	static char stage[] = "there";
	if (count > 1)
		return strcmp(arguments[1], "there") == 0 ? run_there() : run_back();
	expect_begin();
	const char *path = path_beside("../" OTHER_ABI "/test_exec");
	if (access(path, X_OK) != 0) {
		expect_line("skip %s is not there", path);
		return expect_end();
	}
	struct seen *seen = seen_new(1);
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		become(path, stage);
		_exit(EXIT_FAILURE);
	}
	expect_libc_fork(pid, seen, "main");
	int status = expect_reap(pid);
	if (WEXITSTATUS(status) == NOT_RUN_STATUS) {
		expect_line("skip this kernel runs no " OTHER_ABI " programs");
		return expect_end();
	}
	expect_exec(pid, OTHER_ABI "/test_exec", OTHER_ABI);
	CHECK(WEXITSTATUS(status) == BACK_STATUS);
	expect_more_forks(FORKS_AFTER_EXEC);
	return expect_end();
}
