/* Forks by `int $0x80`, the kernel's oldest door, which goes by the i386 table of system calls whatever code uses it:
 * this program is built for x86_64, too. */
#include "expect.h"

/* arch/x86/entry/syscalls/syscall_32.tbl */
enum { I386_FORK = 2, I386_CLONE = 120 };

static inline long int80(long number, long first, long second)
{
	long ret;
#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(number), "b"(first), "c"(second), "d"(0L), "S"(0L), "D"(0L)
			 : "r8", "r9", "r10", "r11", "memory");
	ret = (int)ret;
#else
	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(number), "b"(first), "c"(second), "d"(0), "S"(0), "D"(0)
			 : "memory");
#endif
	return ret;
}

static KEEP_FRAME pid_t fork_int80(struct seen *seen)
{
	long ret = int80(I386_FORK, 0, 0);
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

static KEEP_FRAME pid_t clone_int80(struct seen *seen)
{
	long ret = int80(I386_CLONE, CLONE_FILES | SIGCHLD, 0);
	if (ret == 0) {
		seen_tell(seen, ret);
		_exit(0);
	}
	return (pid_t)ret;
}

int main(void)
{
	expect_begin();
	struct seen *seen = seen_new(2);
	pid_t pid = fork_int80(&seen[0]);
	if (CHECK(pid > 0)) {
		EXPECT_FORK(.syscall = "fork", .abi = "i386", .entry = "int80", .ret = pid, .seen = seen_wait(&seen[0]),
			    .stack = "fork_int80,main");
		expect_reap(pid);
	}
	pid = clone_int80(&seen[1]);
	if (CHECK(pid > 0)) {
		EXPECT_FORK(.syscall = "clone", .abi = "i386", .entry = "int80", .ret = pid,
			    .seen = seen_wait(&seen[1]), .flags = CLONE_FILES, .stack = "clone_int80,main");
		expect_reap(pid);
	}
	return expect_end();
}
