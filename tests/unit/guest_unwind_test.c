/* All ways to unwind a kernel's stack, on a real kernel: they must agree. Where it was built without frame pointers,
 * the way that follows those is left out. */
#include "guest_stops.h"

#include "kernel/guest_clock.h"

enum { STEPS = 100 };

static bool frame_pointers;

/* Every method gives these frames. */
static void compare(const kernel_frames *wanted, enum kernel_unwinder unwinder)
{
	kernel_frames frames = {0};

	if (unwinder == KERNEL_UNWINDER_FRAME_POINTER && !frame_pointers)
		return;
	unwind(unwinder, &frames);
	assert_int_equal(frames.count, wanted->count);
	for (size_t i = 0; i < frames.count; i++) {
		assert_int_equal(frames.items[i].pc, wanted->items[i].pc);
		assert_true(frames.items[i].certain == (unwinder != KERNEL_UNWINDER_SCAN || i == 0));
	}
	vector_deinit(&frames);
}

/* What the code says, not the unwinder: copy_process begins with push %ebp and mov %esp,%ebp, behind a nop or two. */
static bool has_frame_pointers(void)
{
	static const uint8_t begin[] = {0x55, 0x89, 0xe5};
	uint8_t bytes[32];
	uint64_t address;

	assert_true(kernel_symbols_by_name(symbols, stage_function(STAGE_COPY), &address, NULL));
	assert_null(gdbstub_read(stub, address, bytes, sizeof(bytes)));
	return memmem(bytes, sizeof(bytes), begin, sizeof(begin));
}

static void check_place(enum stage stage)
{
	kernel_frames frames = {0};
	uint64_t address = run_to_stage(stage);
	struct kernel_border border = unwind(KERNEL_UNWINDER_AUTO, &frames);

	assert_true(border.found);
	assert_int_equal(border.original_eax, CLONE_NUMBER);
	assert_string_equal(name_of(&frames.items[0], true), stage_function(stage));
	assert_string_equal(name_of(&frames.items[frames.count - 1], false), entry_frame());
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
		assert_string_equal(name_of(&frames.items[frames.count - 1], false), entry_frame());
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

	(void)state;
	if (!options.kernel)
		skip_because("FORKTRACE_GUEST_KERNEL names no kernel");

	_cleanup_fd_ int payload = payload_of(static_fork, NULL);
	struct guest *guest = start_to_exec(&options, payload);
	struct guest_clock clock = {0};
	uint64_t time = clock_of(&clock);

	frame_pointers = has_frame_pointers();
	/* It stands while the machine does. */
	assert_int_equal(clock_of(&clock), time);
	check_place(STAGE_HANDLER);
	assert_true(clock_of(&clock) > time);
	check_place(STAGE_WORKER);
	check_place(STAGE_COPY);
	check_steps();
	check_place(STAGE_WAKE);
	end_guest(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_methods_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
