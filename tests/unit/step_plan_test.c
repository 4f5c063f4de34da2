/* step/ where it goes its own way, or where no other debugger is needed to know what is right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "skipping.h"
#include "stack_fixture.h"

#if defined(__x86_64__)

#include "step_fixture.h"

#define PROGRAM(variant) "build/tests/x86_64/step_target." variant

static const char *const plain[] = {PROGRAM("o0"), NULL};
static const char *const optimised[] = {PROGRAM("o2"), NULL};

static uint64_t stepped_sp(const struct stepped *stepped)
{
	struct registers registers = read_registers(stepped->pid);

	return registers_sp(&registers);
}

/* Starts the program and takes it to the body of a function. */
static void start_in(struct stepped *stepped, const char *const *arguments, const char *function)
{
	struct step_line line;
	uint64_t address;

	stepped_start(stepped, arguments);
	address = address_of(stepped, function);
	assert_int_not_equal(address, 0);
	assert_true(view_line(stepped, address, &line));
	assert_int_equal(line.place.function, address);
	assert_int_equal(do_step(stepped, STEP_RUN_TO, 0, line.place.body).kind, STEP_DONE);
	assert_int_equal(stepped_pc(stepped), line.place.body);
	stepped->handler = address_of(stepped, "handler");
}

static int line_here(struct stepped *stepped)
{
	struct step_line line;

	return view_line(stepped, stepped_pc(stepped), &line) ? line.place.line : 0;
}

/* --- signals ----------------------------------------------------------------------------------------------------- */

enum { SIGNAL_STEPS = 12 };

/* The places of some steps, with a signal before the instruction `number` of the first (0: none). Returns how many
 * instructions they took one by one. */
static unsigned places_with_signal(enum step_kind kind, int number, uint64_t *places)
{
	struct stepped stepped;
	unsigned instructions;

	start_in(&stepped, plain, "everything");
	stepped.instructions = 0;
	stepped.signal_before = number;
	for (int i = 0; i < SIGNAL_STEPS; i++) {
		assert_int_equal(do_step(&stepped, kind, 0, 0).kind, STEP_DONE);
		assert_false(stepped.ended);
		places[i] = stepped_pc(&stepped);
	}
	instructions = stepped.instructions;
	stepped_end(&stepped);
	return instructions;
}

/* Wherever a signal comes, the lines are the same as without it. */
static void a_handler_is_run_over(void **state)
{
	uint64_t expected[SIGNAL_STEPS], places[SIGNAL_STEPS];

	(void)state;
	for (int kind = STEP_LINE; kind <= STEP_OVER_LINE; kind++) {
		unsigned instructions = places_with_signal((enum step_kind)kind, 0, expected);

		for (unsigned number = 1; number <= instructions; number += 3) {
			places_with_signal((enum step_kind)kind, (int)number, places);
			assert_memory_equal(places, expected, sizeof(places));
		}
	}
}

static void an_instruction_step_ends_in_the_handler(void **state)
{
	struct stepped stepped;
	uint64_t pc;

	(void)state;
	start_in(&stepped, plain, "leaf");
	pc = stepped_pc(&stepped);
	stepped.signal_before = 1;
	assert_int_equal(do_step(&stepped, STEP_INSTRUCTION, 0, 0).kind, STEP_DONE);
	assert_int_equal(stepped_pc(&stepped), stepped.handler);

	/* Out of it, and out of the trampoline: to what was interrupted. */
	assert_int_equal(do_step(&stepped, STEP_FINISH, 0, 0).kind, STEP_DONE);
	assert_int_not_equal(stepped_pc(&stepped), pc);
	assert_int_equal(do_step(&stepped, STEP_FINISH, 0, 0).kind, STEP_DONE);
	assert_int_equal(stepped_pc(&stepped), pc);
	stepped_end(&stepped);
}

/* --- frames ------------------------------------------------------------------------------------------------------ */

/* A recursive function in one line: STEP_LINE stops in each frame, STEP_OVER_LINE in this one alone. */
static void one_line_in_many_frames(void **state)
{
	static const char *const arguments[] = {PROGRAM("o0"), "1", NULL};
	struct stepped stepped;
	uint64_t sp;
	int line;

	(void)state;
	start_in(&stepped, arguments, "fibonacci");
	sp = stepped_sp(&stepped);
	line = line_here(&stepped);
	assert_int_equal(do_step(&stepped, STEP_LINE, 0, 0).kind, STEP_DONE);
	assert_int_equal(line_here(&stepped), line);
	assert_true(stepped_sp(&stepped) < sp);
	stepped_end(&stepped);

	start_in(&stepped, arguments, "fibonacci");
	assert_int_equal(do_step(&stepped, STEP_OVER_LINE, 0, 0).kind, STEP_DONE);
	assert_int_not_equal(line_here(&stepped), line);
	assert_true(stepped_sp(&stepped) > sp);
	stepped_end(&stepped);
}

