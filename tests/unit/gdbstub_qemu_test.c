/* target/gdbstub*.c against QEMU's stub, without a guest: the machine waits at its first instruction. */
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

static void knows_the_reset_state_of_i386(void **state)
{
	struct peer peer;
	struct registers registers;
	uint64_t value;
	uint8_t jump[5];

	(void)state;
	start_qemu(&peer);
	assert_int_equal(gdbstub_abi(peer.stub), ABI_I386);
	no_error(gdbstub_registers(peer.stub, &registers));
	assert_int_equal(registers.abi, ABI_I386);
	assert_int_equal(registers.known, (1U << 9) - 1);
	assert_int_equal(registers_pc(&registers), 0xfff0); /* Intel's manual, volume 3, "First Instruction Executed" */
	assert_int_equal(registers.cs, 0xf000);
	assert_int_equal(registers.flags, 2);
	assert_true(registers.original_result == UINT64_MAX);
	no_error(gdbstub_register(peer.stub, "cr3", &value));
	assert_int_equal(value, 0);
	no_error(gdbstub_register(peer.stub, "cr0", &value));
	assert_int_equal(value & 1, 0);
	no_error(gdbstub_read(peer.stub, 0xfffffff0, jump, sizeof(jump)));
	assert_int_equal(jump[0], 0xea); /* jmp ptr16:16 */
	end(&peer);
}

/* Real mode, made by hand: with cs 0 its base is 0, so that pc and address are the same, as in any kernel. */
static void passes_breakpoints_in_qemu(void **state)
{
	static const uint8_t code[] = {0x90, 0x90, 0x90, 0xeb, 0xfb}; /* nop; nop; nop; jmp to the first */
	struct peer peer;
	struct gdbstub_stop stop;

	(void)state;
	start_qemu(&peer);
	no_error(gdbstub_write(peer.stub, 0x8000, code, sizeof(code)));
	no_error(gdbstub_set_register(peer.stub, "cs", 0));
	no_error(gdbstub_set_register(peer.stub, "eip", 0x8000));
	no_error(gdbstub_breakpoint_add(peer.stub, 0x8002));
	for (int round = 0; round < 3; round++) {
		resume_to_stop(&peer, &stop);
		assert_int_equal(stop.kind, GDBSTUB_STOP_SIGNAL);
		assert_int_equal(stop.number, 5);
		assert_int_equal(pc_of(&peer), 0x8002);
	}
	assert_int_equal(peer.stub->passing, GDBSTUB_PASSING_YES);
	no_error(gdbstub_step(peer.stub, &stop));
	assert_int_equal(pc_of(&peer), 0x8003);
	no_error(gdbstub_breakpoint_remove(peer.stub, 0x8002));
	no_error(gdbstub_resume(peer.stub));
	assert_true(gdbstub_running(peer.stub));
	no_error(gdbstub_interrupt(peer.stub));
	wait_stop(&peer, &stop);
	assert_int_equal(stop.number, 2);
	assert_in_range(pc_of(&peer), 0x8000, 0x8004);
	no_error(gdbstub_detach(peer.stub));
	end(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_the_reset_state_of_i386),
	    cmocka_unit_test(passes_breakpoints_in_qemu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
