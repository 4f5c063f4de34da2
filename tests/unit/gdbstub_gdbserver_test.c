/* target/gdbstub*.c against gdbserver. */
#include "target/gdbstub.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "skipping.h"

#include "base/memory.h"
#include "gdbstub_real.h"

/* What the program under gdbserver is made to do: this very test, with an argument. */
static char playing[] = "--play";
static char self[4096];

/* Two calls of one function, and a value in memory. Not inlined and not merged: their addresses are looked for. */
__attribute__((noinline)) static int play_called(int value)
{
	__asm__ volatile("" ::: "memory");
	return value + 1;
}

static uint64_t play_value = 0x1122334455667788;

static int play(const char *how)
{
	int result = play_called(4);

	result = play_called(result);
	if (!strcmp(how, "kill"))
		raise(SIGKILL);
	if (!strcmp(how, "signal")) {
		signal(SIGUSR1, _exit);
		raise(SIGUSR1);
	}

	/* Another process may have changed it. */
	uint64_t value = *(volatile uint64_t *)&play_value;

	return result + (value == 0x1122334455667788 ? 0 : 100);
}

static void start_gdbserver(struct peer *peer, char *program, const char *how)
{
	int pair[2];
	_cleanup_free_ char *argument = memory_strdup(how);
	char *arguments[] = {"gdbserver", "--once", "-", program, playing, argument, NULL};

	if (!is_installed("gdbserver"))
		skip_because("gdbserver is not installed");
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	peer->fd = pair[0];
	start(peer, arguments, pair[1]);
	no_error(gdbstub_create(peer->fd, &(struct log){0}, &peer->stub));
}

/* gdbserver names threads by their ids. */
static long pid_of(const struct peer *peer)
{
	return strtol(peer->stub->thread, NULL, 16);
}

/* Where something of this file lies in the program: both have it mapped, at different places. */
static uint64_t play_address(const struct peer *peer, const void *here)
{
	char path[64], line[4608];
	uint64_t ours = 0, theirs = 0;
	uint64_t *bases[] = {&ours, &theirs};
	long pids[] = {getpid(), pid_of(peer)};

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%ld/maps", pids[i]);

		_cleanup_file_ FILE *maps = fopen(path, "re");

		assert_non_null(maps);
		while (!*bases[i] && fgets(line, sizeof(line), maps)) {
			if (strstr(line, self))
				*bases[i] = strtoull(line, NULL, 16);
		}
		assert_int_not_equal(*bases[i], 0);
	}
	return (uint64_t)(uintptr_t)here - ours + theirs;
}

static void hits_a_breakpoint_twice(void **state)
{
	struct peer peer;
	struct gdbstub_stop stop;

	(void)state;
	start_gdbserver(&peer, self, "exit");
	assert_int_equal(gdbstub_abi(peer.stub), ABI_X86_64);

	uint64_t address = play_address(&peer, (const void *)play_called);

	no_error(gdbstub_breakpoint_add(peer.stub, address));
	assert_true(gdbstub_breakpoint_at(peer.stub, address));
	for (unsigned value = 4; value < 6; value++) {
		uint64_t rdi;

		resume_to_stop(&peer, &stop);
		assert_int_equal(stop.kind, GDBSTUB_STOP_SIGNAL);
		assert_int_equal(stop.number, 5);
		assert_int_equal(pc_of(&peer), address);
		no_error(gdbstub_register(peer.stub, "rdi", &rdi));
		assert_int_equal(rdi, value);
	}
	assert_int_equal(peer.stub->passing, GDBSTUB_PASSING_NO);
	no_error(gdbstub_step(peer.stub, &stop));
	assert_int_not_equal(pc_of(&peer), address);
	no_error(gdbstub_breakpoint_remove(peer.stub, address));
	resume_to_stop(&peer, &stop);
	assert_int_equal(stop.kind, GDBSTUB_STOP_EXITED);
	assert_int_equal(stop.number, 6);
	end(&peer);
}

