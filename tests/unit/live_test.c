/* kernel/live.c, on the kernel that runs the test. What is not permitted here is skipped, with live.c's own reason. */
#include "kernel/live.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "tests/unit/live_trace.h"
#include "tests/unit/skipping.h"
#include "tests/unit/slow_machine.h"

enum { STORM_FORKS = 300, MANY_STRANGERS = 1500, TIME_LIMIT = 60 };

static struct string_pool *pool;
static struct live_kernel *live;
static const struct log silent;

static int run_storm(void)
{
	int failed = 0;

	for (int i = 0; i < STORM_FORKS && !failed; i++)
		failed = reap(fork());
	return failed;
}

static int run_untraced_then_fork(void)
{
	if (reap((pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0)) != 0)
		return 1;
	return reap((pid_t)syscall(SYS_fork));
}

#ifdef __x86_64__
/* i386's fork, number 2, from 64-bit code. */
static int run_int80(void)
{
	long child;

	__asm__ volatile("int $0x80" : "=a"(child) : "0"(2L) : "memory", "r8", "r9", "r10", "r11");
	return reap((pid_t)child);
}
#endif

static bool starts_with(const char *text, const char *prefix)
{
	return text && !strncmp(text, prefix, strlen(prefix));
}

static bool has_frame(const struct stack *stack, const char *prefix)
{
	for (size_t i = 0; i < stack->count; i++) {
		if (starts_with(stack->frames[i].symbol, prefix))
			return true;
	}
	return false;
}

/* Ends the test where this machine does not give the parent's half with addresses. */
static void need_callchains(void)
{
	const char *reason = live_kernel_parent_reason(live);

	if (geteuid() == 0 && !reason)
		return;
	skip_because(reason ? reason : "needs root");
}

static void need_stack_files(void)
{
	if (live_kernel_child_reason(live))
		skip_because(live_kernel_child_reason(live));
}

