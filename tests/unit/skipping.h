/* Skipping a test with the reason that tests/check.py shows: cmocka's skip takes none. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_SKIPPING_H
#define FORKTRACE_TESTS_UNIT_SKIPPING_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void skip_because(const char *reason)
{
	print_message("# skip: %s\n", reason);
	skip();
}

#ifdef __x86_64__
/* Ends a test that needs 32-bit programs, 32-bit code or int $0x80 where the kernel has none of them, as with
 * ia32_emulation=off (arch/x86/include/asm/ia32.h, ia32_enabled). Known by asking for the pid in this way. */
static inline void need_ia32_emulation(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		long pid = 20; /* getpid, arch/x86/entry/syscalls/syscall_32.tbl */

		signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the tests, here too */
		__asm__ volatile("int $0x80" : "+a"(pid)::"memory", "r8", "r9", "r10", "r11");
		_exit(pid != getpid());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		skip_because("this kernel runs no 32-bit programs (IA-32 emulation is off)");
}
#endif

#endif
