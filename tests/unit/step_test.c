/* step/ over real programs, instruction by instruction beside gdb: both must stop at the same places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "skipping.h"
#include "slow_machine.h"
#include "stack_fixture.h"

#if defined(__x86_64__)

#include "step_fixture.h"

#define PROGRAM(variant)        "build/tests/x86_64/step_target." variant
#define NARROW_PROGRAM(variant) "build/tests/i386/step_target." variant

/* --- the referee ------------------------------------------------------------------------------------------------- */

struct place {
	uint64_t pc;
	char function[64];
};

struct places {
	size_t count;
	struct place items[1024];
};

static const char *const commands[] = {
    [STEP_INSTRUCTION] = "stepi", [STEP_OVER_INSTRUCTION] = "nexti", [STEP_LINE] = "step",
    [STEP_OVER_LINE] = "next",    [STEP_FINISH] = "finish",
};

/* One comparison: `count` steps from where gdb's breakpoint at `start` stops. */
struct course {
	enum step_kind kind;
	unsigned count;
	const char *start;
	unsigned ignored; /* times that the breakpoint is passed before */
	const char *const *arguments;
};

static void add_place(struct places *places, uint64_t pc, const char *function)
{
	assert_true(places->count < sizeof(places->items) / sizeof(*places->items));

	struct place *place = &places->items[places->count++];

	place->pc = pc;
	snprintf(place->function, sizeof(place->function), "%s", function);
}

static void ask_gdb(const struct course *course, struct places *places)
{
	char request[512], line[512];
	int used = snprintf(request, sizeof(request), "%s|%u|%s|%u", commands[course->kind], course->count,
			    course->start, course->ignored);
	unsigned long long pc;
	char function[64];

	for (size_t i = 0; course->arguments[i]; i++)
		used += snprintf(request + used, sizeof(request) - (size_t)used, "|%s", course->arguments[i]);
	setenv("FORKTRACE_STEP", request, 1);

	FILE *gdb = popen("gdb -nx -batch -x tests/unit/step_referee.py </dev/null 2>/dev/null", "r");

	assert_non_null(gdb);
	places->count = 0;
	while (fgets(line, sizeof(line), gdb)) {
		if (sscanf(line, "@%llx %63s", &pc, function) == 2)
			add_place(places, pc, function);
	}
	pclose(gdb);
	unsetenv("FORKTRACE_STEP");
}

/* Where a plan stops, from gdb's first place on. */
static void ask_plan(const struct course *course, const struct place *first, struct places *places)
{
	struct stepped stepped;

	places->count = 0;
	stepped_start(&stepped, course->arguments);
	stepped.handler = address_of(&stepped, "handler");
	for (unsigned i = 0; i <= course->ignored; i++)
		do_step(&stepped, STEP_RUN_TO, 0, first->pc);
	assert_int_equal(stepped_pc(&stepped), first->pc);
	add_place(places, first->pc, first->function);
	for (unsigned i = 0; i < course->count; i++) {
		struct step_action action = do_step(&stepped, course->kind, 0, 0);
		struct step_line line;

		if (action.kind == STEP_FAILED)
			fail_msg("step %u: %s", i, action.reason);
		if (stepped.ended)
			break;

		uint64_t pc = stepped_pc(&stepped);

		bool has_line = view_line(&stepped, pc, &line);

		if (!has_line && course->kind != STEP_INSTRUCTION && course->kind != STEP_OVER_INSTRUCTION)
			break;
		add_place(places, pc, has_line ? function_at(&stepped, pc, action.before_inlined) : "");
	}
	stepped_end(&stepped);
}

/* gdb shows the begin of an inlined body first as the call, then as the body: STEP_LINE enters at once. One function at
 * one place again and again is recursion. */
static void join_same_places(struct places *places)
{
	size_t count = 0;

	for (size_t i = 0; i < places->count; i++) {
		const struct place *last = count ? &places->items[count - 1] : NULL;

		if (last && last->pc == places->items[i].pc && strcmp(last->function, places->items[i].function) != 0)
			count--;
		places->items[count++] = places->items[i];
	}
	places->count = count;
}

static void compare(const struct course *course)
{
	static struct places expected, found;
	static int missing = -1;

#if defined(__clang__)
	skip_because("the programs are clang's: where its prologues end, and after returns into rows that are no "
		     "statements, gdb 13 stops elsewhere");
#endif
	if (missing < 0)
		missing = system("gdb -nx -batch -ex 'python print(1)' >/dev/null 2>&1");
	if (missing)
		skip_because("there is no gdb with Python");

	ask_gdb(course, &expected);
	if (!expected.count)
		fail_msg("gdb told nothing of %s from %s on", course->arguments[0], course->start);

	bool cut = expected.count == course->count + 1;

	if (course->kind == STEP_LINE)
		join_same_places(&expected);
	ask_plan(course, &expected.items[0], &found);
	if (cut && found.count > expected.count)
		found.count = expected.count;
	for (size_t i = 0; i < expected.count || i < found.count; i++) {
		static const struct place nowhere = {.function = "the end"};
		const struct place *other = i < expected.count ? &expected.items[i] : &nowhere;
		const struct place *place = i < found.count ? &found.items[i] : &nowhere;

		if (place->pc != other->pc || (place->function[0] && strcmp(place->function, other->function) != 0))
			fail_msg("%s %s, step %zu of %s: gdb stops at %lx in %s, the plan at %lx in %s",
				 course->arguments[0], course->start, i, commands[course->kind], other->pc,
				 other->function, place->pc, place->function);
	}
	assert_true(found.count > 1);
}

