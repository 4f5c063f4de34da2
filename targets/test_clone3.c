/* clone3 as a raw system call: its arguments lie in a structure in memory; with flags that do not fit clone's 32 bits,
 * and with a stack of the child's own. */
#include "expect.h"

enum { STACK_SIZE = 64 * 1024 };

static KEEP_FRAME pid_t clone3_plain(struct clone_args *arguments, struct seen *seen)
{
	long ret = syscall(SYS_clone3, arguments, sizeof(*arguments));
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

static _Noreturn void child_main(struct seen *seen)
{
	seen_tell(seen, 0);
	_exit(0);
}

/* The child comes out of the call on an empty stack: it touches registers alone until it calls child_main. */
static KEEP_FRAME pid_t clone3_on_stack(struct clone_args *arguments, struct seen *seen)
{
	long ret;
#ifdef __x86_64__
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%rdx, %%rdi\n\t"
			 "call *%%rbx\n"
			 "1:"
			 : "=a"(ret)
			 : "a"((long)SYS_clone3), "D"(arguments), "S"(sizeof(*arguments)), "d"(seen), "b"(child_main)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80\n\t"
			 "test %%eax, %%eax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "sub $12, %%esp\n\t"
			 "push %%edx\n\t"
			 "call *%%esi\n"
			 "1:"
			 : "=a"(ret)
			 : "a"((long)SYS_clone3), "b"(arguments), "c"(sizeof(*arguments)), "d"(seen), "S"(child_main)
			 : "memory");
#endif
	return (pid_t)ret;
}

static void expect_clone3(const struct clone_args *arguments, pid_t pid, struct seen *seen, const char *stack)
{
	bool vfork = (arguments->flags & CLONE_VFORK) != 0;
	bool sigchld = arguments->exit_signal == SIGCHLD;
	if (!CHECK(pid > 0))
		return;
	EXPECT_FORK(.kind = vfork     ? "vfork"
			    : sigchld ? "fork"
				      : "clone",
		    .syscall = "clone3", .ret = pid, .seen = seen_wait(seen), .flags = arguments->flags,
		    .exit_signal = sigchld ? "SIGCHLD" : "none", .stack = stack, .fresh_stack = arguments->stack != 0);
	expect_reap(pid);
}

int main(void)
{
	static int pidfd = -1;
	static pid_t parent_tid;
	struct clone_args plain[] = {
	    {.exit_signal = SIGCHLD},
	    {.exit_signal = SIGCHLD,
	     .flags = CLONE_PIDFD | CLONE_PARENT_SETTID,
	     .pidfd = (uintptr_t)&pidfd,
	     .parent_tid = (uintptr_t)&parent_tid},
	    {.exit_signal = SIGCHLD, .flags = CLONE_CLEAR_SIGHAND},
	    {.exit_signal = 0, .flags = CLONE_FILES},
	};
	static _Alignas(16) char stack[STACK_SIZE];
	struct clone_args on_stack[] = {
	    {.exit_signal = SIGCHLD},
	    {.exit_signal = SIGCHLD, .flags = CLONE_VM | CLONE_FILES},
	    {.exit_signal = SIGCHLD, .flags = CLONE_VM | CLONE_VFORK},
	};

	expect_begin();
	if (syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS) {
		expect_fork_failed(ENOSYS, "clone3", "main");
		expect_line("skip clone3 is not available");
		return expect_end();
	}
	expect_fork_failed(errno, "clone3", "main"); /* EINVAL: the structure is too small */
	struct seen *seen = seen_new(LENGTH(plain) + LENGTH(on_stack));
	for (size_t i = 0; i < LENGTH(plain); i++, seen++) {
		pid_t pid = clone3_plain(&plain[i], seen);
		expect_clone3(&plain[i], pid, seen, "clone3_plain,main");
		if ((plain[i].flags & CLONE_PARENT_SETTID) != 0)
			CHECK(pidfd >= 0 && parent_tid == pid && close(pidfd) == 0);
	}
	for (size_t i = 0; i < LENGTH(on_stack); i++, seen++) {
		on_stack[i].stack = (uintptr_t)stack;
		on_stack[i].stack_size = sizeof(stack);
		pid_t pid = clone3_on_stack(&on_stack[i], seen);
		expect_clone3(&on_stack[i], pid, seen, "clone3_on_stack,main");
	}
	return expect_end();
}
