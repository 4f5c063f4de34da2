/* unwind/capture: stacks that are remembered, and when they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "skipping.h"
#include "stack_fixture.h"

#if defined(__x86_64__)

static KEEP_FRAME int other_caller(int depth)
{
	int result = innermost(depth);

	AFTER_CALLS();
	return result + 2;
}

/* The same stop at the same depth, from one caller and from the other. */
static int run_by_two_callers(void)
{
	int (*volatile callers[])(int) = {caller, other_caller, caller};
	int result = 0;

	for (volatile int i = 0; i < 3; i++) { /* volatile: one call, never three */
		result += callers[i](i);
		AFTER_CALLS();
	}
	return result;
}

/* A counter that lives in a register all the time, and that callees save. */
static KEEP_FRAME int loop_in_register(void)
{
	register uint64_t counter __asm__("rbx") = 1;

	for (; counter < 1000; counter++) {
		__asm__ volatile("" : "+r"(counter));
		innermost(1);
		__asm__ volatile("" : "+r"(counter));
	}
	return (int)counter;
}

static int run_loop(void)
{
	int result = loop_in_register();

	AFTER_CALLS();
	return result;
}

static KEEP_FRAME int make_child(void)
{
	pid_t pid = fork();

	AFTER_CALLS();
	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static int run_fork(void)
{
	int result = make_child();

	AFTER_CALLS();
	return result;
}

static void memo_gives_the_same_stack(void **state)
{
	struct fixture *fixture = *state;
	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, true);

	start(fixture, run_nested, 0);

	struct stack *anew = take_once(fixture, UNWINDER_AUTO, false);
	struct stack *first = take(fixture, capture, false);
	struct stack *second = take(fixture, capture, false);

	assert_same_frames(anew, first);
	assert_int_equal(first->id, second->id);
	assert_int_not_equal(first->id, anew->id);
	capture_destroy(capture);
	assert_whole(second); /* the references outlive the capture */
	stack_unref(anew);
	stack_unref(first);
	stack_unref(second);
}

/* The innermost frames, pc and stack pointer are the same: only a word of memory tells. */
static void memo_notices_another_caller(void **state)
{
	struct fixture *fixture = *state;
	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, true);

	start(fixture, run_by_two_callers, 0);

	struct stack *first = take(fixture, capture, false);

	go_on(fixture);

	struct stack *other = take(fixture, capture, false);

	go_on(fixture);

	struct stack *again = take(fixture, capture, false);

	find(first, "caller");
	find(other, "other_caller");
	assert_int_not_equal(first->id, other->id);
	assert_int_equal(first->id, again->id);
	capture_destroy(capture);
	stack_unref(first);
	stack_unref(other);
	stack_unref(again);
}

static void memo_ignores_what_does_not_matter(void **state)
{
	struct fixture *fixture = *state;

	if (sanitized)
		skip_because(sanitized_reason);

	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, true);

	start(fixture, run_loop, 0);

	struct stack *first = take(fixture, capture, false);
	uint64_t counter = read_registers(fixture->pid).value[3];

	go_on(fixture);

	struct stack *second = take(fixture, capture, false);

	find(first, "loop_in_register");
	assert_int_not_equal(read_registers(fixture->pid).value[3], counter);
	assert_int_equal(first->id, second->id);
	capture_destroy(capture);
	stack_unref(first);
	stack_unref(second);
}

static void child_has_its_parents_stack(void **state)
{
	struct fixture *fixture = *state;
	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, true);
	unsigned long child;

	start(fixture, run_fork, PTRACE_O_TRACEFORK);
	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, fixture->pid, 0, &child), 0);
	tracee_wait((pid_t)child);

	struct stack *of_parent = take(fixture, capture, true);
	struct space *space = space_copy(fixture->space, (pid_t)child);
	struct registers registers = read_registers((pid_t)child);
	struct stack *of_child = take_in(capture, space, &registers, true);

	assert_whole(of_parent);
	find(of_parent, "make_child");
	assert_int_equal(of_parent->id, of_child->id);
	capture_destroy(capture);
	space_unref(space);
	stack_unref(of_parent);
	stack_unref(of_child);
	tracee_kill((pid_t)child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(memo_gives_the_same_stack, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(memo_notices_another_caller, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(memo_ignores_what_does_not_matter, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(child_has_its_parents_stack, set_up, tear_down),
	};

	stopping = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0; /* the children's code is x86_64's */
}

#endif
