/* unwind/ and symbol/: stacks of real, stopped children, by every method. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "skipping.h"
#include "stack_fixture.h"

#if defined(__x86_64__)

/* --- the children: each stops at an int3, at a system call, or at an event -------------------- */

static volatile int zero;

static int nothing(void *argument)
{
	(void)argument;
	return 0;
}

static KEEP_FRAME int make_clone(void)
{
	static char stack[65536];
	int pid = clone(nothing, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);

	AFTER_CALLS();
	return pid;
}

static int run_clone(void)
{
	int result = make_clone();

	AFTER_CALLS();
	return result;
}

static KEEP_FRAME int make_vfork(void)
{
	pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): the subject of the test */

	if (pid == 0)
		_exit(0);
	AFTER_CALLS();
	return pid > 0;
}

static int run_vfork(void)
{
	int result = make_vfork();

	AFTER_CALLS();
	return result;
}

static KEEP_FRAME void handler(int number)
{
	(void)number;
	STOP_HERE();
	AFTER_CALLS();
}

static KEEP_FRAME int faulting(volatile int *nowhere)
{
	int result = *nowhere;

	AFTER_CALLS();
	return result + 1;
}

/* The handler runs on a stack of its own, that lies anywhere. */
static int run_handler(void)
{
	static char stack[65536];
	stack_t other = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | (int)SA_RESETHAND};

	if (sigaltstack(&other, NULL) || sigaction(SIGSEGV, &action, NULL))
		return 98;

	int result = faulting((volatile int *)(intptr_t)(zero + 16));

	AFTER_CALLS();
	return result;
}

static KEEP_FRAME int called_by_code(void)
{
	STOP_HERE();
	AFTER_CALLS();
	return 1;
}

static KEEP_FRAME int call_code(int (*code)(void))
{
	int result = code();

	AFTER_CALLS();
	return result;
}

/* Code that is in no file: push %rbp; mov %rsp,%rbp; movabs $called_by_code,%rax; call *%rax; pop %rbp; ret */
static int run_code(void)
{
	static const uint8_t prologue[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8};
	static const uint8_t epilogue[] = {0xff, 0xd0, 0x5d, 0xc3};
	uint8_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*function)(void);
	int (*callee)(void) = called_by_code;

	if (code == MAP_FAILED)
		return 98;
	memcpy(code, prologue, sizeof(prologue));
	memcpy(code + sizeof(prologue), &callee, sizeof(callee));
	memcpy(code + sizeof(prologue) + sizeof(callee), epilogue, sizeof(epilogue));
	memcpy(&function, &code, sizeof(function));

	int result = call_code(function);

	AFTER_CALLS();
	return result;
}

/* --- tests -------------------- */

static void names_lines_and_methods(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, run_nested, 0);

	struct stack *stack = take_once(fixture, UNWINDER_AUTO, false);
	const struct frame *frame = stack->frames;

	assert_whole(stack);
	assert_string_equal(frame[0].symbol, "inlined_stop");
	assert_true(frame[0].inlined);
	assert_int_equal(frame[0].method, METHOD_PT_REGS);
	assert_string_equal(frame[1].symbol, "innermost");
	assert_false(frame[1].inlined);
	assert_int_equal(frame[1].pc, frame[0].pc);
	assert_string_equal(frame[2].symbol, "caller");
	assert_int_equal(frame[2].method, METHOD_DWARF);
	assert_int_equal(frame[2].pc - frame[2].offset, (uintptr_t)caller);
	assert_non_null(strstr(frame[2].file, "stack_fixture.h"));
	assert_non_null(strstr(frame[2].module, "unwind_test"));
	assert_int_equal(strlen(frame[2].build_id), 40);
	find(stack, "run_nested");
	find(stack, "main");

	assert_int_equal(frame[0].line, stop_line);
	assert_int_equal(frame[1].line, inlined_line);
	assert_int_equal(frame[2].line, call_line);
	stack_unref(stack);
}

static void libdw_and_libunwind_agree(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, run_nested, 0);

	struct stack *libdw = take_once(fixture, UNWINDER_LIBDW, false);
	struct stack *libunwind = take_once(fixture, UNWINDER_LIBUNWIND, false);

	assert_whole(libdw);
	assert_whole(libunwind);
	assert_same_frames(libdw, libunwind);
	assert_int_equal(libunwind->frames[find(libunwind, "caller")].method, METHOD_LIBUNWIND);
	assert_int_equal(fixture->warnings, 0);
	stack_unref(libdw);
	stack_unref(libunwind);
}

