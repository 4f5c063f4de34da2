/* target/gdbstub_pass.c before QEMU's stub, without a guest: which instructions are done by hand, and what they do.
 * Nothing is executed here: the machine stands at its first instruction, but for the registers that the tests set. */
#include "target/gdbstub.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "skipping.h"

#include "gdbstub_real.h"

enum { CODE = 0x8000, STACK = 0x9000, EAX_VALUE = 0x11223344, STACK_VALUE = 0x55667788, FLAGS = 0x246 };

/* As a kernel's processor is: in protected mode, code and stack at the addresses that their registers tell. */
static void start_protected(struct peer *peer)
{
	start_qemu(peer);
	no_error(gdbstub_set_register(peer->stub, "cs", 0));
	no_error(gdbstub_set_register(peer->stub, "cr0", 1));
}

static void place(struct peer *peer, const uint8_t *code, size_t size)
{
	static const uint32_t stack[2] = {0, STACK_VALUE};

	no_error(gdbstub_write(peer->stub, CODE, code, size));
	no_error(gdbstub_write(peer->stub, STACK - sizeof(*stack), stack, sizeof(stack)));
	no_error(gdbstub_set_register(peer->stub, "eip", CODE));
	no_error(gdbstub_set_register(peer->stub, "esp", STACK));
	no_error(gdbstub_set_register(peer->stub, "eax", EAX_VALUE));
	no_error(gdbstub_set_register(peer->stub, "ebx", 0));
	no_error(gdbstub_set_register(peer->stub, "eflags", FLAGS));
}

static void check(struct peer *peer, uint32_t eip, uint32_t esp, uint32_t ebx, uint32_t below)
{
	enum { EBX = 3 }; /* DWARF number */
	struct registers registers;
	uint32_t word;

	no_error(gdbstub_registers(peer->stub, &registers));
	assert_int_equal(registers_pc(&registers), eip);
	assert_int_equal(registers_sp(&registers), esp);
	assert_int_equal(registers.value[EBX], ebx);
	assert_int_equal(registers.value[0], EAX_VALUE);
	assert_int_equal(registers.flags, FLAGS);
	no_error(gdbstub_read(peer->stub, STACK - sizeof(word), &word, sizeof(word)));
	assert_int_equal(word, below);
	no_error(gdbstub_read(peer->stub, STACK, &word, sizeof(word)));
	assert_int_equal(word, STACK_VALUE);
}

struct code {
	size_t size;
	uint8_t bytes[8];
	uint32_t esp, ebx, below; /* afterwards */
};

static void passes_what_does_little(void **state)
{
	static const struct code codes[] = {
	    {1, {0x90}, STACK, 0, 0},                         /* nop */
	    {5, {0x0f, 0x1f, 0x44, 0x00, 0x00}, STACK, 0, 0}, /* nopl 0(%eax,%eax) */
	    {5, {0x3e, 0x8d, 0x74, 0x26, 0x00}, STACK, 0, 0}, /* lea %ds:0(%esi),%esi: a 32-bit kernel's nop */
	    {1, {0x50}, STACK - 4, 0, EAX_VALUE},             /* push %eax */
	    {1, {0x54}, STACK - 4, 0, STACK},                 /* push %esp: as it was */
	    {1, {0x9c}, STACK - 4, 0, FLAGS},                 /* pushf */
	    {1, {0x5b}, STACK + 4, STACK_VALUE, 0},           /* pop %ebx */
	};
	struct peer peer;

	(void)state;
	start_protected(&peer);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		bool passed = false;

		place(&peer, codes[i].bytes, codes[i].size);
		no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
		if (!passed)
			fail_msg("the code that begins with %02x was not passed", codes[i].bytes[0]);
		check(&peer, CODE + (uint32_t)codes[i].size, codes[i].esp, codes[i].ebx, codes[i].below);
	}
	end(&peer);
}

/* It goes on elsewhere, and leaves its return address. */
static void passes_a_call(void **state)
{
	static const uint8_t forward[] = {0xe8, 0x00, 0x01, 0x00, 0x00}, back[] = {0xe8, 0xf0, 0xff, 0xff, 0xff};
	struct peer peer;

	(void)state;
	start_protected(&peer);
	for (int i = 0; i < 2; i++) {
		bool passed = false;

		place(&peer, i ? back : forward, sizeof(forward));
		no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
		assert_true(passed);
		check(&peer, CODE + 5 + (i ? -16U : 0x100), STACK - 4, 0, CODE + 5);
	}
	end(&peer);
}

