/* unwind/kernel_border.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel_fixture.h"

#include "unwind/kernel_walk.h"

static struct machine machine;
static const struct space_source memory = {.read = read_machine, .context = &machine};

enum { PAGE = 4096, BORDER_4K = PAGE - 8 - 68, AT_EIP = 12 * 4, AT_CS = 13 * 4, AT_FLAGS = 14 * 4, AT_SP = 15 * 4 };

/* Two stacks' memory full of noise. */
static int set_up(void **state)
{
	(void)state;
	machine_start(&machine, k_entry_SYSENTER_32, k_sys_clone, 7);
	memset(stack_at(&machine, STACK_AREA + PT_REGS), 0x5a, 68);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	disassembler_destroy(machine.disassembler);
	machine.disassembler = NULL;
	return 0;
}

static struct kernel_border border_of(uint64_t sp, size_t stack_size)
{
	struct space *space = space_create_foreign(&memory, NULL);
	struct kernel_border border;

	kernel_border_of_stack(space, sp, stack_size, &border);
	space_unref(space);
	assert_true(border.found || border.reason);
	return border;
}

static void finds_it_at_the_end_of_either_stack(void **state)
{
	struct kernel_border border;

	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS);
	for (uint64_t sp = STACK_AREA; sp <= STACK_AREA + PT_REGS; sp += 4) {
		border = border_of(sp, sp % 8 ? 8192 : 0);
		assert_true(border.found);
		assert_int_equal(border.address, STACK_AREA + PT_REGS);
	}
	assert_int_equal(border.user.abi, ABI_I386);
	assert_int_equal(border.user.known, 0x1ff);
	assert_int_equal(border.user.value[R_EAX], 0xffffffda);
	assert_int_equal(border.user.value[R_EBX], 0x1200011);
	assert_int_equal(border.user.value[R_ESP], 0xbffff000);
	assert_int_equal(border.user.value[R_EIP], 0xb7fd0549);
	assert_int_equal(border.user.original_result, 120);
	assert_int_equal(border.user.flags, 0x246);
	assert_int_equal(border.ss, 0x7b);
	assert_false(border_of(STACK_AREA + 100, 4096).found);
	put_border(&machine, STACK_AREA + BORDER_4K);
	assert_int_equal(border_of(STACK_AREA + 100, 4096).address, STACK_AREA + BORDER_4K);
}

/* Stacks of 4 KiB lie side by side: the neighbour's registers are not ours. */
static void prefers_the_nearest_end(void **state)
{
	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS);
	put_border(&machine, STACK_AREA + BORDER_4K);
	assert_int_equal(border_of(STACK_AREA + 100, 0).address, STACK_AREA + BORDER_4K);
	assert_int_equal(border_of(STACK_AREA + 100, 8192).address, STACK_AREA + PT_REGS);
	assert_int_equal(border_of(STACK_AREA + PAGE + 100, 0).address, STACK_AREA + PT_REGS);
}

/* CONFIG_VM86 has 16 bytes at the end. */
static void finds_it_behind_another_padding(void **state)
{
	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS - 8);
	assert_int_equal(border_of(STACK_AREA + 100, 0).address, STACK_AREA + PT_REGS - 8);
	assert_int_equal(border_of(STACK_AREA + PT_REGS - 8, 8192).address, STACK_AREA + PT_REGS - 8);
}

/* CONFIG_COMPAT_VDSO of 2.6. */
static void finds_a_user_in_the_fixed_vdso(void **state)
{
	static const uint32_t pcs[] = {0xffffe000, 0xffffe410, 0xffffefff};

	(void)state;
	for (size_t i = 0; i < sizeof(pcs) / sizeof(pcs[0]); i++) {
		put_border(&machine, STACK_AREA + PT_REGS);
		*stack_at(&machine, STACK_AREA + PT_REGS + AT_EIP) = pcs[i];
		assert_int_equal(border_of(STACK_AREA + 100, 0).user.value[R_EIP], pcs[i]);
	}
}