/* libc's clone has no call frame information behind the system call. */
static void clone_stub(void **state)
{
	struct fixture *fixture = *state;
	unsigned long child;

	start(fixture, run_clone, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE);
	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, fixture->pid, 0, &child), 0);
	tracee_wait((pid_t)child);

	struct stack *stack = take_once(fixture, UNWINDER_LIBDW, true);
	size_t index = find(stack, "make_clone");

	assert_whole(stack);
	assert_int_equal(stack->frames[1].method, METHOD_SYSCALL_STUB);
	assert_true(index >= 1);
	assert_int_equal(stack->frames[index + 1].method, METHOD_DWARF);
	stack_unref(stack);

	/* The child begins on a stack of its own, above which there is nothing. */
	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, false);
	struct capture_hint hint = {.in_syscall = true, .fresh_stack = true};
	struct space *space = space_copy(fixture->space, (pid_t)child);
	struct registers registers = read_registers((pid_t)child);

	assert_null(capture_stack(capture, space, &registers, &hint, &stack));
	assert_int_equal(stack->count, 1);
	assert_null(stack->reason);
	capture_destroy(capture);
	space_unref(space);
	stack_unref(stack);
	tracee_kill((pid_t)child);
}

/* vfork keeps its return address in a register. */
static void vfork_stub(void **state)
{
	struct fixture *fixture = *state;
	unsigned long child;

	if (sanitized)
		skip_because(sanitized_reason);
	start(fixture, run_vfork, PTRACE_O_TRACEVFORK);
	assert_int_equal(ptrace(PTRACE_GETEVENTMSG, fixture->pid, 0, &child), 0);
	tracee_wait((pid_t)child);

	struct stack *stack = take_once(fixture, UNWINDER_LIBDW, true);

	assert_whole(stack);
	find(stack, "make_vfork");
	stack_unref(stack);
	tracee_kill((pid_t)child);
}

static void through_a_signal_handler(void **state)
{
	struct fixture *fixture = *state;

	fixture->pid = tracee_start(run_handler, 0);
	fixture->space = space_create(fixture->pid);
	assert_int_equal(WSTOPSIG(tracee_wait(fixture->pid)), SIGSEGV);

	int status = tracee_resume(PTRACE_CONT, fixture->pid, SIGSEGV);

	assert_int_equal(WSTOPSIG(status), SIGTRAP);

	struct stack *stack = take_once(fixture, UNWINDER_LIBDW, false);
	struct stack *other = take_once(fixture, UNWINDER_LIBUNWIND, false);
	size_t index = find(stack, "handler");

	assert_whole(stack);
	assert_same_frames(stack, other);
	/* The trampoline, named by the address itself, then the function that was interrupted. */
	assert_int_equal(stack->frames[index + 1].offset, 0);
	assert_string_equal(stack->frames[index + 2].symbol, "faulting");
	stack_unref(stack);
	stack_unref(other);
}

/* Code in no file is left by the frame pointer, and marked as a guess. */
static void code_without_a_file(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, run_code, 0);

	struct stack *stack = take_once(fixture, UNWINDER_AUTO, false);
	size_t index = find(stack, "called_by_code") + 1;

	assert_null(stack->frames[index].symbol);
	assert_null(stack->frames[index].module);
	assert_true(stack->frames[index].certain); /* call frame information led there */
	assert_string_equal(stack->frames[index + 1].symbol, "call_code");
	assert_int_equal(stack->frames[index + 1].method, METHOD_FRAME_POINTER);
	assert_false(stack->frames[index + 1].certain);
	assert_null(stack->reason);
	stack_unref(stack);

	/* libdw alone says why it goes no further. */
	stack = take_once(fixture, UNWINDER_LIBDW, false);
	assert_int_equal(stack->count, index + 1);
	assert_non_null(stack->reason);
	stack_unref(stack);
}

