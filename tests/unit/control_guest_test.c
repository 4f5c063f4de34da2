/* session/control_guest*.c on a real guest: into the kernel and out of it in both processes, and what is kept where it
 * stands meanwhile. FORKTRACE_GUEST_KERNEL names the kernel. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "skipping.h"

#include "base/memory.h"
#include "forktrace_control.h"
#include "kernel/lineage.h"
#include "session/control_guest.h"
#include "session/guest_session.h"

enum { PATIENCE_MS = 60000, STEPS_MAX = 60 };

static char directory[] = "/tmp/control_guest_test.XXXXXX";
static struct session *session;
static struct control *control;

static void ignore_event(void *context, const struct event *event)
{
	(void)context, (void)event;
}

static void ignore_output(void *context, int fd, const void *bytes, size_t size)
{
	(void)context, (void)fd, (void)bytes, (void)size;
}

static void no_error(struct error *error)
{
	if (error)
		fail_msg("%s", error->message);
}

static void start(const char *program)
{
	struct session_options options = {.follow = FOLLOW_ALL, .control = true, .max_frames = 256};
	struct event_sink sink = {.event = ignore_event};
	struct log log = {0};
	char *arguments[] = {(char *)(uintptr_t)program, NULL}, *environment[] = {NULL};
	_cleanup_free_ char *path = realpath(program, NULL);
	const char *kernel = getenv("FORKTRACE_GUEST_KERNEL");

	if (!kernel)
		skip_because("FORKTRACE_GUEST_KERNEL names no kernel");

	struct guest_request request = {
	    .machine = {.qemu = "/usr/bin/qemu-system-i386", .kernel = kernel, .cache = directory},
	    .program = path,
	    .arguments = arguments,
	    .environment = environment,
	    .directory = "/",
	    .timeout_ms = PATIENCE_MS,
	    .input = -1,
	    .output = ignore_output,
	};

	session = session_create(&options, &sink, &log);
	control = session_control(session);
	no_error(session_start_guest(session, &request));
}

static void wait_for_something(void)
{
	struct pollfd source = {.fd = session_fd(session), .events = POLLIN};

	if (!session_dispatch(session))
		assert_int_equal(poll(&source, 1, PATIENCE_MS), 1);
}

static const struct control_task *wait_held(unsigned id)
{
	while (!control_task(control, id) || control_task(control, id)->state == CONTROL_RUNNING)
		wait_for_something();
	return control_task(control, id);
}

/* Until nothing more comes by itself. */
static void wait_quiet(void)
{
	enum { QUIET_MS = 300 };
	struct pollfd source = {.fd = session_fd(session), .events = POLLIN};

	while (session_dispatch(session) || poll(&source, 1, QUIET_MS))
		;
}

static void wait_done(void)
{
	while (!session_done(session))
		wait_for_something();
}

static void go(unsigned id, enum control_step step)
{
	struct control_request request = {.step = step};

	no_error(control_go(control, id, &request));
}

static void run_to(unsigned id, const char *what)
{
	struct control_request request = {.step = CONTROL_RUN_TO};
	struct control_place place;

	no_error(control_find(control, id, what, &place));
	request.address = place.address;
	no_error(control_go(control, id, &request));
	wait_held(id);
}

static const struct stack *stack_of(unsigned id)
{
	const struct stack *stack;

	no_error(control_stack(control, id, &stack));
	return stack;
}

static struct registers registers_of(unsigned id)
{
	struct registers registers;

	no_error(control_registers(control, id, &registers));
	return registers;
}

static bool is_on_stack(unsigned id, const char *function)
{
	const struct stack *stack = stack_of(id);

	for (size_t i = 0; i < stack->count; i++) {
		if (stack->frames[i].symbol && !strcmp(stack->frames[i].symbol, function))
			return true;
	}
	return false;
}

static bool is_out(unsigned id)
{
	return control_task(control, id)->state == CONTROL_HELD && !control_task(control, id)->in_kernel;
}

/* Each that stands in the kernel is led out of it, function by function; whichever the scheduler lets run first. */
static void lead_out(void)
{
	for (int steps = 0; !(is_out(1) && is_out(2)); steps++) {
		assert_true(steps < STEPS_MAX);
		for (unsigned id = 1; id <= 2; id++) {
			if (control_task(control, id)->state == CONTROL_HELD && control_task(control, id)->in_kernel)
				go(id, CONTROL_FINISH);
		}
		/* Until one is held in the kernel, or both are out. */
		while (!(is_out(1) && is_out(2)) && !control_task(control, 1)->in_kernel &&
		       !control_task(control, 2)->in_kernel)
			wait_for_something();
	}
}

/* A stage of a fork, as this kernel calls it. */
static const char *stage_function(enum stage stage)
{
	const char *name = NULL;
	uint64_t address;

	assert_true(lineage_find(control->machine->follow->symbols, stage, STAGE_ENTRY_SYSENTER, 0, &address, &name));
	return name;
}

