/* session/control*.c on real programs: holding, stepping, both sides of a fork, breakpoints, letting go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/uio.h>

#include "tests/unit/control_fixture.h"

static void test_start_at_main(void **state)
{
	(void)state;
	start(TARGETS "test_fork", NULL);
	assert_int_equal(wait_held(1)->state, CONTROL_HELD);
	assert_int_equal(task(1)->stop, CONTROL_STOP_START);
	assert_string_equal(function_of(1), "main");
	assert_int_equal(stack_of(1)->frames[0].offset, 0);
	assert_string_equal(task(1)->comm, "test_fork");
	no_error(control_continue(control, 1));
	wait_all_ended();
	assert_int_equal(task(1)->state, CONTROL_ENDED);
	assert_int_equal(task(1)->status, 0);
	/* The child ran freely, as its parent did. */
	assert_int_equal(task(2)->state, CONTROL_ENDED);
	assert_int_equal(task(2)->status, 7);
	assert_int_equal(task(2)->parent, 1);
}

static void test_both_sides_of_a_fork(void **state)
{
	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);
	go(1, CONTROL_RUN_TO_FORK);
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_FORK);
	assert_int_equal(wait_held(2)->stop, CONTROL_STOP_BORN);
	assert_true(task(1)->ret_known && task(2)->ret_known);
	assert_int_equal(task(1)->ret, task(2)->pid);
	assert_int_equal(task(2)->ret, 0);
	assert_int_equal(result_of(1), task(2)->pid);
	assert_int_equal(result_of(2), 0);
	assert_int_equal(pc_of(1), pc_of(2));
	assert_int_equal(stack_of(1)->count, stack_of(2)->count);

	/* Each goes up to main by itself, the other standing still. */
	for (unsigned id = 2; id >= 1; id--) {
		uint64_t other = pc_of(3 - id);

		while (strcmp(function_of(id), "spawn_child") != 0) {
			go(id, CONTROL_FINISH);
			assert_int_equal(wait_held(id)->stop, CONTROL_STOP_STEP);
		}
		assert_int_equal(result_of(id), id == 1 ? task(2)->pid : 0);
		assert_int_equal(pc_of(3 - id), other);
	}
	control_continue_all(control);
	wait_all_ended();
	assert_int_equal(task(1)->status, 0);
	assert_int_equal(task(2)->status, 7);
}

static void test_instructions(void **state)
{
	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);
	for (int i = 0; i < 2000; i++) {
		struct registers before, after;

		no_error(control_registers(control, 1, &before));
		go(1, CONTROL_STEP_INSTRUCTION);
		assert_int_equal(wait_held(1)->stop, CONTROL_STOP_STEP);
		assert_int_equal(task(1)->stops, (unsigned long)i + 2);
		no_error(control_registers(control, 1, &after));
		assert_memory_not_equal(&before, &after, sizeof(before));
	}
	no_error(control_continue(control, 1));
	wait_all_ended();
	assert_int_equal(task(1)->status, 0);
}

static void test_breakpoint_is_inherited(void **state)
{
	int number, taken;
	size_t count, got;
	uint8_t bytes[4];

	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);
	no_error(control_breakpoint_toggle(control, 1, "waitpid", &number));
	assert_int_equal(number, 1);
	no_error(control_breakpoint_toggle(control, 1, "_exit", &number));
	assert_int_equal(number, 2);
	assert_int_equal(control_breakpoints(control, &count)[1].number, 2);
	assert_int_equal(count, 2);
	no_error(control_continue(control, 1));
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_BREAKPOINT);
	assert_int_equal(task(1)->number, 1);
	assert_non_null(strstr(function_of(1), "waitpid"));
	assert_int_equal(control_breakpoint_at(control, 1, pc_of(1)), 1);
	/* It is not seen in the memory. */
	no_error(control_read(control, 1, pc_of(1), bytes, sizeof(bytes), &got));
	assert_int_equal(got, 4);
	assert_int_not_equal(bytes[0], 0xcc);
	/* The child ran into the other one. */
	assert_int_equal(wait_held(2)->stop, CONTROL_STOP_BREAKPOINT);
	assert_int_equal(task(2)->number, 2);
	no_error(control_breakpoint_toggle(control, 2, "_exit", &taken));
	assert_int_equal(taken, -2);
	control_continue_all(control);
	wait_all_ended();
	assert_int_equal(task(1)->status, 0);
	assert_int_equal(task(2)->status, 7);
}

/* A process that is let go has no breakpoint left that could kill it. */
static void test_let_go(void **state)
{
	int number;

	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);
	no_error(control_breakpoint_toggle(control, 1, "_exit", &number));
	no_error(control_breakpoint_toggle(control, 1, "waitpid", &number));
	go(1, CONTROL_RUN_TO_FORK);
	wait_held(1);
	wait_held(2);

	pid_t child = task(2)->pid;

	no_error(control_detach(control, 2));
	assert_int_equal(task(2)->state, CONTROL_LET_GO);
	for (int hit = 2; hit >= 1; hit--) {
		no_error(control_continue(control, 1));
		assert_int_equal(wait_held(1)->stop, CONTROL_STOP_BREAKPOINT);
		assert_int_equal(task(1)->number, hit);
	}
	no_error(control_continue(control, 1));
	wait_all_ended();
	/* The program looks at its child's status, and fails where that is not 7. */
	assert_int_equal(task(1)->status, 0);
	assert_true(child > 0);
}