static void frames_are_limited(void **state)
{
	struct fixture *fixture = *state;
	struct capture_options options = {.unwinder = UNWINDER_AUTO, .max_frames = 2, .memo = true};
	struct capture *capture = capture_create(&options, fixture->pool, &fixture->log);

	start(fixture, run_nested, 0);

	struct stack *stack = take(fixture, capture, false);
	struct stack *again = take(fixture, capture, false);

	assert_int_equal(stack->count, 3); /* two, and one that was inlined */
	assert_true(stack->truncated);
	assert_non_null(stack->reason);
	assert_int_equal(stack->id, again->id);
	capture_destroy(capture);
	stack_unref(stack);
	stack_unref(again);
}

/* Whatever the registers say, there is a first frame, an end, and a reason. */
static void broken_registers(void **state)
{
	static const uint64_t words[] = {0, 1, 0x1000, UINT64_MAX, UINT64_MAX - 7, UINT64_C(0x800000000000)};
	struct fixture *fixture = *state;

	start(fixture, run_nested, 0);

	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, true);
	struct registers whole = read_registers(fixture->pid);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (unsigned number = 0; number < REGISTER_MAX; number++) {
			struct registers registers = whole;

			registers.value[number] = words[i];

			struct stack *stack = take_in(capture, fixture->space, &registers, true);

			assert_int_equal(stack->frames[0].pc, registers_pc(&registers));
			assert_true(stack->count < MAX_FRAMES);
			if (number == 7 || number == 16) /* the stack pointer, the pc */
				assert_true(stack->reason || stack->count > 0);
			stack_unref(stack);
		}
	}
	capture_destroy(capture);
}

static void frame_pointer_alone(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, run_code, 0);

	struct stack *stack = take_once(fixture, UNWINDER_FRAME_POINTER, false);

	assert_int_equal(stack->frames[0].method, METHOD_PT_REGS);
	for (size_t i = 1; i < stack->count; i++) {
		if (stack->frames[i].pc == stack->frames[0].pc)
			continue; /* inlined */
		assert_int_equal(stack->frames[i].method, METHOD_FRAME_POINTER);
		assert_false(stack->frames[i].certain);
	}
	stack_unref(stack);
}

static void a_dead_process_is_gone(void **state)
{
	struct fixture *fixture = *state;
	struct capture *capture = open_capture(fixture, UNWINDER_AUTO, true);
	struct capture_hint hint = {0};
	struct stack *stack;

	start(fixture, run_nested, 0);

	struct registers registers = read_registers(fixture->pid);
	struct stack *alive = take(fixture, capture, false);

	tracee_kill(fixture->pid);
	fixture->pid = 0;

	struct error *error = capture_stack(capture, fixture->space, &registers, &hint, &stack);

	assert_ptr_equal(error, &error_gone);
	assert_null(stack);
	capture_destroy(capture);
	stack_unref(alive);
}

/* --- a program of the other ABI, where it was built -------------------- */

static const char i386_program[] = "build/targets/i386/test_fork";

static int run_i386(void)
{
	execl(i386_program, i386_program, (char *)NULL);
	return 98;
}

static void i386_from_here(void **state)
{
	struct fixture *fixture = *state;

	if (access(i386_program, X_OK))
		skip_because("the 32-bit test_fork was not built");
	need_ia32_emulation();

	/* Its start is a stop of its own: without PTRACE_O_TRACEEXEC a SIGTRAP, that is not delivered. */
	start(fixture, run_i386, PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK);
	go_on(fixture);

	struct stack *stack = take_once(fixture, UNWINDER_AUTO, true);
	struct stack *other = take_once(fixture, UNWINDER_LIBUNWIND, true); /* libdw steps in, and says so */

	assert_whole(stack);
	assert_same_frames(stack, other);
	assert_int_equal(fixture->warnings, 1);
	assert_string_equal(stack->frames[0].symbol, "__kernel_vsyscall");
	assert_string_equal(stack->frames[0].module, "[vdso]");
	assert_int_equal(stack->frames[1].method, METHOD_VDSO_CFI);
	assert_true(stack->frames[find(stack, "main")].line > 0);
	stack_unref(stack);
	stack_unref(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(names_lines_and_methods, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(libdw_and_libunwind_agree, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(clone_stub, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(vfork_stub, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(through_a_signal_handler, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(code_without_a_file, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(frames_are_limited, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(broken_registers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(frame_pointer_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_dead_process_is_gone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(i386_from_here, set_up, tear_down),
	};

	run_nested();
	stopping = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0; /* the children's code is x86_64's */
}

#endif