/* Each frame of a recursion returns to the same address. */
static void finish_waits_for_its_own_frame(void **state)
{
	struct stepped stepped;
	uint64_t sp[3];

	(void)state;
	start_in(&stepped, plain, "recurse");
	sp[0] = stepped_sp(&stepped);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(do_step(&stepped, STEP_RUN_TO, 0, stepped_pc(&stepped)).kind, STEP_DONE);
		sp[i] = stepped_sp(&stepped);
		assert_true(sp[i] < sp[i - 1]);
	}
	assert_int_equal(do_step(&stepped, STEP_FINISH, 1, 0).kind, STEP_DONE);
	assert_int_equal(stepped_sp(&stepped), sp[0]);
	stepped_end(&stepped);
}

static void the_outermost_frame_cannot_be_finished(void **state)
{
	struct stepped stepped;
	struct step_action action;

	(void)state;
	stepped_start(&stepped, plain);
	action = do_step(&stepped, STEP_FINISH, 0, 0);
	assert_int_equal(action.kind, STEP_FAILED);
	assert_non_null(strstr(action.reason, "outermost"));
	action = do_step(&stepped, STEP_LINE, 0, 0);
	assert_int_equal(action.kind, STEP_FAILED);
	assert_non_null(strstr(action.reason, "no line information"));

	/* A failed step has changed nothing. */
	assert_int_equal(do_step(&stepped, STEP_INSTRUCTION, 0, 0).kind, STEP_DONE);
	stepped_end(&stepped);
}

/* main returns into libc, whose lines are not seen: the program is not lost. */
static void a_return_into_code_without_lines_ends_the_step(void **state)
{
	struct stepped stepped;

	(void)state;
	for (int kind = STEP_LINE; kind <= STEP_OVER_LINE; kind++) {
		uint64_t pc, sp;

		start_in(&stepped, plain, "main");
		assert_true(view_caller(&stepped, 0, &pc, &sp));
		for (int i = 0; line_here(&stepped) && i < 200; i++)
			assert_int_equal(do_step(&stepped, (enum step_kind)kind, 0, 0).kind, STEP_DONE);
		assert_false(stepped.ended);
		assert_int_equal(stepped_pc(&stepped), pc);
		stepped_end(&stepped);
	}
}

/* As from a function without lines, here one whose lines are hidden, to the caller's next statement. */
static void code_without_lines_is_left(void **state)
{
	struct stepped stepped;
	struct step_line line, before;
	uint64_t pc, sp;

	(void)state;
	for (int kind = STEP_LINE; kind <= STEP_OVER_LINE; kind++) {
		start_in(&stepped, plain, "recurse");
		assert_true(view_caller(&stepped, 0, &pc, &sp));
		assert_true(view_line(&stepped, pc, &before));
		stepped.hidden_start = address_of(&stepped, "recurse");
		stepped.hidden_end = address_of(&stepped, "tail");
		assert_true(stepped_pc(&stepped) < stepped.hidden_end);
		assert_int_equal(do_step(&stepped, (enum step_kind)kind, 0, 0).kind, STEP_DONE);
		assert_true(stepped_sp(&stepped) >= sp);
		assert_true(view_line(&stepped, stepped_pc(&stepped), &line));
		assert_true(line.place.statement);
		assert_int_equal(line.place.function, before.place.function);
		assert_true(line.place.line >= before.place.line);
		stepped_end(&stepped);
	}
}

/* The address behind the call never comes: the plan is given up. */
static void a_jump_out_of_a_call(void **state)
{
	static const char *const arguments[] = {PROGRAM("o0"), "1", "2", NULL};
	struct stepped stepped;

	(void)state;
	start_in(&stepped, arguments, "jump_back");
	for (int i = 0; i < 10 && !stepped.ended; i++)
		assert_int_equal(do_step(&stepped, STEP_OVER_LINE, 0, 0).kind, STEP_DONE);
	assert_true(stepped.ended);
	step_deinit(&stepped.plan);
	assert_null(stepped.plan.disassembler);
	stepped_end(&stepped);
}

/* --- inlined bodies ---------------------------------------------------------------------------------------------- */

