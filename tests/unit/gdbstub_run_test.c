/* target/gdbstub*.c against peers that follow a script: running, stopping, breakpoints */
#include "target/gdbstub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gdbstub_fixture.h"

static void tells_breakpoints_at_the_resume(void **state)
{
	static const struct peer_line script[] = {HELLO,
						  ASK("Z0,2000,1"),
						  SAY("OK"),
						  ASK("vCont;c"),
						  SAY("T05swbreak:;thread:01;"),
						  ASK("g"),
						  SAY(G_AT_2000),
						  ASK("z0,2000,1"),
						  SAY("E22"),
						  ASK("Z0,4000,1"),
						  SAY("OK"),
						  ASK("vCont;c"),
						  SAY("W00"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_breakpoint_add(stub, 0x2000));
	no_error(gdbstub_breakpoint_add(stub, 0x2000));
	no_error(gdbstub_breakpoint_add(stub, 0x3000));
	no_error(gdbstub_breakpoint_remove(stub, 0x3000));
	no_error(gdbstub_breakpoint_remove(stub, 0x2000));
	assert_error(gdbstub_breakpoint_remove(stub, 0x3000), ERROR_NOT_FOUND);
	assert_true(gdbstub_breakpoint_at(stub, 0x2000));
	assert_false(gdbstub_breakpoint_at(stub, 0x3000));
	no_error(gdbstub_resume(stub));
	wait_signal(stub, 5);
	/* Removed while it lies under the pc, and added and removed again elsewhere. */
	no_error(gdbstub_breakpoint_remove(stub, 0x2000));
	no_error(gdbstub_breakpoint_add(stub, 0x4000));
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.kind, GDBSTUB_STOP_EXITED);
	assert_int_equal(stop.number, 0);
	assert_error(gdbstub_resume(stub), ERROR_GONE);
	assert_error(gdbstub_set_register(stub, "eax", 1), ERROR_GONE);
	end(&peer, stub);
}

/* A breakpoint that the peer does not know yet is not stepped over twice, and tells nothing of the peer. */
#define STOP_AT_1000                                                                                                   \
	HELLO, ASK("vCont;s:01"), SAY("T05thread:01;"), ASK("Z0,1000,1"), SAY("OK"), ASK("vCont;c"),                   \
	    SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1000)

static struct gdbstub *start_stopped_at_1000(struct scripted_peer *peer, const struct peer_line *script)
{
	struct gdbstub *stub = start(peer, script);

	no_error(gdbstub_breakpoint_add(stub, 0x1000));
	no_error(gdbstub_resume(stub));
	wait_signal(stub, 5);
	return stub;
}

static void resumes_where_steps_pass(void **state)
{
	static const struct peer_line script[] = {
	    STOP_AT_1000, ASK("vCont;s:01"), SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1001), ASK("vCont;c"),
	    SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1000),
	    /* It is known now. */
	    ASK("vCont;s:01"), SAY("T05thread:01;"), ASK("vCont;c"), SAY("X0b"), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start_stopped_at_1000(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_resume(stub));
	wait_signal(stub, 5);
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.kind, GDBSTUB_STOP_KILLED);
	assert_int_equal(stop.number, 11);
	end(&peer, stub);
}

static void resumes_where_steps_hit_again(void **state)
{
	static const struct peer_line script[] = {STOP_AT_1000, ASK("vCont;s:01"), SAY("T05swbreak:;thread:01;"),
						  ASK("g"), SAY(G_AT_1000), ASK("z0,1000,1"), SAY("OK"),
						  ASK("vCont;s:01"), SAY("T05thread:01;"), ASK("Z0,1000,1"), SAY("OK"),
						  ASK("vCont;c"), SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1000),
						  /* It is known now; and two steps on end put it back once. */
						  ASK("z0,1000,1"), SAY("OK"), ASK("vCont;s:01"), SAY("T05thread:01;"),
						  ASK("vCont;s:01"), SAY("T05thread:01;"), ASK("g"), SAY(G_AT_2000),
						  ASK("Z0,1000,1"), SAY("OK"), ASK("vCont;c"), SAY("W00"), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start_stopped_at_1000(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_resume(stub));
	wait_signal(stub, 5);
	no_error(gdbstub_step(stub, &stop));
	no_error(gdbstub_step(stub, &stop));
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	end(&peer, stub);
}

