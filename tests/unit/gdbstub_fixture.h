/* A client of the GDB remote protocol before a peer that follows a script. Include after cmocka.h. */
#ifndef FORKTRACE_TESTS_UNIT_GDBSTUB_FIXTURE_H
#define FORKTRACE_TESTS_UNIT_GDBSTUB_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "gdb_peer.h"
#include "target/gdbstub.h"

enum { TIMEOUT_MS = 10000 };

#define ASK(text)                                                                                                      \
	{                                                                                                              \
		PEER_ASK, text                                                                                         \
	}
#define SAY(text)                                                                                                      \
	{                                                                                                              \
		PEER_SAY, text                                                                                         \
	}
#define END                                                                                                            \
	{                                                                                                              \
		PEER_END, NULL                                                                                         \
	}

/* The registers of an i386 peer without a description: 16 of 4 bytes, eip the 9th. */
#define ZEROS(n) ZEROS_##n
#define ZEROS_1  "00000000"
#define ZEROS_7  ZEROS_1 ZEROS_1 ZEROS_1 ZEROS_1 ZEROS_1 ZEROS_1 ZEROS_1
#define G(eax, eip)                                                                                                    \
	eax ZEROS_7 eip "02020000"                                                                                     \
			"73000000" ZEROS_1 ZEROS_1 ZEROS_1 ZEROS_1 ZEROS_1
#define G_AT_1000 G("78563412", "00100000")
#define G_AT_1001 G("78563412", "01100000")
#define G_AT_2000 G("78563412", "00200000")

/* What every peer is asked first. */
#define HELLO_WITH(features, actions)                                                                                  \
	ASK("qSupported:*"), SAY(features ";QStartNoAckMode+"), ASK("QStartNoAckMode"), SAY("OK"), {PEER_HEAR, "+"},   \
	    {PEER_QUIET, NULL}, ASK("vCont?"), SAY(actions), ASK("?"), SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1000)
#define HELLO HELLO_WITH("PacketSize=1000", "vCont;c;C;s;S")
#define HELLO_WITH_ACKS                                                                                                \
	ASK("qSupported:*"), SAY("PacketSize=1000"), ASK("vCont?"), SAY("vCont;c;C;s;S"), ASK("?"),                    \
	    SAY("T05thread:01;"), ASK("g"), SAY(G_AT_1000)

static char logged[256]; /* the last message */

static inline void write_log(void *context, enum log_level level, const char *message)
{
	(void)context;
	(void)level;
	snprintf(logged, sizeof(logged), "%s", message);
}

static const struct log test_log = {.write = write_log};

static inline void no_error(struct error *error)
{
	if (error)
		print_error("%s\n", error->message);
	assert_null(error);
}

static inline void assert_error(struct error *error, enum error_code code)
{
	assert_non_null(error);
	if (error->code != code)
		print_error("%s\n", error->message);
	assert_int_equal(error->code, code);
	error_destroy(error);
}

static inline struct gdbstub *start(struct scripted_peer *peer, const struct peer_line *script)
{
	struct gdbstub *stub = NULL;

	logged[0] = '\0';
	peer_start(peer, script);
	no_error(gdbstub_create(peer->fd, &test_log, &stub));
	return stub;
}

static inline void end(struct scripted_peer *peer, struct gdbstub *stub)
{
	gdbstub_destroy(stub);
	peer_end(peer);
}

/* The handshake itself fails. */
static inline void assert_refused(const struct peer_line *script, enum error_code code)
{
	struct scripted_peer peer;
	struct gdbstub *stub = NULL;

	peer_start(&peer, script);
	assert_error(gdbstub_create(peer.fd, &test_log, &stub), code);
	assert_null(stub);
	peer_end(&peer);
}

static inline void wait_signal(struct gdbstub *stub, int number)
{
	struct gdbstub_stop stop;

	no_error(gdbstub_wait(stub, TIMEOUT_MS, &stop));
	assert_int_equal(stop.kind, GDBSTUB_STOP_SIGNAL);
	assert_int_equal(stop.number, number);
	assert_false(gdbstub_running(stub));
}

static inline void read_text(struct gdbstub *stub, uint64_t address, const char *expected)
{
	char bytes[64];

	no_error(gdbstub_read(stub, address, bytes, strlen(expected)));
	assert_memory_equal(bytes, expected, strlen(expected));
}

#endif