/* The begin of a body is the line of its call, too: entered by STEP_LINE where it stands, passed by STEP_OVER_LINE. */
static void in_front_of_an_inlined_body(void **state)
{
	struct stepped stepped;
	struct step_action action;
	struct step_line line;
	uint64_t pc = 0;

	(void)state;
	for (int again = 0; again < 2; again++) {
		start_in(&stepped, optimised, "everything");
		do
			action = do_step(&stepped, STEP_OVER_LINE, 0, 0);
		while (action.kind == STEP_DONE && !action.before_inlined && !stepped.ended);
		assert_int_equal(action.kind, STEP_DONE);
		assert_false(stepped.ended);
		pc = stepped_pc(&stepped);
		assert_true(view_line(&stepped, pc, &line));
		assert_int_equal(action.before_inlined, line.place.inlined_count);
		assert_string_equal(function_at(&stepped, pc, action.before_inlined), "everything");

		int replaced = line.place.inlined[0].call_line;

		if (again) {
			action = do_step(&stepped, STEP_OVER_LINE, 0, 0);
			assert_true(view_line(&stepped, stepped_pc(&stepped), &line));
			assert_string_equal(function_at(&stepped, stepped_pc(&stepped), action.before_inlined),
					    "everything");
			assert_int_not_equal(line.place.line, replaced);
		} else {
			unsigned before = action.before_inlined, done = stepped.instructions;

			action = do_step(&stepped, STEP_LINE, 0, 0);
			assert_int_equal(action.before_inlined, before - 1);
			assert_int_equal(stepped.instructions, done);
			assert_int_equal(stepped_pc(&stepped), pc);
		}
		stepped_end(&stepped);
	}
}

/* --- instructions ------------------------------------------------------------------------------------------------ */

/* Each repetition is one instruction; the line is one line. */
static void repeated_instructions(void **state)
{
	static const uint8_t rep_movsb[] = {0xf3, 0xa4};
	struct stepped stepped;
	uint8_t bytes[2];
	uint64_t pc;
	int line, repetitions = 0;

	(void)state;
	start_in(&stepped, optimised, "copy");
	line = line_here(&stepped);
	for (;;) {
		pc = stepped_pc(&stepped);
		assert_null(space_read(stepped.space, pc, bytes, sizeof(bytes)));
		if (!memcmp(bytes, rep_movsb, sizeof(bytes)))
			break;
		assert_int_equal(do_step(&stepped, STEP_INSTRUCTION, 0, 0).kind, STEP_DONE);
	}
	for (; stepped_pc(&stepped) == pc; repetitions++)
		assert_int_equal(do_step(&stepped, STEP_OVER_INSTRUCTION, 0, 0).kind, STEP_DONE);
	assert_int_equal(repetitions, 8);
	assert_int_equal(stepped_pc(&stepped), pc + sizeof(rep_movsb));
	assert_true(line > 0);
	stepped_end(&stepped);
}

/* --- views that fail ---------------------------------------------------------------------------------------------- */

static struct error *no_registers(void *context, struct registers *registers)
{
	(void)context;
	(void)registers;
	return &error_gone;
}

static void a_task_that_is_gone_fails_the_step(void **state)
{
	static const struct step_view view = {.registers = no_registers};
	struct step_plan plan = {0};
	struct step_action action;

	(void)state;
	step_begin(&plan, STEP_LINE, 0, 0, &view, &action);
	assert_int_equal(action.kind, STEP_FAILED);
	assert_non_null(action.reason);
	step_begin(&plan, STEP_RUN_TO, 0, 0x1000, &view, &action);
	assert_int_equal(action.kind, STEP_DO_RUN);
	assert_int_equal(action.until, 0x1000);
	step_next(&plan, &view, &action);
	assert_int_equal(action.kind, STEP_FAILED);
	step_deinit(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_handler_is_run_over),
	    cmocka_unit_test(an_instruction_step_ends_in_the_handler),
	    cmocka_unit_test(one_line_in_many_frames),
	    cmocka_unit_test(finish_waits_for_its_own_frame),
	    cmocka_unit_test(the_outermost_frame_cannot_be_finished),
	    cmocka_unit_test(a_return_into_code_without_lines_ends_the_step),
	    cmocka_unit_test(code_without_lines_is_left),
	    cmocka_unit_test(a_jump_out_of_a_call),
	    cmocka_unit_test(in_front_of_an_inlined_body),
	    cmocka_unit_test(repeated_instructions),
	    cmocka_unit_test(a_task_that_is_gone_fails_the_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0; /* the harness is x86_64's */
}

#endif
