/* clone: with libc's wrapper and a stack of the child's own, and as a raw system call on a copy of the parent's stack;
 * with several flags and exit signals. */
#include "expect.h"

enum { STACK_SIZE = 64 * 1024 };

struct clone_case {
	uint64_t flags;
	int exit_signal; /* 0: none */
	const char *kind;
};

static const char *exit_signal_name(int number)
{
	return number == SIGCHLD ? "SIGCHLD" : number == SIGUSR1 ? "SIGUSR1" : "none";
}

static volatile sig_atomic_t usr1_count;

static void count_usr1(int number)
{
	(void)number;
	usr1_count++;
}

static int child_main(void *seen)
{
	seen_tell(seen, 0);
	return 0;
}

static KEEP_FRAME pid_t clone_on_stack(const struct clone_case *clone_case, struct seen *seen, pid_t *ids)
{
	static _Alignas(16) char stack[STACK_SIZE];
	pid_t pid = clone(child_main, stack + sizeof(stack), (int)clone_case->flags | clone_case->exit_signal, seen,
			  &ids[0], NULL, &ids[1]);
	return pid;
}

/* The order of the last two arguments depends on the ABI: clone(2). */
static KEEP_FRAME pid_t clone_raw(const struct clone_case *clone_case, struct seen *seen, pid_t *ids)
{
	unsigned long flags = (unsigned long)clone_case->flags | (unsigned long)clone_case->exit_signal;
#ifdef __x86_64__
	long ret = syscall(SYS_clone, flags, NULL, &ids[0], &ids[1], 0L);
#else
	long ret = syscall(SYS_clone, flags, NULL, &ids[0], 0L, &ids[1]);
#endif
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

static void expect_clone(const struct clone_case *clone_case, pid_t pid, struct seen *seen, bool fresh,
			 const char *stack)
{
	if (!CHECK(pid > 0))
		return;
	EXPECT_FORK(.kind = clone_case->kind, .syscall = "clone", .ret = pid, .seen = seen_wait(seen),
		    .flags = clone_case->flags, .exit_signal = exit_signal_name(clone_case->exit_signal),
		    .stack = stack, .fresh_stack = fresh);
}

static KEEP_FRAME void clone_all(void)
{
	static const struct clone_case on_stack[] = {
	    {0, SIGCHLD, "fork"},
	    {CLONE_VM, SIGCHLD, "fork"},
	    {CLONE_FS | CLONE_FILES, SIGCHLD, "fork"},
	    {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND, 0, "clone"},
	    {CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID, SIGUSR1, "clone"},
	    {CLONE_VM | CLONE_VFORK, SIGCHLD, "vfork"},
	};
	static const struct clone_case raw[] = {
	    {0, SIGCHLD, "fork"},
	    {CLONE_FILES | CLONE_PARENT_SETTID, SIGCHLD, "fork"},
	    {0, 0, "clone"},
	};
	pid_t *ids = shared_memory(2 * sizeof(*ids));
	struct seen *seen = seen_new(LENGTH(on_stack) + LENGTH(raw));
	for (size_t i = 0; i < LENGTH(on_stack); i++, seen++) {
		pid_t pid = clone_on_stack(&on_stack[i], seen, ids);
		expect_clone(&on_stack[i], pid, seen, true, "clone_on_stack,clone_all,main");
		expect_reap(pid);
	}
	for (size_t i = 0; i < LENGTH(raw); i++, seen++) {
		pid_t pid = clone_raw(&raw[i], seen, ids);
		expect_clone(&raw[i], pid, seen, false, "clone_raw,clone_all,main");
		expect_reap(pid);
	}
}

/* With CLONE_PARENT the new process is the caller's brother. A process in between calls it, so that main, and not
 * whoever started main, is the one to reap it. */
static KEEP_FRAME void clone_brother(void)
{
	static const struct clone_case brother = {CLONE_PARENT, SIGCHLD, "fork"};
	struct seen *seen = seen_new(2);
	pid_t *ids = shared_memory(3 * sizeof(*ids));
	pid_t pid = fork();
	if (pid == 0) {
		seen_tell(&seen[0], 0);
		ids[2] = clone_on_stack(&brother, &seen[1], ids);
		expect_clone(&brother, ids[2], &seen[1], true, "clone_on_stack,clone_brother,main");
		_exit(0);
	}
	expect_libc_fork(pid, &seen[0], "clone_brother,main");
	expect_reap(pid);
	expect_reap(ids[2]);
}

int main(void)
{
	expect_begin();
	struct sigaction action = {.sa_handler = count_usr1, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &action, NULL);
	clone_all();
	clone_brother();
	CHECK(usr1_count == 1);
	return expect_end();
}
