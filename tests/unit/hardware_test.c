/* The processor's breakpoints: on a process of the test's own, where this machine has them; and what is told of a hit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "target/hardware.h"
#include "tests/unit/skipping.h"

static volatile uint64_t watched;

__attribute__((noinline)) static void change(void)
{
	watched++;
}

/* A child that changes the variable once when it is let go on. */
static pid_t start_changer(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		change();
		_exit((int)watched);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void stops_at(enum hardware_kind kind, uint64_t wanted, unsigned size)
{
	siginfo_t info;
	uint64_t address = 0;
	int status, fd;
	pid_t child = start_changer();
	struct error *error = hardware_open(child, kind, wanted, size, &fd);

	if (error) {
		char reason[256];

		snprintf(reason, sizeof(reason), "%s", error->message);
		error_destroy(error);
		end(child);
		skip_because(reason);
	}
	assert_int_equal(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	assert_int_equal(ptrace(PTRACE_GETSIGINFO, child, NULL, &info), 0);
	assert_true(hardware_hit(&info, &address));
	assert_true(address == wanted);
	/* It goes on over it, and lives when the breakpoint is gone. */
	close(fd);
	assert_int_equal(ptrace(PTRACE_CONT, child, NULL, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void before_an_instruction(void **state)
{
	(void)state;
	stops_at(HARDWARE_EXECUTE, (uint64_t)(uintptr_t)change, 1);
}

static void behind_a_write(void **state)
{
	(void)state;
	stops_at(HARDWARE_WRITE, (uint64_t)(uintptr_t)&watched, sizeof(watched));
}

static void tells_hits_from_other_traps(void **state)
{
	siginfo_t info = {.si_signo = SIGTRAP, .si_code = 6};
	unsigned long data = 0x1234;
	uint64_t address = 0;

	(void)state;
	memcpy((char *)&info + offsetof(siginfo_t, si_addr) + sizeof(void *), &data, sizeof(data));
	assert_true(hardware_hit(&info, &address));
	assert_int_equal(address, 0x1234);
	info.si_code = 2;
	assert_false(hardware_hit(&info, &address));
	info.si_code = 6;
	info.si_signo = SIGCHLD;
	assert_false(hardware_hit(&info, &address));
}

static void refuses_without_a_descriptor(void **state)
{
	int fd = 0;
	struct error *error = hardware_open(-4, HARDWARE_WRITE, 0x1000, 4, &fd);

	(void)state;
	assert_non_null(error);
	assert_true(strlen(error->message) > 0);
	assert_int_equal(fd, -1);
	error_destroy(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(before_an_instruction),
	    cmocka_unit_test(behind_a_write),
	    cmocka_unit_test(tells_hits_from_other_traps),
	    cmocka_unit_test(refuses_without_a_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
