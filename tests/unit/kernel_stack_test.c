/* unwind/kernel_stack.c, and what it is made of. */
#include "unwind/kernel_stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_fixture.h"

enum { MAX_FRAMES = 64 };

static struct machine machine;
static const struct space_source memory = {.read = read_machine, .context = &machine};

struct unwound {
	kernel_frames frames;
	struct kernel_border border;
};

static void unwind(enum kernel_unwinder unwinder, size_t max_frames, struct unwound *unwound)
{
	struct space *space = space_create_foreign(&memory, NULL);
	struct registers registers = machine_registers(&machine);

	*unwound = (struct unwound){0};
	assert_null(kernel_stack_unwind(space, &kernel_code, unwinder, &registers, max_frames, &unwound->frames,
					&unwound->border));
	space_unref(space);
}

static int tear_down(void **state)
{
	(void)state;
	disassembler_destroy(machine.disassembler);
	machine.disassembler = NULL;
	return 0;
}

static void check_true_stack(const struct unwound *unwound, bool certain)
{
	assert_int_equal(unwound->frames.count, machine.depth + 1);
	assert_int_equal(unwound->frames.items[0].pc, machine.registers[R_EIP]);
	assert_int_equal(unwound->frames.items[0].method, METHOD_PT_REGS);
	for (size_t i = 0; i < machine.depth; i++) {
		const struct kernel_frame *frame = &unwound->frames.items[machine.depth - i];

		assert_int_equal(frame->pc, machine.calls[i].pc);
		assert_int_equal(frame->sp, machine.calls[i].slot + 4);
		assert_int_equal(frame->certain, certain);
	}
	assert_true(unwound->border.found);
	assert_int_equal(unwound->border.address, STACK_AREA + PT_REGS);
}

static bool seen[4096]; /* by the pc's offset in the text */

static bool was_at(const uint8_t *place)
{
	return seen[place - kernel_start];
}

/* Runs from the entry until it returns there, and unwinds at each instruction. */
static unsigned check_everywhere(const uint8_t *entry, const uint8_t *indirect, const enum kernel_unwinder *unwinders,
				 size_t count)
{
	unsigned steps = 0;

	for (uint32_t seed = 1; seed <= 100; seed++) {
		machine_start(&machine, entry, indirect, seed);
		do {
			for (size_t i = 0; i < count; i++) {
				struct unwound unwound;

				unwind(unwinders[i], MAX_FRAMES, &unwound);
				check_true_stack(&unwound, true);
				vector_deinit(&unwound.frames);
			}
			seen[machine.registers[R_EIP] - TEXT] = true;
			steps++;
		} while (machine_step(&machine));
	}
	return steps;
}

static void unwinds_everywhere_with_frame_pointers(void **state)
{
	static const enum kernel_unwinder unwinders[] = {KERNEL_UNWINDER_AUTO, KERNEL_UNWINDER_FRAME_POINTER,
							 KERNEL_UNWINDER_PROLOGUE};

	(void)state;
	assert_true(check_everywhere(k_entry_SYSENTER_32, k_sys_clone, unwinders, 3) > 1000);
	assert_true(was_at(k_copy_process_cold) && was_at(k_leaf) && was_at(k_panic));
	assert_true(was_at(k___x86_indirect_thunk_eax_ret) && was_at(k_kernel_clone_ret));
	assert_true(check_everywhere(k_entry_SYSENTER_32, k_sys_clone_tail, unwinders, 3) > 100);
}

static void unwinds_everywhere_without_frame_pointers(void **state)
{
	static const enum kernel_unwinder unwinders[] = {KERNEL_UNWINDER_AUTO, KERNEL_UNWINDER_PROLOGUE};

	(void)state;
	assert_true(check_everywhere(k_sysenter_do_call, k_ptregs_clone, unwinders, 2) > 500);
	assert_true(was_at(k_copy_process_old_ret) && was_at(k_do_fork_old_6) && was_at(k_do_fork_old_ret));
}