/* --- tests ------------------------------------------------------------------------------------------------------- */

static void everything_in(const char *program)
{
	const char *arguments[] = {program, NULL};
	const struct course courses[] = {
	    {STEP_LINE, 400, "everything", 0, arguments},
	    {STEP_OVER_LINE, 400, "everything", 0, arguments},
	    {STEP_LINE, 400, "main", 0, arguments},
	    {STEP_INSTRUCTION, 300, "everything", 0, arguments},
	    {STEP_OVER_INSTRUCTION, 300, "everything", 0, arguments},
	    {STEP_FINISH, 2, "leaf", 0, arguments},
	};

	for (size_t i = 0; i < sizeof(courses) / sizeof(*courses); i++)
		compare(&courses[i]);
}

static void recursion_in(const char *program)
{
	const char *arguments[] = {program, NULL};
	const struct course courses[] = {
	    {STEP_FINISH, 3, "recurse", 2, arguments},
	    {STEP_OVER_LINE, 20, "recurse", 1, arguments},
	    {STEP_OVER_INSTRUCTION, 60, "recurse", 1, arguments},
	};

	for (size_t i = 0; i < sizeof(courses) / sizeof(*courses); i++)
		compare(&courses[i]);
}

static void without_optimisation(void **state)
{
	(void)state;
	everything_in(PROGRAM("o0"));
	recursion_in(PROGRAM("o0"));
}

static void optimised(void **state)
{
	(void)state;
	everything_in(PROGRAM("o2"));
}

static void lines_in(const char *program)
{
	const char *arguments[] = {program, NULL};
	const struct course courses[] = {
	    {STEP_LINE, 400, "everything", 0, arguments},
	    {STEP_OVER_LINE, 400, "everything", 0, arguments},
	};

	for (size_t i = 0; i < sizeof(courses) / sizeof(*courses); i++)
		compare(&courses[i]);
}

static void optimised_with_frame_pointers(void **state)
{
	(void)state;
	lines_in(PROGRAM("fp"));
}

static void at_fixed_addresses(void **state)
{
	(void)state;
	lines_in(PROGRAM("nopie"));
}

static void narrow(void **state)
{
	(void)state;
	if (access(NARROW_PROGRAM("o0"), X_OK))
		skip_because("the 32-bit programs were not built");
	need_ia32_emulation();
	everything_in(NARROW_PROGRAM("o0"));
	recursion_in(NARROW_PROGRAM("o0"));
	everything_in(NARROW_PROGRAM("o2"));
}

/* A handler is run over; from its end the step goes on into what was interrupted. */
static void signals(void **state)
{
	static const char *const plain[] = {PROGRAM("o0"), "1", "2", "3", NULL};
	static const char *const o2[] = {PROGRAM("o2"), "1", "2", "3", NULL};
	static const struct course courses[] = {
	    {STEP_OVER_LINE, 20, "signalled", 0, plain}, {STEP_LINE, 20, "signalled", 0, plain},
	    {STEP_OVER_LINE, 20, "handler", 0, plain},   {STEP_LINE, 20, "handler", 0, plain},
	    {STEP_OVER_LINE, 20, "signalled", 0, o2},    {STEP_LINE, 20, "signalled", 0, o2},
	    {STEP_OVER_LINE, 20, "handler", 0, o2},      {STEP_LINE, 20, "handler", 0, o2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(courses) / sizeof(*courses); i++)
		compare(&courses[i]);
}

/* Programs that fork: the children go their own way. */
static void forking(void **state)
{
	static const char *const deep[] = {"build/tests/x86_64/test_deep", NULL};
	static const char *const nested[] = {"build/tests/x86_64/test_nested", NULL};
	static const struct course courses[] = {
	    {STEP_OVER_LINE, 400, "main", 0, deep},
	    {STEP_LINE, 150, "main", 0, deep},
	    {STEP_OVER_LINE, 400, "main", 0, nested},
	    {STEP_LINE, 22, "main", 0, nested}, /* then it waits, as often as it takes */
	    {STEP_FINISH, 40, "fork_here", 0, deep},
	    {STEP_FINISH, 1, "grow", 0, nested},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(courses) / sizeof(*courses); i++)
		compare(&courses[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_optimisation),
	    cmocka_unit_test(optimised),
	    cmocka_unit_test(optimised_with_frame_pointers),
	    cmocka_unit_test(at_fixed_addresses),
	    cmocka_unit_test(narrow),
	    cmocka_unit_test(signals),
	    cmocka_unit_test(forking),
	};

	only_wanted_tests();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0; /* the harness is x86_64's */
}

#endif