static void through_the_kernel(void **state)
{
	uint64_t pad;

	(void)state;
	start("build/targets/i386/test_fork");
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_START);
	assert_string_equal(stack_of(1)->frames[0].symbol, "main");
	run_to(1, "_Fork");
	go(1, CONTROL_INTO_KERNEL);
	assert_true(wait_held(1)->in_kernel);
	assert_string_equal(stack_of(1)->frames[0].symbol, stage_function(STAGE_ENTRY));
	assert_true(is_on_stack(1, "main"));
	assert_int_equal(control_task(control, 1)->kernel_frames, 1);
	assert_int_equal(control_task(control, 1)->entry, ENTRY_SYSENTER);
	pad = stack_of(1)->frames[1].pc;

	run_to(1, stage_function(STAGE_WORKER));
	assert_string_equal(stack_of(1)->frames[0].symbol, stage_function(STAGE_WORKER));
	/* Up to 4.3 the entry calls the handler by itself. */
	assert_true(control_task(control, 1)->kernel_frames >
		    (strcmp(stage_function(STAGE_ENTRY), "entry_SYSENTER_32") ? 2 : 4));
	assert_int_equal(stack_of(1)->frames[control_task(control, 1)->kernel_frames].pc, pad);
	run_to(1, "wake_up_new_task");
	assert_int_equal(control_task(control, 2)->state, CONTROL_RUNNING);
	lead_out();

	for (unsigned id = 1; id <= 2; id++) {
		struct registers registers = registers_of(id);

		assert_int_equal(registers_pc(&registers), pad);
		assert_int_equal(registers_result(&registers), id == 1 ? control_task(control, 2)->pid : 0);
		assert_int_equal(control_task(control, id)->ret, registers_result(&registers));
	}
	control_continue_all(control);
	wait_done();
	assert_int_equal(control_task(control, 1)->status, 0);
	assert_int_equal(control_task(control, 2)->status, 7);
}

/* What is kept while the other goes on, its registers and its memory, is what it was. */
static void is_kept(void **state)
{
	struct registers before, after;
	uint32_t words[2];
	size_t got;

	(void)state;
	start("build/targets/i386/test_fork");
	wait_held(1);
	go(1, CONTROL_RUN_TO_FORK);
	assert_int_equal(wait_held(1)->stop, CONTROL_STOP_FORK);
	assert_int_equal(wait_held(2)->stop, CONTROL_STOP_BORN);
	before = registers_of(2);
	no_error(control_read(control, 2, registers_sp(&before), &words[0], sizeof(words[0]), &got));
	for (int i = 0; i < 3; i++) {
		go(1, CONTROL_FINISH);
		assert_int_equal(wait_held(1)->stop, CONTROL_STOP_STEP);
	}
	assert_int_equal(control_task(control, 2)->stops, 1);
	after = registers_of(2);
	assert_memory_equal(&before, &after, sizeof(before));
	no_error(control_read(control, 2, registers_sp(&after), &words[1], sizeof(words[1]), &got));
	assert_int_equal(got, sizeof(words[1]));
	assert_int_equal(words[0], words[1]);
	/* And it goes on from there. */
	go(2, CONTROL_STEP_INSTRUCTION);
	wait_held(2);
	after = registers_of(2);
	assert_int_equal(registers_pc(&after), registers_pc(&before) + 1); /* pop %ebp */
	assert_int_equal(registers_sp(&after), registers_sp(&before) + 4);
	control_continue_all(control);
	wait_done();
	assert_int_equal(control_task(control, 1)->status, 0);
	assert_int_equal(control_task(control, 2)->status, 7);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	if (!session)
		return 0;
	control_kill_all(control);
	session_end(session);
	session_destroy(session);
	session = NULL;
	return 0;
}

static int clean_up(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* One that is kept is let go while the machine runs, and nothing else stops that: its parent waits for its end. */
static void is_let_go_while_the_other_runs(void **state)
{
	(void)state;
	start("build/targets/i386/test_fork");
	wait_held(1);
	go(1, CONTROL_RUN_TO_FORK);
	wait_held(1);
	wait_held(2);
	go(1, CONTROL_FINISH);
	wait_held(1);
	no_error(control_continue(control, 1));
	wait_quiet();
	assert_true(gdbstub_running(control->machine->follow->stub));
	no_error(control_continue(control, 2));
	/* It is stopped, to be told where the child wakes. */
	assert_false(gdbstub_running(control->machine->follow->stub));
	wait_done();
	assert_int_equal(control_task(control, 1)->status, 0);
	assert_int_equal(control_task(control, 2)->status, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(through_the_kernel, tear_down),
	    cmocka_unit_test_teardown(is_kept, tear_down),
	    cmocka_unit_test_teardown(is_let_go_while_the_other_runs, tear_down),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
