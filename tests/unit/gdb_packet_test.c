/* parse/gdb_packet.c and parse/gdb_reply.c */
#include "parse/gdb_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "parse/gdb_reply.h"

enum { LIMIT = 64 };

static void frames(void **state)
{
	_cleanup_(buffer_deinit) struct buffer frame = {0};

	(void)state;
	gdb_packet_append(&frame, "OK", 2);
	gdb_packet_append(&frame, NULL, 0);
	gdb_packet_append(&frame, "m1,2", 4);
	assert_string_equal(frame.data, "$OK#9a$#00$m1,2#fc");
}

static void escapes(void **state)
{
	_cleanup_(buffer_deinit) struct buffer frame = {0};

	(void)state;
	gdb_packet_append(&frame, "a$#}*\0b", 7);
	assert_int_equal(frame.size, 15);
	assert_memory_equal(frame.data, "$a}\4}\3}]}\n\0b#", 13);
}

/* The next event in a text that is one whole packet. */
static enum gdb_event decode(struct gdb_decoder *decoder, const char *text)
{
	enum gdb_event event;

	assert_int_equal(gdb_decoder_feed(decoder, text, strlen(text), &event), strlen(text));
	return event;
}

/* A frame with the right checksum around a body as it is on the wire. */
static enum gdb_event decode_body(struct gdb_decoder *decoder, const char *body)
{
	static const char digits[] = "0123456789abcdef";
	_cleanup_(buffer_deinit) struct buffer frame = {0};
	uint8_t sum = 0;

	for (const char *at = body; *at; at++)
		sum += (uint8_t)*at;
	buffer_printf(&frame, "$%s#%c%c", body, digits[sum >> 4], digits[sum & 15]);
	return decode(decoder, frame.data);
}

static void assert_payload(const struct gdb_decoder *decoder, const char *text)
{
	assert_int_equal(decoder->payload.size, strlen(text));
	assert_string_equal(decoder->payload.data ? decoder->payload.data : "", text);
}

static void decodes_what_it_frames(void **state)
{
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;
	_cleanup_(buffer_deinit) struct buffer frame = {0};
	char bytes[256];
	enum gdb_event event;

	(void)state;
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	gdb_packet_append(&frame, bytes, sizeof(bytes));
	gdb_decoder_init(&decoder, sizeof(bytes));
	assert_int_equal(gdb_decoder_feed(&decoder, frame.data, frame.size, &event), frame.size);
	assert_int_equal(event, GDB_EVENT_PACKET);
	assert_int_equal(decoder.payload.size, sizeof(bytes));
	assert_memory_equal(decoder.payload.data, bytes, sizeof(bytes));
}

static void takes_events_one_by_one(void **state)
{
	static const char text[] = "+noise-$OK#9a%Stop:T05#99$#00\x03+";
	static const enum gdb_event expected[] = {GDB_EVENT_ACK,          GDB_EVENT_NAK,    GDB_EVENT_PACKET,
						  GDB_EVENT_NOTIFICATION, GDB_EVENT_PACKET, GDB_EVENT_ACK,
						  GDB_EVENT_NONE};

	(void)state;
	/* In chunks of every size. */
	for (size_t chunk = 1; chunk <= strlen(text); chunk++) {
		_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;
		size_t at = 0, seen = 0;

		gdb_decoder_init(&decoder, LIMIT);
		while (at < strlen(text)) {
			enum gdb_event event;
			size_t size = strlen(text) - at < chunk ? strlen(text) - at : chunk;

			at += gdb_decoder_feed(&decoder, text + at, size, &event);
			if (event == GDB_EVENT_NONE)
				continue;
			assert_int_equal(event, expected[seen]);
			if (seen == 2)
				assert_payload(&decoder, "OK");
			if (seen == 3)
				assert_payload(&decoder, "Stop:T05");
			seen++;
		}
		assert_int_equal(expected[seen], GDB_EVENT_NONE);
	}
}

