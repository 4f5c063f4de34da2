/* target/gdbstub*.c against a stub that is somebody else's: a machine that ran until we came, a 64-bit processor in
 * 32-bit mode, and the guard that lets the machine go after our death. */
#include "target/gdbstub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "gdbstub_fixture.h"
#include "target/gdbstub_guard.h"

/* QEMU tells the stop that the connection itself made before it answers. */
static void passes_over_an_unasked_stop(void **state)
{
	static const struct peer_line script[] = {ASK("qSupported:*"),
						  SAY("T02thread:01;"),
						  {PEER_HEAR, "+"},
						  SAY("PacketSize=1000"),
						  ASK("vCont?"),
						  SAY("vCont;c;C;s;S"),
						  ASK("?"),
						  SAY("T05thread:01;"),
						  ASK("g"),
						  SAY(G_AT_1000),
						  ASK("m2000,800"),
						  SAY("E01"),
						  ASK("m2000,2"),
						  SAY("6869"),
						  END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);

	(void)state;
	read_text(stub, 0x2000, "hi");
	end(&peer, stub);
}

#define DESCRIPTION                                                                                                    \
	"l<t><architecture>i386:x86-64</architecture><f><reg name=\"rax\" bitsize=\"64\"/>"                            \
	"<reg name=\"rsp\" bitsize=\"64\"/><reg name=\"rip\" bitsize=\"64\"/><reg name=\"eflags\" bitsize=\"32\"/>"    \
	"<reg name=\"cs\" bitsize=\"32\"/><reg name=\"cr3\" bitsize=\"64\"/><reg name=\"efer\" "                       \
	"bitsize=\"64\"/></f></t>"
#define WIDE_HELLO                                                                                                     \
	ASK("qSupported:*"), SAY("PacketSize=1000;qXfer:features:read+"), ASK("vCont?"), SAY("vCont;c;C;s;S"),         \
	    ASK("?"), SAY("T05thread:01;"), ASK("qXfer:features:read:target.xml:0,fff"), SAY(DESCRIPTION), ASK("g")
/* rax, rsp, rip, eflags, cs, cr3, efer; noise in the upper halves */
#define WIDE_G(efer)                                                                                                   \
	"f6ffffffefbeadde"                                                                                             \
	"00100000ffffffff"                                                                                             \
	"003000c000000000"                                                                                             \
	"4602000060000000"                                                                                             \
	"0040000000000000" efer "000000000000"

static void takes_a_64_bit_processor_for_an_i386(void **state)
{
	static const struct peer_line script[] = {WIDE_HELLO, SAY(WIDE_G("0000")), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, script);
	struct registers registers;
	uint64_t value;

	(void)state;
	assert_int_equal(gdbstub_abi(stub), ABI_X86_64);
	no_error(gdbstub_take_for_i386(stub));
	assert_int_equal(gdbstub_abi(stub), ABI_I386);
	no_error(gdbstub_registers(stub, &registers));
	assert_int_equal(registers.abi, ABI_I386);
	assert_int_equal(registers.known, 1U << 0 | 1U << 4 | 1U << 8);
	assert_int_equal(registers.value[0], 0xfffffff6);
	assert_int_equal(registers_result(&registers), -10);
	assert_int_equal(registers_sp(&registers), 0x1000);
	assert_int_equal(registers_pc(&registers), 0xc0003000);
	no_error(gdbstub_register(stub, "cr3", &value));
	assert_int_equal(value, 0x4000);
	assert_int_equal(gdbstub_breakpoint_add(stub, UINT64_C(1) << 32) == &error_fault, 1);
	end(&peer, stub);
}

static void refuses_64_bit_mode(void **state)
{
	static const struct peer_line active[] = {WIDE_HELLO, SAY(WIDE_G("0005")), END};
	struct scripted_peer peer;
	struct gdbstub *stub = start(&peer, active);

	(void)state;
	assert_error(gdbstub_take_for_i386(stub), ERROR_UNSUPPORTED);
	assert_int_equal(gdbstub_abi(stub), ABI_X86_64);
	end(&peer, stub);
}

/* --- the guard --- */

struct listener {
	char path[64];
	int fd;
};

static void listen_at(struct listener *listener)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(listener->path, sizeof(listener->path), "/tmp/forktrace-guard.%d", getpid());
	strcpy(address.sun_path, listener->path);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener->fd, 1), 0);
}

/* Connects, starts the guard and ends as told, in a process of its own; returns the listener's end. */
static int run_guarded(const struct listener *listener, bool killed)
{
	pid_t pid = fork();
	int status, accepted;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct gdbstub_guard guard = {0};
		int fd;

		if (gdbstub_connect(listener->path, &fd) || gdbstub_guard_start(fd, &guard))
			_exit(1);
		if (killed)
			raise(SIGKILL);
		gdbstub_guard_end(&guard, true);
		_exit(guard.pid || waitpid(-1, NULL, 0) != -1);
	}
	accepted = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	while (waitpid(pid, &status, 0) != pid)
		assert_int_equal(errno, EINTR);
	assert_true(killed ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status));
	return accepted;
}

static void expect_bytes(int fd, const char *expected)
{
	char got[16] = "";

	assert_int_equal(recv(fd, got, strlen(expected), MSG_WAITALL), strlen(expected));
	assert_string_equal(got, expected);
}

/* The connection is closed at once, and the guard's is the next. */
static void guard_detaches_after_a_kill(void **state)
{
	struct listener listener;
	char byte;
	int fd;

	(void)state;
	listen_at(&listener);
	fd = run_guarded(&listener, true);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, "$T02thread:01;#04", 17, 0), 17);
	expect_bytes(fd, "$D#44");
	assert_int_equal(send(fd, "-", 1, 0), 1); /* damaged */
	expect_bytes(fd, "$D#44");
	assert_int_equal(send(fd, "+$OK#9a", 7, 0), 7);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	close(listener.fd);
	unlink(listener.path);
}

static void guard_does_nothing_after_a_proper_end(void **state)
{
	struct listener listener;
	char byte;
	int fd;

	(void)state;
	listen_at(&listener);
	fd = run_guarded(&listener, false);
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_int_equal(poll(&(struct pollfd){.fd = listener.fd, .events = POLLIN}, 1, 0), 0);
	close(fd);
	close(listener.fd);
	unlink(listener.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(passes_over_an_unasked_stop),
	    cmocka_unit_test(takes_a_64_bit_processor_for_an_i386),
	    cmocka_unit_test(refuses_64_bit_mode),
	    cmocka_unit_test(guard_detaches_after_a_kill),
	    cmocka_unit_test(guard_does_nothing_after_a_proper_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