/* 2.6.29 has no gs among the words: the same ones before it, one word further up. */
static void finds_it_without_gs(void **state)
{
	enum { WITHOUT_GS = PT_REGS + 4, AT_FS = 9 };
	uint32_t *words = stack_at(&machine, STACK_AREA + WITHOUT_GS);
	struct kernel_border border;

	(void)state;
	/* What fs has there, the segment of a program's own or none. */
	for (uint32_t fs = 0; fs <= 0x33; fs += 0x33) {
		put_border(&machine, STACK_AREA + PT_REGS);
		*stack_at(&machine, STACK_AREA + PT_REGS + AT_FS * 4) = fs;
		memmove(words, words - 1, (AT_FS + 1) * sizeof(*words));
		words[-1] = 0xc1002abc; /* a return address, say */
		border = border_of(STACK_AREA + 100, 0);
		assert_int_equal(border.address, STACK_AREA + WITHOUT_GS);
		assert_int_equal(border.original_eax, 120);
		assert_int_equal(border.user.value[R_EBX], 0x1200011);
		assert_int_equal(border.user.value[R_ECX], 2);
		assert_int_equal(border.user.value[R_EDI], 5);
		assert_int_equal(border.user.value[R_EBP], 0xbffff000);
		assert_int_equal(border.user.value[R_EAX], 0xffffffda);
		assert_int_equal(border.user.value[R_EIP], 0xb7fd0549);
		assert_int_equal(border.user.value[R_ESP], 0xbffff000);
		assert_true(border_of(STACK_AREA + WITHOUT_GS, 8192).found);
		assert_false(border_of(STACK_AREA + WITHOUT_GS + 4, 8192).found);
	}
}

/* The rule of the entry's frame finds it too: the words begin right above the return address. */
static void both_rules_agree_without_gs(void **state)
{
	uint32_t *words = stack_at(&machine, STACK_AREA + PT_REGS + 4);
	struct kernel_walk walk = {0};
	struct kernel_border border;

	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS);
	memmove(words, words - 1, 10 * sizeof(*words));
	words[-1] = 0xc1002abc;
	walk.space = space_create_foreign(&memory, NULL);
	assert_true(kernel_border_at(&walk, STACK_AREA + PT_REGS + 4, &border));
	assert_int_equal(border.address, STACK_AREA + PT_REGS + 4);
	assert_false(kernel_border_at(&walk, STACK_AREA + PT_REGS, &border));
	space_unref((struct space *)(uintptr_t)walk.space);
}

static void refuses_what_no_user_has(void **state)
{
	static const struct {
		uint32_t at, value;
	} wrong[] = {{AT_CS, 0x60},        {AT_CS, 0x7b}, {AT_CS, 0x23},       {AT_EIP, 0xc0000000},
		     {AT_EIP, 0xffffdfff}, {AT_FLAGS, 0}, {AT_FLAGS, 0x20246}, {AT_FLAGS, 0xffffffff},
		     {AT_SP, 0xc8001000},  {64, 0x68},    {44, 0x12345678},    {AT_EIP, 0xfffff000}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		put_border(&machine, STACK_AREA + PT_REGS);
		assert_true(border_of(STACK_AREA + 100, 0).found);
		*stack_at(&machine, STACK_AREA + PT_REGS + wrong[i].at) = wrong[i].value;
		assert_false(border_of(STACK_AREA + 100, 0).found);
	}
}

static void refuses_noise_and_wild_pointers(void **state)
{
	static const uint64_t wild[] = {0, 1, 0xffffffff, 0xfffffffc, 0xc0000000, UINT64_MAX, STACK_AREA + 0x10000};

	(void)state;
	for (uint64_t sp = STACK_AREA; sp < STACK_AREA + PT_REGS; sp += 64)
		assert_false(border_of(sp, 0).found);
	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++)
		assert_false(border_of(wild[i], 0).found);
	put_border(&machine, STACK_AREA + PT_REGS);
	machine.gone = true;
	assert_string_equal(border_of(STACK_AREA + 100, 0).reason, "the stack cannot be read");
}

