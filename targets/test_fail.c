/* Calls that fail: EINVAL, EFAULT and E2BIG for their arguments, EAGAIN for a limit on the number of processes. Then
 * one that succeeds. */
#include <grp.h>
#include <sys/resource.h>

#include "expect.h"

/* Any user but root will do: the limit is 0. The second is for a user namespace that lacks the first. */
static const uid_t unprivileged[] = {2000000011, 65534};

static KEEP_FRAME long clone_badly(unsigned long flags)
{
	long ret = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	return ret;
}

static KEEP_FRAME long clone3_badly(const void *arguments, size_t size)
{
	long ret = syscall(SYS_clone3, arguments, size);
	return ret;
}

static KEEP_FRAME pid_t fork_over_limit(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(EXIT_FAILURE);
	return pid;
}

static KEEP_FRAME pid_t vfork_over_limit(void)
{
	pid_t pid = vfork();
	if (pid == 0)
		_exit(EXIT_FAILURE);
	return pid;
}

/* clone(2): CLONE_SIGHAND needs CLONE_VM, CLONE_THREAD needs CLONE_SIGHAND; the bits of the exit signal are not
 * clone3's flags; a structure larger than a page is refused, and so is one that ends too early. Where clone3 does not
 * exist or is forbidden, the error is another one. */
static KEEP_FRAME void fail_by_arguments(void)
{
	static struct clone_args sighand = {.flags = CLONE_SIGHAND, .exit_signal = SIGCHLD};
	static struct clone_args bad_flags = {.flags = SIGCHLD};
	const size_t too_large = 1024 * 1024;
	CHECK(clone_badly(CLONE_SIGHAND | SIGCHLD) == -1 && errno == EINVAL);
	expect_fork_failed(errno, "clone", "clone_badly,fail_by_arguments,main");
	CHECK(clone_badly(CLONE_THREAD | CLONE_VM) == -1 && errno == EINVAL);
	expect_fork_failed(errno, "clone", "clone_badly,fail_by_arguments,main");

	CHECK(clone3_badly(&sighand, sizeof(sighand)) == -1);
	expect_fork_failed(errno, "clone3", "clone3_badly,fail_by_arguments,main");
	CHECK(clone3_badly(&bad_flags, sizeof(bad_flags)) == -1);
	expect_fork_failed(errno, "clone3", "clone3_badly,fail_by_arguments,main");
	CHECK(clone3_badly(&sighand, 8) == -1);
	expect_fork_failed(errno, "clone3", "clone3_badly,fail_by_arguments,main");
	CHECK(clone3_badly(&sighand, too_large) == -1);
	expect_fork_failed(errno, "clone3", "clone3_badly,fail_by_arguments,main");
	CHECK(clone3_badly(NULL, sizeof(sighand)) == -1);
	expect_fork_failed(errno, "clone3", "clone3_badly,fail_by_arguments,main");
}

/* Root is above the limit on processes (kernel/fork.c, copy_process): be someone else. */
static void drop_root(void)
{
	if (geteuid() != 0)
		return;
	CHECK(setgroups(0, NULL) == 0);
	for (size_t i = 0; i < LENGTH(unprivileged); i++)
		if (setresuid(unprivileged[i], unprivileged[i], unprivileged[i]) == 0)
			return;
	CHECK(!"setresuid");
}

static KEEP_FRAME void fail_by_limit(void)
{
	static const struct rlimit none = {0, 0};
	drop_root();
	CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
	CHECK(fork_over_limit() == -1 && errno == EAGAIN);
	expect_fork_failed(errno, LIBC_FORK_SYSCALL, "fork_over_limit,fail_by_limit,main");
	CHECK(vfork_over_limit() == -1 && errno == EAGAIN);
	expect_fork_failed(errno, "vfork", "vfork_over_limit,fail_by_limit,main");
}

int main(void)
{
	expect_begin();
	fail_by_arguments();
	struct seen *seen = seen_new(1);
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(seen, pid);
		fail_by_limit();
		_exit(0);
	}
	expect_libc_fork(pid, seen, "main");
	expect_reap(pid);
	return expect_end();
}
