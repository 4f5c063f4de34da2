/* Children made with CLONE_UNTRACED, which asks that no tracer follows them: raw clone, libc's clone, clone3. */
#include "expect.h"

enum { STACK_SIZE = 64 * 1024 };

static KEEP_FRAME pid_t clone_untraced(struct seen *seen)
{
	long ret = syscall(SYS_clone, (unsigned long)CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL);
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

static int child_main(void *seen)
{
	seen_tell(seen, 0);
	return 0;
}

static KEEP_FRAME pid_t clone_untraced_on_stack(struct seen *seen)
{
	static _Alignas(16) char stack[STACK_SIZE];
	pid_t pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_UNTRACED | SIGCHLD, seen);
	return pid;
}

static KEEP_FRAME pid_t clone3_untraced(struct seen *seen)
{
	struct clone_args arguments = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	long ret = syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

int main(void)
{
	expect_begin();
	struct seen *seen = seen_new(3);
	pid_t pid = clone_untraced(&seen[0]);
	if (CHECK(pid > 0)) {
		EXPECT_FORK(.syscall = "clone", .ret = pid, .seen = seen_wait(&seen[0]), .flags = CLONE_UNTRACED,
			    .stack = "clone_untraced,main");
		expect_reap(pid);
	}
	pid = clone_untraced_on_stack(&seen[1]);
	if (CHECK(pid > 0)) {
		EXPECT_FORK(.syscall = "clone", .ret = pid, .seen = seen_wait(&seen[1]),
			    .flags = CLONE_VM | CLONE_UNTRACED, .stack = "clone_untraced_on_stack,main",
			    .fresh_stack = true);
		expect_reap(pid);
	}
	pid = clone3_untraced(&seen[2]);
	if (pid < 0) {
		expect_fork_failed(errno, "clone3", "clone3_untraced,main");
		return expect_end();
	}
	EXPECT_FORK(.syscall = "clone3", .ret = pid, .seen = seen_wait(&seen[2]), .flags = CLONE_UNTRACED,
		    .stack = "clone3_untraced,main");
	expect_reap(pid);
	return expect_end();
}