/* Runs until the pc is at `place`. */
static void run_to(const uint8_t *entry, const uint8_t *indirect, const uint8_t *place)
{
	for (uint32_t seed = 1; seed < 1000; seed++) {
		machine_start(&machine, entry, indirect, seed);
		do {
			if (machine.registers[R_EIP] == address_of(place))
				return;
		} while (machine_step(&machine));
	}
	fail_msg("not reached");
}

static void says_how_it_found_a_frame(void **state)
{
	struct unwound unwound;

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone, k_copy_process);
	unwind(KERNEL_UNWINDER_AUTO, MAX_FRAMES, &unwound);
	check_true_stack(&unwound, true);
	assert_int_equal(unwound.frames.count, 6);
	assert_int_equal(unwound.frames.items[1].method, METHOD_PROLOGUE); /* the frame is not there yet */
	for (size_t i = 2; i < unwound.frames.count; i++)
		assert_int_equal(unwound.frames.items[i].method, METHOD_FRAME_POINTER);
	assert_int_equal(unwound.border.user.value[R_EIP], 0xb7fd0549);
	assert_int_equal(unwound.border.user.value[R_EBX], 0x1200011);
	assert_int_equal(unwound.border.user.known, 0x1ff);
	assert_int_equal(unwound.border.original_eax, 120);
	assert_int_equal(unwound.border.cs, 0x73);
	vector_deinit(&unwound.frames);
}

static void scans_the_true_stack(void **state)
{
	struct unwound unwound;

	(void)state;
	run_to(k_sysenter_do_call, k_ptregs_clone, k_copy_process_old);
	unwind(KERNEL_UNWINDER_SCAN, MAX_FRAMES, &unwound);
	assert_int_equal(unwound.frames.count, machine.depth + 1);
	for (size_t i = 0; i < machine.depth; i++) {
		assert_int_equal(unwound.frames.items[machine.depth - i].pc, machine.calls[i].pc);
		assert_int_equal(unwound.frames.items[machine.depth - i].method, METHOD_SCAN);
		assert_false(unwound.frames.items[machine.depth - i].certain);
	}
	assert_true(unwound.border.found);
	vector_deinit(&unwound.frames);
}

/* Words that are no callers lie between the frames: kernel text behind no call; behind a call of another function. */
static void scan_refuses_decoys(void **state)
{
	uint32_t pc;
	struct unwound unwound;

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone, k_copy_process);
	pc = machine.calls[4].pc;
	machine.calls[4].slot -= 12;
	machine.registers[R_ESP] -= 12;
	*stack_at(&machine, machine.registers[R_ESP]) = (uint32_t)address_of(k_copy_process) + 1;
	*stack_at(&machine, machine.registers[R_ESP] + 4) = (uint32_t)address_of(k_kernel_clone);
	*stack_at(&machine, machine.registers[R_ESP] + 8) = machine.calls[3].pc; /* calls kernel_clone */
	unwind(KERNEL_UNWINDER_SCAN, MAX_FRAMES, &unwound);
	assert_int_equal(unwound.frames.count, 6);
	assert_int_equal(unwound.frames.items[1].pc, pc);
	assert_int_equal(unwound.frames.items[1].sp, machine.registers[R_ESP] + 16);
	vector_deinit(&unwound.frames);
}

/* A call may reach the function below it by another one's tail call. */
static void scan_follows_tail_calls(void **state)
{
	struct unwound unwound;

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone_tail, k__do_fork);
	*stack_at(&machine, machine.registers[R_ESP]) = (uint32_t)machine.calls[2].pc;
	unwind(KERNEL_UNWINDER_SCAN, MAX_FRAMES, &unwound);
	assert_int_equal(unwound.frames.count, machine.depth + 1);
	assert_int_equal(unwound.frames.items[1].pc, machine.calls[2].pc);
	vector_deinit(&unwound.frames);
}