/* What happens during the step over a breakpoint is told, and the machine stays where it is. */
static void tells_what_comes_in_between(void **state)
{
	static const struct peer_line script[] = {STOP_AT_1000,
						  ASK("vCont;s:01"),
						  SAY("T1ethread:02;"),
						  ASK("vCont;C1e:02;c"),
						  SAY("T05watch:2000;thread:01;"),
						  ASK("g"),
						  SAY(G_AT_2000),
						  ASK("vCont;c"),
						  SAY("W00"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start_stopped_at_1000(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.number, 30);
	assert_string_equal(stop.thread, "02");
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.kind, GDBSTUB_STOP_WATCH);
	assert_int_equal(stop.address, 0x2000);
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	end(&peer, stub);
}

/* The step ends before the peer sees the interrupt, which is lost then. */
static void interrupts_a_step_over(void **state)
{
	static const struct peer_line script[] = {
	    STOP_AT_1000, ASK("vCont;s:01"), {PEER_HEAR, "\3"}, SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1001), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start_stopped_at_1000(&peer, script);

	(void)state;
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_interrupt(stub));
	wait_signal(stub, 2);
	/* An interrupt of a machine that stands still is nothing; and so is the taking out of what is in. */
	no_error(gdbstub_interrupt(stub));
	no_error(gdbstub_breakpoint_remove(stub, 0x1000));
	close(peer.fd);
	gdbstub_destroy(stub);
	peer.fd = -1;
	peer_end(&peer);
}

/* A machine, which has control registers: eip, eflags, cr3. */
#define MACHINE_AT(eip) eip "46020000" ZEROS_1
#define MACHINE                                                                                                        \
	ASK("qSupported:*"), SAY("PacketSize=1000;qXfer:features:read+"), ASK("vCont?"), SAY("vCont;c;C;s;S"),         \
	    ASK("?"), SAY("T05thread:01;"), ASK("qXfer:features:read:target.xml:0,fff"),                               \
	    SAY("l<t><architecture>i386</architecture><reg name=\"eip\" bitsize=\"32\" regnum=\"0\"/>"                 \
		"<reg name=\"eflags\" bitsize=\"32\"/><reg name=\"cr3\" bitsize=\"32\"/></t>"),                        \
	    ASK("g"), SAY(MACHINE_AT("00100000"))
#define STEP_TO(eip) ASK("vCont;s:01"), SAY("T05thread:01;"), ASK("g"), SAY(MACHINE_AT(eip))