/* sysenter tells the kernel neither the eip nor the esp. */
static void leaves_unknown_what_is_not_written_yet(void **state)
{
	struct kernel_border border;

	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS);
	*stack_at(&machine, STACK_AREA + PT_REGS + AT_EIP) = 0;
	*stack_at(&machine, STACK_AREA + PT_REGS + AT_SP) = 0;
	border = border_of(STACK_AREA + 100, 0);
	assert_true(border.found);
	assert_int_equal(border.user.known, 0x1ff & ~(1U << R_EIP | 1U << R_ESP));
}

/* What the stack pointer has not passed yet was saved by an earlier system call. */
static void refuses_an_earlier_entry(void **state)
{
	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS);
	for (uint64_t sp = STACK_AREA + PT_REGS + 4; sp < STACK_AREA + STACK_SIZE; sp += 4)
		assert_false(border_of(sp, 8192).found);
}

static struct kernel_border unwind_border(size_t *frames)
{
	struct space *space = space_create_foreign(&memory, NULL);
	struct registers registers = machine_registers(&machine);
	kernel_frames found = {0};
	struct kernel_border border;

	assert_null(kernel_stack_unwind(space, &kernel_code, KERNEL_UNWINDER_AUTO, &registers, 64, &found, &border));
	*frames = found.count;
	vector_deinit(&found);
	space_unref(space);
	return border;
}

/* Runs some way down into the kernel, on a stack whose entry frame lies at `entry_sp`. */
static void run_down(uint32_t entry_sp)
{
	machine.registers[R_ESP] = entry_sp;
	while (machine.depth < 3)
		assert_true(machine_step(&machine));
}

static void both_rules_agree_on_small_stacks(void **state)
{
	struct kernel_border border;
	size_t frames;

	(void)state;
	put_border(&machine, STACK_AREA + BORDER_4K);
	put_border(&machine, STACK_AREA + PT_REGS);
	run_down(STACK_AREA + BORDER_4K);
	border = unwind_border(&frames);
	assert_int_equal(frames, 4);
	assert_true(border.found);
	assert_int_equal(border.address, STACK_AREA + BORDER_4K);
}

static void rules_that_disagree_find_nothing(void **state)
{
	struct kernel_border border;
	size_t frames;

	(void)state;
	put_border(&machine, STACK_AREA + PT_REGS);
	put_border(&machine, STACK_AREA + PT_REGS - 256);
	run_down(STACK_AREA + PT_REGS - 256);
	border = unwind_border(&frames);
	assert_int_equal(frames, 4);
	assert_false(border.found);
	assert_non_null(border.reason);
}

/* A kernel thread: the entry is there, a user is not. */
static void a_stack_without_a_user_has_no_border(void **state)
{
	struct kernel_border border;
	size_t frames;

	(void)state;
	run_down(STACK_AREA + PT_REGS);
	border = unwind_border(&frames);
	assert_int_equal(frames, 4);
	assert_false(border.found);
	assert_string_equal(border.reason, "the entry has saved no user's registers");
}

#define BORDER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BORDER_TEST(finds_it_at_the_end_of_either_stack),
	    BORDER_TEST(prefers_the_nearest_end),
	    BORDER_TEST(finds_it_behind_another_padding),
	    BORDER_TEST(finds_a_user_in_the_fixed_vdso),
	    BORDER_TEST(finds_it_without_gs),
	    BORDER_TEST(both_rules_agree_without_gs),
	    BORDER_TEST(refuses_what_no_user_has),
	    BORDER_TEST(refuses_noise_and_wild_pointers),
	    BORDER_TEST(leaves_unknown_what_is_not_written_yet),
	    BORDER_TEST(refuses_an_earlier_entry),
	    BORDER_TEST(both_rules_agree_on_small_stacks),
	    BORDER_TEST(rules_that_disagree_find_nothing),
	    BORDER_TEST(a_stack_without_a_user_has_no_border),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