static void undoes_runs(void **state)
{
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;

	(void)state;
	gdb_decoder_init(&decoder, 2 * LIMIT);
	assert_int_equal(decode(&decoder, "$0* #7a"), GDB_EVENT_PACKET); /* GDB manual's example */
	assert_payload(&decoder, "0000");
	assert_int_equal(decode_body(&decoder, "0*\"1*!x"), GDB_EVENT_PACKET);
	assert_payload(&decoder, "00000011111x");
	assert_int_equal(decode_body(&decoder, "x*~"), GDB_EVENT_PACKET);
	assert_int_equal(decoder.payload.size, 98);
	/* What follows an escape is repeated as it is on the wire. */
	assert_int_equal(decode_body(&decoder, "}]* "), GDB_EVENT_PACKET);
	assert_payload(&decoder, "}]]]");
	/* A run may be followed by a run of the same. */
	assert_int_equal(decode_body(&decoder, "a* * "), GDB_EVENT_PACKET);
	assert_payload(&decoder, "aaaaaaa");
}

static void refuses_what_has_no_meaning(void **state)
{
	static const char *const bodies[] = {"* ", "0*", "0*\x1f", "0*\x7f", "a}", "0*\xff"};
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;

	(void)state;
	gdb_decoder_init(&decoder, LIMIT);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		assert_int_equal(decode_body(&decoder, bodies[i]), GDB_EVENT_DAMAGED);
		assert_int_equal(decode(&decoder, "$OK#9a"), GDB_EVENT_PACKET);
	}
}

static void checks_sums(void **state)
{
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;

	(void)state;
	gdb_decoder_init(&decoder, LIMIT);
	assert_int_equal(decode(&decoder, "$OK#9b"), GDB_EVENT_DAMAGED);
	assert_int_equal(decode(&decoder, "$OK#xy"), GDB_EVENT_DAMAGED);
	assert_int_equal(decode(&decoder, "$OK#9A"), GDB_EVENT_PACKET);
	decoder.unchecked = true;
	assert_int_equal(decode(&decoder, "$OK#00"), GDB_EVENT_PACKET);
	assert_payload(&decoder, "OK");
	assert_int_equal(decode(&decoder, "$O}#00"), GDB_EVENT_DAMAGED);
}

static void begins_anew_at_a_dollar(void **state)
{
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;

	(void)state;
	gdb_decoder_init(&decoder, LIMIT);
	assert_int_equal(decode(&decoder, "$lost}$OK#9a"), GDB_EVENT_PACKET);
	assert_payload(&decoder, "OK");
	assert_int_equal(decode(&decoder, "%lost*$OK#9a"), GDB_EVENT_PACKET);
}

static void refuses_long_packets(void **state)
{
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;

	(void)state;
	gdb_decoder_init(&decoder, 4);
	assert_int_equal(decode_body(&decoder, "1234"), GDB_EVENT_PACKET);
	assert_int_equal(decode_body(&decoder, "12345"), GDB_EVENT_OVERSIZE);
	assert_int_equal(decoder.payload.size, 4);
	assert_int_equal(decode_body(&decoder, "0*~*~*~"), GDB_EVENT_OVERSIZE);
	assert_int_equal(decoder.payload.size, 4);
	assert_int_equal(decode_body(&decoder, "1234"), GDB_EVENT_PACKET);
}

static void reads_hex(void **state)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};
	uint8_t bytes[4];
	uint64_t number;
	const char *at = "1fG", *end = at + 3;

	(void)state;
	gdb_hex_append(&text, "\x00\x7f\xab\xff", 4);
	assert_string_equal(text.data, "007fabff");
	assert_true(gdb_hex_bytes("007fABff", bytes, 4));
	assert_memory_equal(bytes, "\x00\x7f\xab\xff", 4);
	assert_false(gdb_hex_bytes("007gabff", bytes, 4));
	assert_false(gdb_hex_bytes("xxxx", bytes, 2));
	assert_true(gdb_hex_number(&at, end, &number));
	assert_int_equal(number, 0x1f);
	assert_int_equal(*at, 'G');
	assert_false(gdb_hex_number(&at, end, &number));
	at = "ffffffffffffffff";
	assert_true(gdb_hex_number(&at, at + 16, &number));
	assert_true(number == UINT64_MAX);
	at = "0ffffffffffffffff";
	assert_false(gdb_hex_number(&at, at + 17, &number));
}