/* QEMU tells a step's end now and then where it has executed nothing. */
static void steps_a_machine_until_something_happens(void **state)
{
	static const struct peer_line script[] = {MACHINE, STEP_TO("00100000"), STEP_TO("00100000"),
						  STEP_TO("02100000"),
						  /* The next one begins to count anew. */
						  STEP_TO("02100000"), STEP_TO("04100000"), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;
	uint64_t pc;

	(void)state;
	for (unsigned wanted = 0x1002; wanted <= 0x1004; wanted += 2) {
		no_error(gdbstub_step(stub, &stop));
		assert_int_equal(stop.number, 5);
		no_error(gdbstub_register(stub, "eip", &pc));
		assert_int_equal(pc, wanted);
	}
	end(&peer, stub);
}

/* A jump to itself: that is all it does. */
static void steps_where_nothing_can_happen(void **state)
{
	static const struct peer_line script[] = {MACHINE,
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  STEP_TO("00100000"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_step(stub, &stop));
	assert_int_equal(stop.number, 5);
	end(&peer, stub);
}

static void interrupts(void **state)
{
	static const struct peer_line script[] = {HELLO,
						  ASK("vCont;c"),
						  {PEER_HEAR, "\3"},
						  SAY("T02thread:01;"),
						  /* Our own signal is not the program's. */
						  ASK("vCont;c"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;
	bool stopped = true;
	char byte;

	(void)state;
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_stopped(stub, &stop, &stopped));
	assert_false(stopped);
	assert_error(gdbstub_wait(stub, 1, &stop), ERROR_SYSTEM);
	assert_true(gdbstub_running(stub));
	assert_error(gdbstub_read(stub, 0x2000, &byte, 1), ERROR_INPUT);
	assert_error(gdbstub_resume(stub), ERROR_INPUT);
	no_error(gdbstub_interrupt(stub));
	wait_signal(stub, 2);
	assert_error(gdbstub_wait(stub, 1, &stop), ERROR_INPUT);
	no_error(gdbstub_resume(stub));
	end(&peer, stub);
}

static void refuses_a_breakpoint(void **state)
{
	static const struct peer_line script[] = {HELLO, ASK("Z0,2000,1"), SAY("E0e"), ASK("vCont;c"), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);

	(void)state;
	no_error(gdbstub_breakpoint_add(stub, 0x2000));
	assert_error(gdbstub_resume(stub), ERROR_FAULT);
	assert_false(gdbstub_running(stub));
	no_error(gdbstub_breakpoint_remove(stub, 0x2000));
	no_error(gdbstub_resume(stub));
	end(&peer, stub);
}

static void logs_output(void **state)
{
	static const struct peer_line script[] = {HELLO_WITH_ACKS, ASK("vCont;c"),   SAY("O6869"), {PEER_HEAR, "+"},
						  SAY("Ox"),       {PEER_HEAR, "+"}, SAY("W2a"),   END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.kind, GDBSTUB_STOP_EXITED);
	assert_int_equal(stop.number, 42);
	assert_non_null(strstr(logged, "hi"));
	end(&peer, stub);
}

static void refuses_a_senseless_stop(void **state)
{
	static const struct peer_line script[] = {HELLO, ASK("vCont;c"), SAY("Fwrite,1,2,3"), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_resume(stub));
	assert_error(gdbstub_wait(stub, TIMEOUT_MS, &stop), ERROR_INPUT);
	end(&peer, stub);
}

static void detaches(void **state)
{
	static const struct peer_line script[] = {
	    HELLO,      ASK("Z0,2000,1"), SAY("OK"), ASK("vCont;c"), {PEER_HEAR, "\3"},
	    SAY("T02"), ASK("z0,2000,1"), SAY("OK"), ASK("D"),       SAY("OK"),
	    END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct registers registers;

	(void)state;
	no_error(gdbstub_breakpoint_add(stub, 0x2000));
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_detach(stub));
	assert_error(gdbstub_registers(stub, &registers), ERROR_GONE);
	end(&peer, stub);
}

/* The step's end comes as any other stop, a watchpoint's as one of its own. */
static void steps_without_waiting(void **state)
{
	static const struct peer_line script[] = {HELLO,
						  ASK("Qqemu.sstep=7"),
						  SAY("OK"),
						  ASK("Z2,2004,4"),
						  SAY("OK"),
						  ASK("vCont;s:01"),
						  SAY("T05thread:01;"),
						  ASK("vCont;c"),
						  SAY("T05thread:01;watch:2006;"),
						  ASK("z2,2004,4"),
						  SAY("E22"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_step_undisturbed(stub));
	no_error(gdbstub_watch_add(stub, 0x2004, 4));
	no_error(gdbstub_step_begin(stub));
	assert_true(gdbstub_running(stub));
	assert_error(gdbstub_step_begin(stub), ERROR_INPUT);
	wait_signal(stub, 5);
	no_error(gdbstub_resume(stub));
	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.kind, GDBSTUB_STOP_WATCH);
	assert_int_equal(stop.address, 0x2006);
	assert_error(gdbstub_watch_remove(stub, 0x2004, 4), ERROR_UNSUPPORTED);
	end(&peer, stub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_breakpoints_at_the_resume),
	    cmocka_unit_test(resumes_where_steps_pass),
	    cmocka_unit_test(resumes_where_steps_hit_again),
	    cmocka_unit_test(tells_what_comes_in_between),
	    cmocka_unit_test(steps_a_machine_until_something_happens),
	    cmocka_unit_test(steps_where_nothing_can_happen),
	    cmocka_unit_test(interrupts_a_step_over),
	    cmocka_unit_test(interrupts),
	    cmocka_unit_test(refuses_a_breakpoint),
	    cmocka_unit_test(logs_output),
	    cmocka_unit_test(refuses_a_senseless_stop),
	    cmocka_unit_test(detaches),
	    cmocka_unit_test(steps_without_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