static void auto_scans_where_nothing_else_helps(void **state)
{
	struct unwound unwound;

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone, k_copy_process);
	/* Not an instruction's start: no analysis gets there; the frame pointer is a stranger's. */
	machine.registers[R_EIP] += 2;
	machine.registers[R_EBP] = 0xbffff000;
	unwind(KERNEL_UNWINDER_AUTO, MAX_FRAMES, &unwound);
	assert_int_equal(unwound.frames.count, 6);
	assert_int_equal(unwound.frames.items[1].method, METHOD_SCAN);
	for (size_t i = 1; i < unwound.frames.count; i++)
		assert_false(unwound.frames.items[i].certain);
	vector_deinit(&unwound.frames);
}

static void survives_wild_stacks(void **state)
{
	struct unwound unwound;

	(void)state;
	for (uint32_t seed = 1; seed < 300; seed++) {
		run_to(k_entry_SYSENTER_32, k_sys_clone, k_copy_process);
		machine.random = seed;
		for (unsigned i = 0; i < 64; i++) {
			uint64_t place = STACK_AREA + machine_random(&machine) % (STACK_SIZE / 4) * 4;

			*stack_at(&machine, place) =
			    machine_random(&machine) % 2
				? machine.calls[i % machine.depth].pc
				: (uint32_t)(STACK_AREA + machine_random(&machine) % STACK_SIZE);
		}
		for (unsigned i = 0; i < 8; i++)
			machine.registers[i] = machine_random(&machine) << 16 | machine_random(&machine);
		if (seed % 3)
			machine.registers[R_ESP] = STACK_AREA + machine_random(&machine) % STACK_SIZE;
		for (unsigned unwinder = 0; unwinder <= KERNEL_UNWINDER_SCAN; unwinder++) {
			unwind(unwinder, MAX_FRAMES, &unwound);
			assert_in_range(unwound.frames.count, 1, MAX_FRAMES);
			for (size_t i = 1; i < unwound.frames.count; i++)
				assert_true(unwound.frames.items[i].sp > unwound.frames.items[i - 1].sp);
			vector_deinit(&unwound.frames);
		}
	}
}

static void stops_at_the_limit(void **state)
{
	struct unwound unwound;

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone, k_copy_process);
	for (size_t limit = 0; limit < 4; limit++) {
		unwind(KERNEL_UNWINDER_AUTO, limit, &unwound);
		assert_int_equal(unwound.frames.count, limit);
		assert_true(unwound.border.found);
		vector_deinit(&unwound.frames);
	}
}

/* A loop of frame pointers, in a function that nothing is known of. */
static void ends_loops(void **state)
{
	struct unwound unwound;
	uint32_t frame;

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone, k_kernel_clone);
	machine.registers[R_EIP] += 2;
	frame = machine.registers[R_EBP];
	*stack_at(&machine, frame) = frame;
	unwind(KERNEL_UNWINDER_FRAME_POINTER, MAX_FRAMES, &unwound);
	assert_in_range(unwound.frames.count, 2, 3);
	vector_deinit(&unwound.frames);
}

static void tells_a_machine_that_is_gone(void **state)
{
	struct space *space = space_create_foreign(&memory, NULL);
	struct unwound unwound = {0};

	(void)state;
	run_to(k_entry_SYSENTER_32, k_sys_clone, k_copy_process);
	struct registers registers = machine_registers(&machine);

	machine.gone = true;
	assert_ptr_equal(kernel_stack_unwind(space, &kernel_code, KERNEL_UNWINDER_AUTO, &registers, MAX_FRAMES,
					     &unwound.frames, &unwound.border),
			 &error_gone);
	assert_false(unwound.border.found);
	vector_deinit(&unwound.frames);
	space_unref(space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(unwinds_everywhere_with_frame_pointers),
	    cmocka_unit_test(unwinds_everywhere_without_frame_pointers),
	    cmocka_unit_test(says_how_it_found_a_frame),
	    cmocka_unit_test(scans_the_true_stack),
	    cmocka_unit_test(scan_refuses_decoys),
	    cmocka_unit_test(scan_follows_tail_calls),
	    cmocka_unit_test(auto_scans_where_nothing_else_helps),
	    cmocka_unit_test(survives_wild_stacks),
	    cmocka_unit_test(stops_at_the_limit),
	    cmocka_unit_test(ends_loops),
	    cmocka_unit_test(tells_a_machine_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, tear_down);
}