static enum gdb_reply kind(const char *text)
{
	return gdb_reply_kind(text, strlen(text));
}

static void tells_replies_apart(void **state)
{
	(void)state;
	assert_int_equal(gdb_reply_kind(NULL, 0), GDB_REPLY_UNSUPPORTED);
	assert_int_equal(kind("OK"), GDB_REPLY_OK);
	assert_int_equal(kind("E01"), GDB_REPLY_ERROR);
	assert_int_equal(kind("Eff"), GDB_REPLY_ERROR);
	assert_int_equal(kind("E.no such thing"), GDB_REPLY_ERROR);
	assert_int_equal(kind("E012"), GDB_REPLY_DATA);
	assert_int_equal(kind("Exy"), GDB_REPLY_DATA);
	assert_int_equal(kind("E"), GDB_REPLY_DATA);
	assert_int_equal(kind("O"), GDB_REPLY_DATA);
	assert_int_equal(kind("1234"), GDB_REPLY_DATA);
}

static bool parse_stop(const char *text, struct gdb_stop *stop)
{
	return gdb_stop_parse(text, strlen(text), stop);
}

static void reads_signals(void **state)
{
	struct gdb_stop stop;

	(void)state;
	assert_true(parse_stop("S05", &stop));
	assert_int_equal(stop.kind, GDB_STOP_SIGNAL);
	assert_int_equal(stop.number, 5);
	assert_string_equal(stop.thread, "");
	/* QEMU's, and gdbserver's with registers in front. */
	assert_true(parse_stop("T05thread:01;", &stop));
	assert_string_equal(stop.thread, "01");
	assert_false(stop.at_breakpoint);
	assert_true(parse_stop("T1e06:00000000;07:c0e4ffffff7f0000;swbreak:;thread:p3ff6.3ff6;core:1;", &stop));
	assert_int_equal(stop.number, 30);
	assert_true(stop.at_breakpoint);
	assert_string_equal(stop.thread, "p3ff6.3ff6");
	assert_true(parse_stop("T05", &stop));
	assert_true(parse_stop("T05;;:;x;thread", &stop));
	assert_string_equal(stop.thread, "");
}

static void reads_watchpoints(void **state)
{
	struct gdb_stop stop;

	(void)state;
	assert_true(parse_stop("T05watch:c0001234;", &stop));
	assert_int_equal(stop.kind, GDB_STOP_WATCH);
	assert_int_equal(stop.address, 0xc0001234);
	assert_true(parse_stop("T05thread:1;rwatch:ffffffff81000000;", &stop));
	assert_true(stop.address == 0xffffffff81000000);
	assert_true(parse_stop("T05awatch:1", &stop));
	assert_int_equal(stop.kind, GDB_STOP_WATCH);
	assert_true(parse_stop("T05watch:zz;", &stop));
	assert_int_equal(stop.kind, GDB_STOP_SIGNAL);
}

/* A thread's name is sent back. */
static void lets_no_strange_thread_through(void **state)
{
	struct gdb_stop stop;

	(void)state;
	assert_true(parse_stop("T05thread:1,c;", &stop));
	assert_string_equal(stop.thread, "");
	assert_true(parse_stop("T05thread:11111111111111111111111111111111;", &stop));
	assert_string_equal(stop.thread, "");
	assert_true(parse_stop("T05thread:1111111111111111111111111111111;", &stop));
	assert_int_equal(strlen(stop.thread), 31);
}