static void leaves_all_else_to_the_machine(void **state)
{
	static const struct code codes[] = {
	    {2, {0xff, 0xd0}, 0, 0, 0},             /* call *%eax */
	    {2, {0xeb, 0x00}, 0, 0, 0},             /* jmp */
	    {1, {0xc3}, 0, 0, 0},                   /* ret */
	    {2, {0x89, 0xc3}, 0, 0, 0},             /* mov %eax,%ebx */
	    {2, {0x6a, 0x01}, 0, 0, 0},             /* push $1 */
	    {3, {0xff, 0x34, 0x24}, 0, 0, 0},       /* push (%esp) */
	    {3, {0x8f, 0x04, 0x24}, 0, 0, 0},       /* pop (%esp) */
	    {1, {0x5c}, 0, 0, 0},                   /* pop %esp */
	    {1, {0x9d}, 0, 0, 0},                   /* popf */
	    {1, {0x60}, 0, 0, 0},                   /* pusha */
	    {1, {0xf4}, 0, 0, 0},                   /* hlt */
	    {2, {0x0f, 0x0b}, 0, 0, 0},             /* ud2 */
	    {4, {0xf3, 0x0f, 0x1e, 0xfb}, 0, 0, 0}, /* endbr32: does something where branches are tracked */
	    {4, {0x8d, 0x74, 0x26, 0x01}, 0, 0, 0}, /* lea 1(%esi),%esi */
	};
	struct peer peer;

	(void)state;
	start_protected(&peer);
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		bool passed = true;

		place(&peer, codes[i].bytes, codes[i].size);
		no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
		if (passed)
			fail_msg("the code that begins with %02x was passed", codes[i].bytes[0]);
		check(&peer, CODE, STACK, 0, 0);
	}
	end(&peer);
}

/* The breakpoint behind is to be hit. */
static void does_not_pass_into_a_breakpoint(void **state)
{
	static const uint8_t nops[] = {0x90, 0x90};
	struct peer peer;
	bool passed = true;

	(void)state;
	start_protected(&peer);
	place(&peer, nops, sizeof(nops));
	no_error(gdbstub_breakpoint_add(peer.stub, CODE + 1));
	no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
	assert_false(passed);
	no_error(gdbstub_breakpoint_remove(peer.stub, CODE + 1));
	no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
	assert_true(passed);
	end(&peer);
}

/* What is written by hand would not be noticed. */
static void does_not_pass_where_memory_is_watched(void **state)
{
	static const uint8_t push = 0x50;
	struct peer peer;
	bool passed = true;

	(void)state;
	start_protected(&peer);
	place(&peer, &push, sizeof(push));
	no_error(gdbstub_watch_add(peer.stub, STACK - sizeof(uint32_t), sizeof(uint32_t)));
	no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
	assert_false(passed);
	check(&peer, CODE, STACK, 0, 0);
	no_error(gdbstub_watch_remove(peer.stub, STACK - sizeof(uint32_t), sizeof(uint32_t)));
	no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
	assert_true(passed);
	end(&peer);
}

/* Code of 16 bits: a push there is half as wide. */
static void does_not_pass_in_real_mode(void **state)
{
	static const uint8_t push = 0x50;
	struct peer peer;
	bool passed = true;

	(void)state;
	start_protected(&peer);
	place(&peer, &push, sizeof(push));
	no_error(gdbstub_set_register(peer.stub, "cr0", 0));
	no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
	assert_false(passed);
	check(&peer, CODE, STACK, 0, 0);
	end(&peer);
}

/* What is said to be the same everywhere is looked at once; what is not, each time. */
static void looks_again_where_code_may_change(void **state)
{
	static const uint8_t nop = 0x90, halt = 0xf4;
	struct peer peer;
	bool passed = false;

	(void)state;
	start_protected(&peer);
	no_error(gdbstub_breakpoint_add(peer.stub, CODE));
	for (int same = 0; same <= 1; same++) {
		if (same)
			gdbstub_breakpoint_same_code(peer.stub, CODE);
		place(&peer, &nop, sizeof(nop));
		no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
		assert_true(passed);
		place(&peer, &halt, sizeof(halt));
		no_error(gdbstub_pass_by_hand(peer.stub, CODE, &passed));
		assert_int_equal(passed, same);
	}
	no_error(gdbstub_breakpoint_remove(peer.stub, CODE));
	end(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_what_does_little),
	    cmocka_unit_test(passes_a_call),
	    cmocka_unit_test(leaves_all_else_to_the_machine),
	    cmocka_unit_test(does_not_pass_into_a_breakpoint),
	    cmocka_unit_test(does_not_pass_in_real_mode),
	    cmocka_unit_test(does_not_pass_where_memory_is_watched),
	    cmocka_unit_test(looks_again_where_code_may_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