static void test_vfork_waits(void **state)
{
	(void)state;
	start(TARGETS "test_vfork", NULL);
	wait_held(1);
	go(1, CONTROL_RUN_TO_FORK);
	assert_int_equal(wait_held(2)->stop, CONTROL_STOP_BORN);
	assert_int_equal(task(1)->state, CONTROL_RUNNING);
	assert_true(task(1)->in_vfork);
	no_error(control_continue(control, 2));
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_FORK);
	assert_int_equal(task(1)->ret, task(2)->pid);
	assert_int_equal(result_of(1), task(2)->pid);
	no_error(control_continue(control, 1));
	wait_all_ended();
	assert_int_equal(task(1)->status, 0);
}

static uint8_t memory_byte(pid_t pid, uint64_t address, const uint8_t *written)
{
	char path[32];
	uint8_t byte = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);

	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)address), 1);
	if (written)
		assert_int_equal(pwrite(fd, written, 1, (off_t)address), 1);
	close(fd);
	return byte;
}

/* A child that shares its parent's memory executes another program while it was on its way to a breakpoint there. */
static void test_exec_leaves_shared_memory_clean(void **state)
{
	struct control_request request = {.step = CONTROL_RUN_TO};
	struct control_place place;
	uint8_t original;

	(void)state;
	start(TARGETS "test_vfork", NULL);
	wait_held(1);
	no_error(control_find(control, 1, "main", &place));
	request.address = place.address;
	original = memory_byte(task(1)->pid, place.address, NULL);
	go(1, CONTROL_RUN_TO_FORK);
	wait_held(2);
	no_error(control_continue(control, 2));
	wait_held(1);
	go(1, CONTROL_RUN_TO_FORK);
	wait_held(3);
	no_error(control_go(control, 3, &request));
	assert_int_equal(memory_byte(task(1)->pid, place.address, NULL), 0xcc);
	assert_int_equal(wait_held(3)->stop, CONTROL_STOP_EXEC);
	assert_int_equal(memory_byte(task(1)->pid, place.address, NULL), original);
	control_continue_all(control);
	wait_held(1);
	control_continue_all(control);
	wait_all_ended();
	assert_int_equal(task(1)->status, 0);
}

/* The program's own int3 where one of ours stood once. */
static void test_own_int3(void **state)
{
	static const uint8_t int3 = 0xcc;
	struct control_place place;
	int number;

	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);
	no_error(control_find(control, 1, "spawn_child", &place));
	assert_false(place.variable);
	no_error(control_breakpoint_toggle(control, 1, "spawn_child", &number));
	no_error(control_breakpoint_toggle(control, 1, "spawn_child", &number));
	memory_byte(task(1)->pid, place.address, &int3);
	no_error(control_continue(control, 1));
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_SIGNAL);
	assert_int_equal(task(1)->number, SIGTRAP);
}

/* The pointer that expect_begin, the program's first call, sets. */
static void test_variable(void **state)
{
	struct control_place place;
	uint64_t before = 1, after = 0;
	size_t got;
	int number;

	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);
	no_error(control_find(control, 1, "test_fork:expect_totals", &place));
	assert_true(place.variable);
	no_error(control_read(control, 1, place.address, &before, sizeof(before), &got));
	no_error(control_breakpoint_toggle(control, 1, "spawn_child", &number));
	no_error(control_continue(control, 1));
	wait_held(1);
	no_error(control_read(control, 1, place.address, &after, sizeof(after), &got));
	assert_int_equal(before, 0);
	assert_int_not_equal(after, 0);
}

static void test_misuse(void **state)
{
	struct control_request request = {.step = CONTROL_STEP_INSTRUCTION};
	struct control_place place;
	int number;

	(void)state;
	start(TARGETS "test_fork", NULL);
	wait_held(1);

	struct error *error = control_go(control, 9, &request);

	assert_non_null(strstr(error->message, "there is no process 9"));
	error_destroy(error);
	error = control_find(control, 1, "no_such_thing", &place);
	assert_non_null(strstr(error->message, "'no_such_thing'"));
	error_destroy(error);
	error = control_breakpoint_toggle(control, 1, "expect_totals", &number);
	assert_non_null(strstr(error->message, "'expect_totals' is a variable"));
	error_destroy(error);
	error = control_breakpoint_toggle(control, 1, "0x10", &number);
	assert_non_null(strstr(error->message, "nothing can be written there"));
	error_destroy(error);
	no_error(control_continue(control, 1));
	error = control_continue(control, 1);
	assert_non_null(strstr(error->message, "runs: interrupt it first"));
	error_destroy(error);
	wait_all_ended();
	error = control_continue(control, 1);
	assert_non_null(strstr(error->message, "has ended"));
	error_destroy(error);
}

