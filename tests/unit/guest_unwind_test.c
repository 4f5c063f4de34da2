/* All ways to unwind a kernel's stack, on a real kernel that was built with frame pointers: they must agree. */
#include "guest_fixture.h"

#include "skipping.h"
#include "kernel/guest_clock.h"
#include "symbol/kernel_symbols.h"
#include "target/gdbstub.h"
#include "unwind/kernel_stack.h"

enum { MAX_FRAMES = 64, CLONE_NUMBER = 120, STEPS = 100 };

static struct gdbstub *stub;
static struct kernel_symbols *symbols;

static struct error *read_stub(void *context, uint64_t address, void *bytes, size_t size)
{
	(void)context;
	return gdbstub_read(stub, address, bytes, size);
}

static bool find(void *context, uint64_t address, struct kernel_function *function)
{
	struct kernel_symbol symbol;

	(void)context;
	if (!kernel_symbols_find(symbols, address, &symbol) ||
	    !kernel_symbols_bounds(symbols, address, &function->start, &function->end))
		return false;
	function->name = symbol.name;
	function->module = symbol.module;
	return true;
}

static const struct space_source memory = {.read = read_stub};
static const struct kernel_code code = {.find = find};

static struct kernel_border unwind(enum kernel_unwinder unwinder, kernel_frames *frames)
{
	struct space *space = space_create_foreign(&memory, NULL);
	struct kernel_border border = {0};
	struct registers registers;

	frames->count = 0;
	assert_null(gdbstub_registers(stub, &registers));
	assert_null(kernel_stack_unwind(space, &code, unwinder, &registers, MAX_FRAMES, frames, &border));
	space_unref(space);
	return border;
}

static const char *name_of(const struct kernel_frame *frame, bool innermost)
{
	struct kernel_symbol symbol;
	bool known = innermost ? kernel_symbols_find(symbols, frame->pc, &symbol)
			       : kernel_symbols_find_caller(symbols, frame->pc, &symbol);

	return known ? symbol.name : "?";
}

/* Every method gives these frames. */
static void compare(const kernel_frames *wanted, enum kernel_unwinder unwinder)
{
	kernel_frames frames = {0};

	unwind(unwinder, &frames);
	assert_int_equal(frames.count, wanted->count);
	for (size_t i = 0; i < frames.count; i++) {
		assert_int_equal(frames.items[i].pc, wanted->items[i].pc);
		assert_true(frames.items[i].certain == (unwinder != KERNEL_UNWINDER_SCAN || i == 0));
	}
	vector_deinit(&frames);
}

static void run_to(uint64_t address)
{
	struct gdbstub_stop stop;
	struct registers registers;

	do {
		assert_null(gdbstub_resume(stub));
		assert_null(gdbstub_wait(stub, RUN_MS, &stop));
		assert_int_equal(stop.kind, GDBSTUB_STOP_SIGNAL);
		assert_null(gdbstub_registers(stub, &registers));
	} while (registers_pc(&registers) != address);
}

static void check_place(const char *name)
{
	kernel_frames frames = {0};
	uint64_t address = 0;

	assert_true(kernel_symbols_by_name(symbols, name, &address, NULL));
	assert_null(gdbstub_breakpoint_add(stub, address));
	run_to(address);

	struct kernel_border border = unwind(KERNEL_UNWINDER_AUTO, &frames);

	assert_true(border.found);
	assert_int_equal(border.original_eax, CLONE_NUMBER);
	assert_string_equal(name_of(&frames.items[0], true), name);
	assert_string_equal(name_of(&frames.items[frames.count - 1], false), "entry_SYSENTER_32");
	for (enum kernel_unwinder unwinder = KERNEL_UNWINDER_AUTO; unwinder <= KERNEL_UNWINDER_SCAN; unwinder++)
		compare(&frames, unwinder);
	assert_null(gdbstub_breakpoint_remove(stub, address));
	vector_deinit(&frames);
}

/* At each instruction on the way, in the middle of whatever function. */
static void check_steps(void)
{
	for (int i = 0; i < STEPS; i++) {
		kernel_frames frames = {0};
		struct gdbstub_stop stop;

		assert_true(unwind(KERNEL_UNWINDER_AUTO, &frames).found);
		assert_string_equal(name_of(&frames.items[frames.count - 1], false), "entry_SYSENTER_32");
		compare(&frames, KERNEL_UNWINDER_FRAME_POINTER);
		compare(&frames, KERNEL_UNWINDER_PROLOGUE);
		vector_deinit(&frames);
		assert_null(gdbstub_step(stub, &stop));
	}
}

static uint64_t clock_of(struct guest_clock *clock)
{
	struct buffer answer = {0};
	uint64_t ns = 0;

	assert_null(gdbstub_monitor(stub, GUEST_CLOCK_COMMAND, &answer));
	assert_true(guest_clock_answer(clock, answer.data, &ns));
	buffer_deinit(&answer);
	return ns;
}

static void all_methods_agree(void **state)
{
	struct guest_options options = {.qemu = qemu, .kernel = getenv("FORKTRACE_GUEST_KERNEL"), .cold = true};
	size_t size;

	(void)state;
	if (!options.kernel)
		skip_because("FORKTRACE_GUEST_KERNEL names no kernel");

	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct guest *guest = start(&options, payload);
	struct log silent = {0};

	const char *text = guest_kallsyms(guest, &size);

	symbols = kernel_symbols_create(text, size);
	assert_null(gdbstub_create(guest_stub_fd(guest), &silent, &stub));
	/* PID 1 starts the program by int $0x80: the first clone through sysenter is the program's. */
	assert_null(gdbstub_breakpoint_add(stub, guest_exec_address(guest)));
	assert_null(guest_go(guest));
	run_to(guest_exec_address(guest));
	assert_null(gdbstub_breakpoint_remove(stub, guest_exec_address(guest)));

	struct guest_clock clock = {0};
	uint64_t time = clock_of(&clock);

	/* It stands while the machine does. */
	assert_int_equal(clock_of(&clock), time);
	check_place("__ia32_sys_clone");
	assert_true(clock_of(&clock) > time);
	check_place("kernel_clone");
	check_place("copy_process");
	check_steps();
	check_place("wake_up_new_task");
	gdbstub_destroy(stub);
	guest_destroy(guest);
	kernel_symbols_destroy(symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_methods_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