static int set_up(void **state)
{
	(void)state;
	pool = string_pool_create();
	live = live_kernel_create(pool, &silent, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	live_kernel_destroy(live);
	string_pool_destroy(pool);
	return 0;
}

static void assert_whole_chain(const struct stack *stack)
{
	assert_non_null(stack);
	for (size_t i = 0; i < stack->count; i++) {
		assert_int_equal(stack->frames[i].method, METHOD_PERF);
		assert_true(stack->frames[i].certain);
		assert_true(stack->frames[i].pc > stack->frames[i].offset);
		assert_non_null(stack->frames[i].symbol);
	}
	assert_true(starts_with(stack->frames[0].symbol, "copy_process"));
	assert_true(has_frame(stack, "kernel_clone") || has_frame(stack, "_do_fork"));
}

static void parent_chain_runs_from_copy_process_to_the_entry(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;
	char comm[16] = "";

	(void)state;
	need_callchains();
	trace(live, run_fork, &outcome);
	assert_int_equal(outcome.forks, 1);
	assert_whole_chain(outcome.parent.stack);
	assert_true(starts_with(outcome.parent.stack->frames[outcome.parent.stack->count - 1].symbol, "entry_"));
	assert_null(outcome.parent.reason);
	prctl(PR_GET_NAME, comm);
	assert_true(outcome.parent.have_comm);
	assert_string_equal(outcome.parent.comm, comm);
	assert_true(outcome.times_ascend);
	assert_int_equal(live_kernel_lost(live), 0);
}

static void assert_child_stack(const struct stack *stack)
{
	assert_non_null(stack);
	assert_true(has_frame(stack, "ret_from_fork"));
	assert_false(has_frame(stack, "ptrace_"));
	assert_false(has_frame(stack, "get_signal"));
	assert_false(has_frame(stack, "__send_signal"));
	assert_false(has_frame(stack, "do_notify_parent"));
}

static void child_chain_ends_in_ret_from_fork(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_callchains();
	trace(live, run_storm, &outcome);
	assert_int_equal(outcome.children, STORM_FORKS);
	assert_int_equal(outcome.child_methods, 1 << METHOD_PERF);
	assert_child_stack(outcome.child);
	for (size_t i = 0; i < outcome.child->count; i++)
		assert_true(outcome.child->frames[i].pc > outcome.child->frames[i].offset);
}

/* In another pid namespace, where the filter cannot name the tracer, its tracees are still told from others'. */
static void strangers_are_not_kept(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_callchains();
	trace_watched(live, run_storm, false, &outcome);
	assert_int_equal(outcome.child_methods, 1 << METHOD_PERF);
	for (int i = 0; i < MANY_STRANGERS / STORM_FORKS; i++) {
		outcome_cleanup(&outcome);
		trace_watched(live, run_storm, false, &outcome);
	}
	assert_int_equal(outcome.child_methods, 1 << METHOD_PERF);
}

/* Without a sample, here because it was taken already, the stack file serves. */
static void child_stack_file_ends_in_ret_from_fork(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_stack_files();
	trace(live, run_fork, &outcome);
	assert_int_equal(outcome.children, 1);
	assert_child_stack(outcome.child_file);
	assert_int_equal(outcome.child_file->frames[0].method, METHOD_PROC_STACK);
	assert_int_equal(outcome.child_file->frames[0].pc, 0);
	assert_int_not_equal(outcome.child_file->frames[0].offset, 0);
}

static void int80_enters_by_its_own_way(void **state)
{
#ifdef __x86_64__
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_callchains();
	need_ia32_emulation();
	trace(live, run_int80, &outcome);
	assert_int_equal(outcome.forks, 1);
	assert_whole_chain(outcome.parent.stack);

	const char *entry = outcome.parent.stack->frames[outcome.parent.stack->count - 1].symbol;

	assert_true(starts_with(entry, "asm_int80_emulation") || starts_with(entry, "entry_INT80_compat"));
#else
	(void)state;
	skip_because("for x86_64 alone");
#endif
}

static void a_storm_loses_nothing_and_shares_its_stacks(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_callchains();
	trace(live, run_storm, &outcome);
	assert_int_equal(outcome.forks, STORM_FORKS);
	assert_int_equal(outcome.stacks, STORM_FORKS);
	assert_int_equal(outcome.new_stacks, 1);
	assert_true(outcome.times_ascend);
	assert_int_equal(live_kernel_lost(live), 0);
	assert_whole_chain(outcome.parent.stack);
}

/* The first call leaves a sample and makes no event stop. */
static void an_untraced_clone_is_not_taken_for_the_fork(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_callchains();
	trace(live, run_untraced_then_fork, &outcome);
	assert_int_equal(outcome.forks, 1);
	assert_whole_chain(outcome.parent.stack);
	assert_true(has_frame(outcome.parent.stack, "__do_sys_fork") ||
		    has_frame(outcome.parent.stack, "__x64_sys_fork") ||
		    has_frame(outcome.parent.stack, "__ia32_sys_fork"));
}

static void names_may_come_later(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_callchains();
	live_kernel_defer_names(live);
	trace(live, run_fork, &outcome);
	assert_non_null(outcome.parent.stack);
	assert_true(outcome.parent.stack->unnamed);
	assert_null(outcome.parent.stack->frames[0].symbol);
	live_kernel_name(live, outcome.parent.stack);
	assert_false(outcome.parent.stack->unnamed);
	assert_whole_chain(outcome.parent.stack);
	live_kernel_name(live, outcome.parent.stack); /* once is enough */
	assert_whole_chain(outcome.parent.stack);
}

/* Without a sample (here: nobody asked for any) the stack file serves, and says so. */
static void falls_back_to_the_stack_file(void **state)
{
	__attribute__((cleanup(outcome_cleanup))) struct outcome outcome;

	(void)state;
	need_stack_files();
	trace_watched(live, run_fork, false, &outcome);
	assert_int_equal(outcome.forks, 1);
	assert_non_null(outcome.parent.stack);
	assert_int_equal(outcome.parent.stack->frames[0].method, METHOD_PROC_STACK);
	assert_true(starts_with(outcome.parent.stack->frames[0].symbol, "kernel_clone") ||
		    starts_with(outcome.parent.stack->frames[0].symbol, "_do_fork"));
	assert_true(starts_with(outcome.parent.stack->frames[outcome.parent.stack->count - 1].symbol, "entry_"));
	assert_int_equal(outcome.parent.time_ns, 0);
	assert_false(outcome.parent.have_comm);
}

static void a_task_that_is_gone_has_a_reason(void **state)
{
	const char *reason = NULL;
	pid_t pid = fork();

	(void)state;
	assert_int_equal(reap(pid), 0);
	assert_null(live_kernel_take_child(live, pid, &reason));
	assert_non_null(reason);
}

static void leaves_nothing_mounted(void **state)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char line[4096];
	int before = 0, after = 0;

	(void)state;
	assert_non_null(mounts);
	while (fgets(line, sizeof(line), mounts))
		before++;

	struct live_kernel *other = live_kernel_create(pool, &silent, NULL);

	rewind(mounts);
	while (fgets(line, sizeof(line), mounts))
		after++;
	fclose(mounts);
	live_kernel_destroy(other);
	assert_int_equal(after, before);
}

#define live_unit_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    live_unit_test(parent_chain_runs_from_copy_process_to_the_entry),
	    live_unit_test(child_chain_ends_in_ret_from_fork),
	    live_unit_test(child_stack_file_ends_in_ret_from_fork),
	    live_unit_test(strangers_are_not_kept),
	    live_unit_test(int80_enters_by_its_own_way),
	    live_unit_test(a_storm_loses_nothing_and_shares_its_stacks),
	    live_unit_test(an_untraced_clone_is_not_taken_for_the_fork),
	    live_unit_test(names_may_come_later),
	    live_unit_test(falls_back_to_the_stack_file),
	    live_unit_test(a_task_that_is_gone_has_a_reason),
	    live_unit_test(leaves_nothing_mounted),
	};

	only_wanted_tests();
	alarm((unsigned)with_patience(TIME_LIMIT)); /* a tracee that is left in a stop would keep the test for ever */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
