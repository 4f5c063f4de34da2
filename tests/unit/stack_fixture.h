/* A stopped child with a known stack, and what tests of unwinding do with it. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_STACK_FIXTURE_H
#define FORKTRACE_TESTS_UNIT_STACK_FIXTURE_H

#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "tracee.h"
#include "unwind/capture.h"

/* Each includer uses some of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"

enum { MAX_FRAMES = 256 };

#if !defined(__has_feature)
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
static const bool sanitized = true; /* keeps no variable in a register, and has a vfork of its own, with false CFI */
#else
static const bool sanitized = false;
#endif
static const char sanitized_reason[] = "the address sanitizer changes what the test looks at";

/* What each test starts with. */
struct fixture {
	struct string_pool *pool;
	struct log log;
	unsigned warnings;
	pid_t pid;
	struct space *space;
};

static void count_warning(void *context, enum log_level level, const char *message)
{
	struct fixture *fixture = context;

	(void)message;
	fixture->warnings += level == LOG_LEVEL_WARNING;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	fixture->pool = string_pool_create();
	fixture->log = (struct log){.write = count_warning, .context = fixture};
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->pid)
		tracee_kill(fixture->pid);
	space_unref(fixture->space);
	string_pool_destroy(fixture->pool);
	free(fixture);
	return 0;
}

#define KEEP_FRAME __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))
#if defined(__clang__)
#undef KEEP_FRAME
#define KEEP_FRAME __attribute__((noinline))
#endif
#define STOP_HERE()   __asm__ volatile("int3; nop" ::: "memory") /* the pc stays in the line of the stop */
#define AFTER_CALLS() __asm__ volatile("" ::: "memory")

/* The lines of the calls, noted by a first run in the parent, that does not stop. */
static int stop_line, inlined_line, call_line;
static volatile bool stopping;

/* A statement, and the line it stands in. */
#define NOTED(line, statement)                                                                                         \
	do {                                                                                                           \
		(line) = __LINE__;                                                                                     \
		statement;                                                                                             \
	} while (0)

static inline __attribute__((always_inline)) void inlined_stop(void)
{
	if (stopping)
		NOTED(stop_line, STOP_HERE());
	stop_line = __LINE__ - 1;
}

static KEEP_FRAME int innermost(int depth)
{
	NOTED(inlined_line, inlined_stop());
	AFTER_CALLS();
	return depth;
}

static KEEP_FRAME int caller(int depth)
{
	int result;

	NOTED(call_line, result = innermost(depth));
	AFTER_CALLS();
	return result + 1;
}

static int run_nested(void)
{
	int result = caller(1);

	AFTER_CALLS();
	return result;
}

/* --- taking stacks -------------------- */

static struct capture *open_capture(struct fixture *fixture, enum unwinder_kind unwinder, bool memo)
{
	struct capture_options options = {.unwinder = unwinder, .max_frames = MAX_FRAMES, .memo = memo};

	return capture_create(&options, fixture->pool, &fixture->log);
}

static struct registers read_registers(pid_t tid)
{
	char bytes[512];
	struct iovec set = {bytes, sizeof(bytes)};
	struct registers registers;

	assert_int_equal(ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &set), 0);
	assert_true(registers_decode_prstatus(bytes, set.iov_len, &registers));
	return registers;
}

/* Starts a child and takes it to its first stop: an int3, or the event `options` asks for. */
static void start(struct fixture *fixture, int (*run)(void), long options)
{
	fixture->pid = tracee_start(run, options);
	fixture->space = space_create(fixture->pid);

	int status = tracee_wait(fixture->pid);

	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGTRAP);
}

static void go_on(struct fixture *fixture)
{
	int status = tracee_resume(PTRACE_CONT, fixture->pid, 0);

	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

static struct stack *take_in(struct capture *capture, struct space *space, const struct registers *registers,
			     bool in_syscall)
{
	struct capture_hint hint = {.in_syscall = in_syscall};
	struct stack *stack;

	assert_null(capture_stack(capture, space, registers, &hint, &stack));
	assert_non_null(stack);
	assert_true(stack->count > 0);
	return stack;
}

static struct stack *take(struct fixture *fixture, struct capture *capture, bool in_syscall)
{
	struct registers registers = read_registers(fixture->pid);

	return take_in(capture, fixture->space, &registers, in_syscall);
}

static struct stack *take_once(struct fixture *fixture, enum unwinder_kind unwinder, bool in_syscall)
{
	struct capture *capture = open_capture(fixture, unwinder, false);
	struct stack *stack = take(fixture, capture, in_syscall);

	capture_destroy(capture);
	return stack;
}

/* The index of the frame of that name; fails the test where there is none. */
static size_t find(const struct stack *stack, const char *symbol)
{
	for (size_t i = 0; i < stack->count; i++) {
		if (stack->frames[i].symbol && !strcmp(stack->frames[i].symbol, symbol))
			return i;
	}
	fail_msg("no frame %s", symbol);
	return 0;
}

static void assert_whole(const struct stack *stack)
{
	assert_null(stack->reason);
	assert_false(stack->truncated);
	assert_string_equal(stack->frames[stack->count - 1].symbol, "_start");
	for (size_t i = 0; i < stack->count; i++) {
		assert_true(stack->frames[i].certain);
		assert_non_null(stack->frames[i].module);
	}
}

static void assert_same_frames(const struct stack *one, const struct stack *other)
{
	assert_int_equal(one->count, other->count);
	for (size_t i = 0; i < one->count; i++) {
		assert_int_equal(one->frames[i].pc, other->frames[i].pc);
		assert_ptr_equal(one->frames[i].symbol, other->frames[i].symbol);
		assert_int_equal(one->frames[i].line, other->frames[i].line);
	}
}

#pragma GCC diagnostic pop

#endif