static void steps_from_a_breakpoint(void **state)
{
	struct peer peer;
	struct gdbstub_stop stop;

	(void)state;
	start_gdbserver(&peer, self, "exit");

	uint64_t address = play_address(&peer, (const void *)play_called);
	uint64_t before;

	no_error(gdbstub_breakpoint_add(peer.stub, address));
	resume_to_stop(&peer, &stop);
	before = pc_of(&peer);
	no_error(gdbstub_step(peer.stub, &stop));
	assert_int_equal(stop.number, 5);
	assert_in_range(pc_of(&peer), before + 1, before + 15);
	/* It was taken out for the step, and is there again. */
	resume_to_stop(&peer, &stop);
	assert_int_equal(pc_of(&peer), address);
	end(&peer);
}

static void reads_and_writes_memory(void **state)
{
	struct peer peer;
	struct gdbstub_stop stop;
	uint64_t value = 1, one = 1;
	uint8_t code[16];

	(void)state;
	start_gdbserver(&peer, self, "exit");

	uint64_t function = play_address(&peer, (const void *)play_called);
	uint64_t data = play_address(&peer, (const void *)&play_value);

	no_error(gdbstub_breakpoint_add(peer.stub, function));
	resume_to_stop(&peer, &stop);
	no_error(gdbstub_read(peer.stub, function, code, sizeof(code)));
	assert_memory_equal(code, (const void *)play_called, sizeof(code));
	no_error(gdbstub_read(peer.stub, data, &value, sizeof(value)));
	assert_int_equal(value, play_value);
	no_error(gdbstub_write(peer.stub, data, &one, sizeof(one)));
	no_error(gdbstub_read(peer.stub, data, &value, sizeof(value)));
	assert_int_equal(value, 1);
	assert_ptr_equal(gdbstub_read(peer.stub, 8, &value, sizeof(value)), &error_fault);
	assert_ptr_equal(gdbstub_write(peer.stub, 8, &value, sizeof(value)), &error_fault);
	no_error(gdbstub_breakpoint_remove(peer.stub, function));
	resume_to_stop(&peer, &stop);
	assert_int_equal(stop.kind, GDBSTUB_STOP_EXITED);
	assert_int_equal(stop.number, 106);
	end(&peer);
}

/* The kernel's own view of a stopped process: "-1 0xSP 0xPC" where it is in no system call, else with the number and
 * six arguments (proc(5), /proc/PID/syscall). */
static void assert_kernel_agrees(const struct peer *peer, const struct registers *registers)
{
	char path[64], line[256], *at = line;
	uint64_t last = 0, before = 0;

	snprintf(path, sizeof(path), "/proc/%ld/syscall", pid_of(peer));

	_cleanup_file_ FILE *file = fopen(path, "re");

	if (!file || !fgets(line, sizeof(line), file))
		return; /* not built in, or not for us */
	for (; *at; at++) {
		if (!strncmp(at, "0x", 2)) {
			before = last;
			last = strtoull(at, NULL, 16);
		}
	}
	assert_int_equal(registers_sp(registers), before);
	/* gdbserver sets the pc back before a breakpoint when it resumes, not sooner. */
	assert_in_range(last, registers_pc(registers), registers_pc(registers) + 1);
}