static void reads_ends(void **state)
{
	struct gdb_stop stop;

	(void)state;
	assert_true(parse_stop("W2a", &stop));
	assert_int_equal(stop.kind, GDB_STOP_EXITED);
	assert_int_equal(stop.number, 42);
	assert_true(parse_stop("W0;process:1234", &stop));
	assert_int_equal(stop.number, 0);
	assert_true(parse_stop("X09;process:1234", &stop));
	assert_int_equal(stop.kind, GDB_STOP_KILLED);
	assert_int_equal(stop.number, 9);
	assert_true(parse_stop("O68690a", &stop));
	assert_int_equal(stop.kind, GDB_STOP_CONSOLE);
	assert_true(parse_stop("O", &stop));
}

static void refuses_other_stops(void **state)
{
	static const char *const texts[] = {"", "T", "T5", "T5x", "S", "Sxx", "W", "Wx", "X", "OK", "N", "E01", "$"};
	struct gdb_stop stop;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(parse_stop(texts[i], &stop));
}

static void features_of(const char *text, struct gdb_features *features)
{
	gdb_features_parse(text, strlen(text), features);
}

static void reads_features(void **state)
{
	struct gdb_features features;

	(void)state;
	features_of("PacketSize=1000;qXfer:features:read+;vContSupported+;multiprocess+", &features);
	assert_int_equal(features.packet_size, 0x1000);
	assert_true(features.description);
	assert_false(features.no_acks);
	assert_false(features.binary_reads);
	features_of("QStartNoAckMode+;binary-upload+;qXfer:features:read-;PacketSize=x", &features);
	assert_true(features.no_acks);
	assert_true(features.binary_reads);
	assert_false(features.description);
	assert_int_equal(features.packet_size, 0);
	features_of(";;=;PacketSize;PacketSize=;QStartNoAckMode;QStartNoAckMode++", &features);
	assert_false(features.no_acks);
	assert_int_equal(features.packet_size, 0);
	gdb_features_parse(NULL, 0, &features);
}

/* Each in a block of exactly its size: the sanitizer sees a byte read too many. */
static void survives_noise(void **state)
{
	static const char alphabet[] = "T05SWXO$#+-*%}~ :;=.pthreadwatch\0\xff";
	_cleanup_(gdb_decoder_deinit) struct gdb_decoder decoder;
	unsigned random = 1;

	(void)state;
	gdb_decoder_init(&decoder, LIMIT);
	for (int round = 0; round < 5000; round++) {
		size_t size = (size_t)round % 61, at = 0;
		_cleanup_free_ char *text = memory_alloc(size);
		struct gdb_stop stop;
		struct gdb_features features;
		enum gdb_event event;

		for (size_t i = 0; i < size; i++) {
			random = random * 1103515245 + 12345;
			text[i] = alphabet[(random >> 16) % sizeof(alphabet)];
		}
		while (at < size) {
			at += gdb_decoder_feed(&decoder, text + at, size - at, &event);
			assert_in_range(decoder.payload.size, 0, LIMIT);
		}
		gdb_stop_parse(text, size, &stop);
		gdb_features_parse(text, size, &features);
		gdb_reply_kind(text, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames),
	    cmocka_unit_test(escapes),
	    cmocka_unit_test(decodes_what_it_frames),
	    cmocka_unit_test(takes_events_one_by_one),
	    cmocka_unit_test(undoes_runs),
	    cmocka_unit_test(refuses_what_has_no_meaning),
	    cmocka_unit_test(checks_sums),
	    cmocka_unit_test(begins_anew_at_a_dollar),
	    cmocka_unit_test(refuses_long_packets),
	    cmocka_unit_test(reads_hex),
	    cmocka_unit_test(tells_replies_apart),
	    cmocka_unit_test(reads_signals),
	    cmocka_unit_test(reads_watchpoints),
	    cmocka_unit_test(lets_no_strange_thread_through),
	    cmocka_unit_test(reads_ends),
	    cmocka_unit_test(refuses_other_stops),
	    cmocka_unit_test(reads_features),
	    cmocka_unit_test(survives_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