static void test_interrupt(void **state)
{
	(void)state;
	start("/bin/sleep", "1000");
	wait_held(1);
	no_error(control_continue(control, 1));
	no_error(control_interrupt(control, 1));
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_INTERRUPT);
}

/* A breakpoint is out of the memory while one thread steps off it: the other does not slip through. */
static void test_no_thread_slips_through(void **state)
{
	enum { HITS = 600 };
	unsigned long hits = 0;
	int number;

	(void)state;
	start("build/tests/x86_64/busy_threads", NULL);
	wait_held(1);
	no_error(control_breakpoint_toggle(control, 1, "touched", &number));
	no_error(control_continue(control, 1));
	while (!session_done(session)) {
		for (unsigned id = 1; task(id); id++) {
			if (task(id)->state != CONTROL_HELD)
				continue;
			assert_int_equal(task(id)->stop, CONTROL_STOP_BREAKPOINT);
			hits++;
			no_error(control_continue(control, id));
		}
		wait_for_stops();
	}
	assert_int_equal(hits, HITS);
}

static void test_programs_are_held(void **state)
{
	(void)state;
	/* Without being asked to, an exec is passed by; asked to, each program is held at its start. */
	for (int asked = 0; asked < 2; asked++) {
		start(TARGETS "test_vfork", NULL);
		wait_held(1);
		if (asked)
			control_hold_programs(control);
		no_error(control_continue(control, 1));
		while (asked && task(3) == NULL)
			wait_for_stops();
		if (asked) {
			assert_int_equal(wait_held(3)->stop, CONTROL_STOP_START);
			assert_string_equal(function_of(3), "main");
			no_error(control_continue(control, 3));
		}
		wait_all_ended();
		assert_int_equal(task(1)->status, 0);
		session_end(session);
		session_destroy(session);
		session = NULL;
		close(child_signals);
	}
}

/* Lets it run to where `what` is, which is looked for whenever libraries have come or gone. */
static void run_to_loaded(const char *what)
{
	struct control_place place;
	int number, hook = 0;
	bool found = false;

	no_error(control_breakpoint_toggle(control, 1, "_dl_debug_state", &hook));
	while (!found) {
		no_error(control_continue(control, 1));
		assert_int_equal(wait_held(1)->state, CONTROL_HELD);

		struct error *error = control_find(control, 1, what, &place);

		found = !error;
		error_destroy(error);
	}
	no_error(control_breakpoint_delete(control, hook));
	if (!control_breakpoint_at(control, 1, place.address))
		no_error(control_breakpoint_toggle(control, 1, what, &number));
	no_error(control_continue(control, 1));
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_BREAKPOINT);
	assert_int_equal(pc_of(1), place.address);
}

/* A library goes with the breakpoint in it, and another comes, likely to where it was. */
static void test_library_is_replaced(void **state)
{
	uint8_t there, seen;
	size_t got;

	(void)state;
	start(TARGETS "test_dlopen", NULL);
	wait_held(1);
	run_to_loaded("plugin_fork_first");

	uint64_t first = pc_of(1);

	run_to_loaded("plugin_fork_second");

	struct iovec local = {&there, 1}, remote = {(void *)(uintptr_t)first, 1};

	/* The first one's breakpoint went with it: what is read there now is what stands there. */
	assert_int_equal(control_breakpoint_at(control, 1, first), 0);
	if (process_vm_readv(task(1)->pid, &local, 1, &remote, 1, 0) == 1) {
		no_error(control_read(control, 1, first, &seen, 1, &got));
		assert_int_equal(seen, there);
	}
	control_continue_all(control);
	wait_all_ended();
	assert_false(task(1)->signaled);
	assert_int_equal(task(1)->status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_start_at_main, tear_down),
	    cmocka_unit_test_teardown(test_both_sides_of_a_fork, tear_down),
	    cmocka_unit_test_teardown(test_instructions, tear_down),
	    cmocka_unit_test_teardown(test_breakpoint_is_inherited, tear_down),
	    cmocka_unit_test_teardown(test_let_go, tear_down),
	    cmocka_unit_test_teardown(test_vfork_waits, tear_down),
	    cmocka_unit_test_teardown(test_exec_leaves_shared_memory_clean, tear_down),
	    cmocka_unit_test_teardown(test_own_int3, tear_down),
	    cmocka_unit_test_teardown(test_programs_are_held, tear_down),
	    cmocka_unit_test_teardown(test_library_is_replaced, tear_down),
	    cmocka_unit_test_teardown(test_variable, tear_down),
	    cmocka_unit_test_teardown(test_misuse, tear_down),
	    cmocka_unit_test_teardown(test_interrupt, tear_down),
	    cmocka_unit_test_teardown(test_no_thread_slips_through, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