/* Registers against what the program is known to have: its arguments, its stack, the file's entry. */
static void reads_and_writes_registers(void **state)
{
	struct peer peer;
	struct gdbstub_stop stop;
	struct registers registers, after;
	struct error *error;
	uint64_t value, top;

	(void)state;
	start_gdbserver(&peer, self, "exit");

	uint64_t address = play_address(&peer, (const void *)play_called);

	no_error(gdbstub_breakpoint_add(peer.stub, address));
	resume_to_stop(&peer, &stop);
	no_error(gdbstub_registers(peer.stub, &registers));
	assert_int_equal(registers.abi, ABI_X86_64);
	assert_int_equal(registers.known, (1U << 17) - 1);
	assert_int_equal(registers.cs, 0x33);
	assert_true(registers.flags & 2); /* always set */
	assert_kernel_agrees(&peer, &registers);
	assert_true(registers.original_result == UINT64_MAX);
	no_error(gdbstub_read(peer.stub, registers_sp(&registers), &top, sizeof(top)));
	assert_in_range(top, play_address(&peer, (const void *)play), play_address(&peer, (const char *)play + 512));
	no_error(gdbstub_set_register(peer.stub, "rdi", 41));
	no_error(gdbstub_registers(peer.stub, &after));
	assert_int_equal(after.value[5], 41);
	registers.value[5] = 41;
	assert_memory_equal(&after, &registers, sizeof(after));
	no_error(gdbstub_register(peer.stub, "fs_base", &value));
	assert_int_not_equal(value, 0);
	error = gdbstub_register(peer.stub, "cr3", &value);
	assert_non_null(error);
	assert_int_equal(error->code, ERROR_NOT_FOUND);
	error_destroy(error);
	error = gdbstub_register(peer.stub, "xmm0", &value);
	assert_non_null(error);
	assert_int_equal(error->code, ERROR_UNSUPPORTED);
	error_destroy(error);
	no_error(gdbstub_breakpoint_remove(peer.stub, address));
	resume_to_stop(&peer, &stop);
	assert_int_equal(stop.number, 43);
	end(&peer);
}

static bool runs_here(char *program)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int quiet = open("/dev/null", O_RDWR);

		dup2(quiet, 1);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) != pid)
		assert_int_equal(errno, EINTR);
	return status == 0;
}

/* A 64-bit gdbserver describes what its program is. Skipped where the kernel runs no 32-bit programs. */
static void reads_an_i386_program(void **state)
{
	static char program[] = "build/targets/i386/test_fork";
	struct peer peer;
	struct gdbstub_stop stop;
	struct registers registers, after;

	(void)state;
	if (!runs_here(program))
		skip_because("this kernel runs no 32-bit programs (IA-32 emulation is off)");
	start_gdbserver(&peer, program, "");
	assert_int_equal(gdbstub_abi(peer.stub), ABI_I386);
	no_error(gdbstub_registers(peer.stub, &registers));
	assert_int_equal(registers.abi, ABI_I386);
	assert_int_equal(registers.known, (1U << 9) - 1);
	assert_int_equal(registers.cs, 0x23);
	assert_kernel_agrees(&peer, &registers);
	no_error(gdbstub_step(peer.stub, &stop));
	no_error(gdbstub_registers(peer.stub, &after));
	assert_int_not_equal(registers_pc(&after), registers_pc(&registers));
	resume_to_stop(&peer, &stop);
	end(&peer);
}

static void tells_a_killed_program(void **state)
{
	struct peer peer;
	struct gdbstub_stop stop;

	(void)state;
	start_gdbserver(&peer, self, "kill");
	resume_to_stop(&peer, &stop);
	assert_int_equal(stop.kind, GDBSTUB_STOP_KILLED);
	assert_int_equal(stop.number, SIGKILL);

	struct error *error = gdbstub_resume(peer.stub);

	assert_non_null(error);
	assert_int_equal(error->code, ERROR_GONE);
	error_destroy(error);
	end(&peer);
}

static void delivers_the_programs_signals(void **state)
{
	struct peer peer;
	struct gdbstub_stop stop;

	(void)state;
	start_gdbserver(&peer, self, "signal");
	resume_to_stop(&peer, &stop);
	assert_int_equal(stop.kind, GDBSTUB_STOP_SIGNAL);
	assert_int_equal(stop.number, 30); /* GDB's number of SIGUSR1 */
	resume_to_stop(&peer, &stop);
	assert_int_equal(stop.kind, GDBSTUB_STOP_EXITED);
	assert_int_equal(stop.number, SIGUSR1);
	end(&peer);
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hits_a_breakpoint_twice),       cmocka_unit_test(steps_from_a_breakpoint),
	    cmocka_unit_test(reads_and_writes_memory),       cmocka_unit_test(reads_and_writes_registers),
	    cmocka_unit_test(reads_an_i386_program),         cmocka_unit_test(tells_a_killed_program),
	    cmocka_unit_test(delivers_the_programs_signals),
	};

	if (count == 3 && !strcmp(arguments[1], playing))
		_exit(play(arguments[2])); /* a leak checker cannot work under ptrace */
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
