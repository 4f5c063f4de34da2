/* target/gdbstub*.c against peers that follow a script: the handshake, registers, memory */
#include "target/gdbstub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "skipping.h"

#include "gdbstub_fixture.h"

static void reads_registers_once(void **state)
{
	static const struct peer_line script[] = {HELLO, END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct registers registers;
	uint64_t value;

	(void)state;
	assert_int_equal(gdbstub_fd(stub), peer.fd);
	assert_int_equal(gdbstub_abi(stub), ABI_I386);
	for (int i = 0; i < 2; i++) {
		no_error(gdbstub_registers(stub, &registers));
		assert_int_equal(registers.known, 0x1ff);
		assert_int_equal(registers.value[0], 0x12345678);
		assert_int_equal(registers_pc(&registers), 0x1000);
		assert_int_equal(registers.flags, 0x202);
		assert_int_equal(registers.cs, 0x73);
		assert_true(registers.original_result == UINT64_MAX);
		no_error(gdbstub_register(stub, "eax", &value));
		assert_int_equal(value, 0x12345678);
	}
	assert_error(gdbstub_register(stub, "cr3", &value), ERROR_NOT_FOUND);
	end(&peer, stub);
}

/* Each packet of the peer's is acknowledged in front of the next request: the peer sees to that. */
static void acknowledges(void **state)
{
	static const struct peer_line script[] = {HELLO_WITH_ACKS, ASK("m2000,800"), SAY("E01"),
						  ASK("m2000,2"),  SAY("6869"),      END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);

	(void)state;
	read_text(stub, 0x2000, "hi");
	end(&peer, stub);
}

static void sends_again(void **state)
{
	static const struct peer_line script[] = {HELLO_WITH_ACKS,           {PEER_HEAR, "+$m2000,800#f3"},
						  {PEER_BYTES, "-"},         {PEER_HEAR, "$m2000,800#f3"},
						  {PEER_BYTES, "-"},         {PEER_HEAR, "$m2000,800#f3"},
						  {PEER_BYTES, "+$E01#a6"},  {PEER_HEAR, "+$m2000,2#8d"},
						  {PEER_BYTES, "+$6869#d5"}, {PEER_HEAR, "-"},
						  {PEER_BYTES, "$6869#dd"},  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);

	(void)state;
	read_text(stub, 0x2000, "hi");
	end(&peer, stub);
}

static void gives_up_sending_again(void **state)
{
	static const struct peer_line script[] = {HELLO_WITH_ACKS,
						  {PEER_HEAR, "+$m2000,800#f3"},
						  {PEER_BYTES, "----$E01#a6"},
						  {PEER_HEAR, "$m2000,800#f3$m2000,800#f3$m2000,800#f3"},
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	char byte;

	(void)state;
	assert_error(gdbstub_read(stub, 0x2000, &byte, 1), ERROR_INPUT);
	assert_error(gdbstub_read(stub, 0x2000, &byte, 1), ERROR_GONE);
	end(&peer, stub);
}

static void undoes_runs_and_escapes(void **state)
{
	static const struct peer_line script[] = {HELLO_WITH("PacketSize=100;binary-upload+", "vCont;c;C;s;S"),
						  ASK("x2000,80"),
						  {PEER_BYTES, "noise%Stop:T05#99$bxy}\x03z*}]#00"},
						  ASK("x2000,5"),
						  {PEER_BYTES, "$bxy}\x03z#00"},
						  ASK("x2004,1"),
						  SAY("bw"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);

	(void)state;
	/* z*} are 97 z, too short for a block; then the exact bytes, which come in two parts. */
	read_text(stub, 0x2000, "xy#zw");
	end(&peer, stub);
}

static void keeps_what_it_read(void **state)
{
	static char block[2 * 2048 + 1], last[2 * 2048 + 1];
	const struct peer_line script[] = {HELLO,      ASK("m2000,800"),
					   SAY(block), ASK("m2800,800"),
					   SAY(last),  ASK("vCont;s:01"),
					   SAY("T05"), ASK("m2000,800"),
					   SAY(last),  ASK("X2000,1:a"),
					   SAY("OK"),  ASK("m2000,800"),
					   SAY(block), END};
	struct scripted_peer peer;
	struct gdbstub_stop stop;

	(void)state;
	memset(block, '6', 2 * 2048);
	memset(last, '7', 2 * 2048);

	struct gdbstub *stub = start(&peer, script);

	read_text(stub, 0x2010, "ff");
	read_text(stub, 0x27fe, "ffww");
	read_text(stub, 0x2000, "ff");
	no_error(gdbstub_step(stub, &stop));
	read_text(stub, 0x2000, "ww");
	no_error(gdbstub_write(stub, 0x2000, "a", 1));
	read_text(stub, 0x2000, "ff");
	end(&peer, stub);
}

static void keeps_to_the_packet_size(void **state)
{
	static const struct peer_line script[] = {
	    HELLO_WITH("PacketSize=64", "vCont;c;C;s;S"),
	    ASK("m1000,20"),
	    SAY("6161616161616161616161616161616161616161616161616161616161616161"),
	    ASK("m1020,20"),
	    SAY("6262626262626262626262626262626262626262626262626262626262626262"),
	    ASK("X1000,26:cccccccccccccccccccccccccccccccccccccc"),
	    SAY(""),
	    ASK("M1000,26:63636363636363636363636363636363636363636363636363636363636363636363636363*"),
	    SAY("OK"),
	    ASK("M1026,2:6363"),
	    SAY("OK"),
	    ASK("M1028,1:64"),
	    SAY("E.not there"),
	    END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);

	(void)state;
	read_text(stub, 0x101e, "aabb");
	no_error(gdbstub_write(stub, 0x1000, "cccccccccccccccccccccccccccccccccccccccc", 40));
	assert_ptr_equal(gdbstub_write(stub, 0x1028, "d", 1), &error_fault);
	end(&peer, stub);
}

static void refuses_strange_packet_sizes(void **state)
{
	static const struct peer_line small[] = {ASK("qSupported:*"), SAY("PacketSize=10"), END};

	(void)state;
	assert_refused(small, ERROR_UNSUPPORTED);
}

static void tells_faults_from_errors(void **state)
{
	static const struct peer_line script[] = {
	    HELLO, ASK("m2000,800"), SAY("E14"), ASK("m2000,4"), SAY("E.unmapped"), ASK("m2000,800"), SAY(""), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	char bytes[4];

	(void)state;
	assert_ptr_equal(gdbstub_read(stub, 0x2000, bytes, 4), &error_fault);
	assert_error(gdbstub_read(stub, 0x2000, bytes, 4), ERROR_INPUT);
	/* Nothing is asked for what no i386 has. */
	assert_ptr_equal(gdbstub_read(stub, 0xfffffffe, bytes, 4), &error_fault);
	assert_ptr_equal(gdbstub_read(stub, UINT64_MAX, bytes, 4), &error_fault);
	assert_ptr_equal(gdbstub_write(stub, 0x100000000, bytes, 4), &error_fault);
	assert_ptr_equal(gdbstub_breakpoint_add(stub, 0x100000000), &error_fault);
	no_error(gdbstub_read(stub, UINT64_MAX, bytes, 0));
	end(&peer, stub);
}

/* A peer that knows the oldest packets alone. */
static void makes_do_with_little(void **state)
{
	static const struct peer_line script[] = {ASK("qSupported:*"),
						  SAY(""),
						  ASK("vCont?"),
						  SAY(""),
						  ASK("?"),
						  SAY("S05"),
						  ASK("g"),
						  SAY(G_AT_1000),
						  ASK("P0=01000000"),
						  SAY(""),
						  ASK("G" G("01000000", "00100000")),
						  SAY("OK"),
						  ASK("g"),
						  SAY(G("01000000", "00100000")),
						  ASK("G" G("02000000", "00100000")),
						  SAY("E01"),
						  ASK("g"),
						  SAY(G_AT_1000),
						  ASK("Z0,2000,1"),
						  SAY(""),
						  ASK("Z1,2000,1"),
						  SAY("OK"),
						  ASK("c"),
						  SAY("S1e"),
						  ASK("C1e"),
						  SAY("S05"),
						  ASK("g"),
						  SAY(G_AT_1001),
						  ASK("s"),
						  SAY("S05"),
						  ASK("z1,2000,1"),
						  SAY("OK"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct gdbstub_stop stop;

	(void)state;
	no_error(gdbstub_set_register(stub, "eax", 1));
	assert_error(gdbstub_set_register(stub, "eax", 2), ERROR_UNSUPPORTED);
	no_error(gdbstub_breakpoint_add(stub, 0x2000));
	no_error(gdbstub_resume(stub));
	wait_signal(stub, 30);
	no_error(gdbstub_resume(stub));
	wait_signal(stub, 5);
	no_error(gdbstub_step(stub, &stop));
	end(&peer, stub);
}

static void reads_a_description(void **state)
{
	static const struct peer_line script[] = {
	    ASK("qSupported:*"),
	    SAY("PacketSize=64;qXfer:features:read+"),
	    ASK("vCont?"),
	    SAY("vCont;c;C;s;S"),
	    ASK("?"),
	    SAY("T05thread:01;"),
	    ASK("qXfer:features:read:target.xml:0,63"),
	    SAY("m<t><architecture>i386:x86-64</architecture><xi:include href=\"a.xml\"/>"),
	    ASK("qXfer:features:read:target.xml:45,63"),
	    SAY("l</t>"),
	    ASK("qXfer:features:read:a.xml:0,63"),
	    SAY("l<f><reg name=\"rip\" bitsize=\"64\" regnum=\"0\"/><reg name=\"orig_rax\" bitsize=\"64\"/>"
		"<reg name=\"eflags\" bitsize=\"32\"/><reg name=\"rax\" bitsize=\"64\"/>"
		"<reg name=\"cr3\" bitsize=\"64\" regnum=\"20\"/><reg name=\"cr4\" bitsize=\"64\"/></f>"),
	    ASK("g"),
	    SAY("0807060504030201"
		"3800000000000000"
		"46020000"
		"xxxxxxxxxxxxxxxx"),
	    ASK("p3"),
	    SAY("xxxxxxxxxxxxxxxx"),
	    ASK("p14"),
	    SAY("0040000000000000"),
	    ASK("p15"),
	    SAY(""),
	    ASK("P14=0050000000000000"),
	    SAY("OK"),
	    END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct registers registers;
	uint64_t value;

	(void)state;
	assert_int_equal(gdbstub_abi(stub), ABI_X86_64);
	no_error(gdbstub_registers(stub, &registers));
	assert_int_equal(registers.known, 1U << 16);
	assert_true(registers_pc(&registers) == 0x0102030405060708);
	assert_int_equal(registers.original_result, 56);
	assert_int_equal(registers.flags, 0x246);
	assert_error(gdbstub_register(stub, "rax", &value), ERROR_NOT_FOUND);
	no_error(gdbstub_register(stub, "cr3", &value));
	assert_int_equal(value, 0x4000);
	assert_error(gdbstub_register(stub, "cr4", &value), ERROR_NOT_FOUND);
	no_error(gdbstub_set_register(stub, "cr3", 0x5000));
	end(&peer, stub);
}

static void refuses_bad_handshakes(void **state)
{
	static const struct peer_line closed[] = {ASK("qSupported:*"), {PEER_CLOSE, NULL}};
	static const struct peer_line halfway[] = {ASK("qSupported:*"), {PEER_BYTES, "$Packet"}, {PEER_CLOSE, NULL}};
	static const struct peer_line no_stop[] = {ASK("qSupported:*"), SAY(""), ASK("vCont?"), SAY(""), ASK("?"),
						   SAY("OK"),           END};
	static const struct peer_line ended[] = {ASK("qSupported:*"), SAY(""), ASK("vCont?"), SAY(""), ASK("?"),
						 SAY("W00"),          END};
	static const struct peer_line other[] = {ASK("qSupported:*"), SAY(""),  ASK("vCont?"),   SAY(""), ASK("?"),
						 SAY("S05"),          ASK("g"), SAY("00000000"), END};
	static const struct peer_line odd[] = {ASK("qSupported:*"), SAY(""),  ASK("vCont?"), SAY(""), ASK("?"),
					       SAY("S05"),          ASK("g"), SAY("000"),    END};
	static const struct peer_line endless[] = {ASK("qSupported:*"),
						   SAY("qXfer:features:read+"),
						   ASK("vCont?"),
						   SAY(""),
						   ASK("?"),
						   SAY("S05"),
						   ASK("qXfer:*"),
						   SAY("m"),
						   END};

	(void)state;
	assert_refused(closed, ERROR_GONE);
	assert_refused(halfway, ERROR_GONE);
	assert_refused(no_stop, ERROR_INPUT);
	assert_refused(ended, ERROR_GONE);
	assert_refused(other, ERROR_UNSUPPORTED);
	assert_refused(odd, ERROR_INPUT);
	assert_refused(endless, ERROR_INPUT);
}

static void notices_a_closed_connection(void **state)
{
	static const struct peer_line script[] = {HELLO, ASK("m2000,800"), {PEER_BYTES, "$6869"}, {PEER_CLOSE, NULL}};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	char byte;

	(void)state;
	assert_error(gdbstub_read(stub, 0x2000, &byte, 1), ERROR_GONE);
	assert_error(gdbstub_read(stub, 0x2000, &byte, 1), ERROR_GONE);
	assert_error(gdbstub_resume(stub), ERROR_GONE);
	end(&peer, stub);
}

static void connects(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char folder[] = "/tmp/gdbstub_test.XXXXXX", path[64];
	int fd, listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/stub", folder);
	assert_error(gdbstub_connect(path, &fd), ERROR_SYSTEM);
	memcpy(address.sun_path, path, strlen(path) + 1);
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	no_error(gdbstub_connect(path, &fd));
	close(fd);
	close(listener);
	unlink(path);
	rmdir(folder);
	assert_error(gdbstub_connect("127.0.0.1:no-such-service", &fd), ERROR_NOT_FOUND);
}

static void connects_over_tcp(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	char text[64];
	int fd, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* A sandbox may have no loopback. */
	if (bind(listener, (const struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0)
		skip_because("there is no loopback interface to listen on");
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(address.sin_port));
	no_error(gdbstub_connect(text, &fd));
	close(fd);
	snprintf(text, sizeof(text), "[127.0.0.1]:%d", ntohs(address.sin_port));
	no_error(gdbstub_connect(text, &fd));
	close(fd);
	close(listener);
	assert_error(gdbstub_connect(text, &fd), ERROR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_registers_once),
	    cmocka_unit_test(acknowledges),
	    cmocka_unit_test(sends_again),
	    cmocka_unit_test(gives_up_sending_again),
	    cmocka_unit_test(undoes_runs_and_escapes),
	    cmocka_unit_test(keeps_what_it_read),
	    cmocka_unit_test(keeps_to_the_packet_size),
	    cmocka_unit_test(refuses_strange_packet_sizes),
	    cmocka_unit_test(tells_faults_from_errors),
	    cmocka_unit_test(makes_do_with_little),
	    cmocka_unit_test(reads_a_description),
	    cmocka_unit_test(refuses_bad_handshakes),
	    cmocka_unit_test(notices_a_closed_connection),
	    cmocka_unit_test(connects),
	    cmocka_unit_test(connects_over_tcp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
