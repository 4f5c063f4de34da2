/* What the replies of the GDB remote protocol say: see gdb_reply.h. */
#include "parse/gdb_reply.h"

#include <string.h>

#include "parse/gdb_packet.h"

/* A piece of the reply. */
struct span {
	const char *at, *end;
};

static size_t span_size(const struct span *span)
{
	return (size_t)(span->end - span->at);
}

static bool span_is(const struct span *span, const char *text)
{
	return span_size(span) == strlen(text) && !memcmp(span->at, text, strlen(text));
}

/* Takes what precedes `separator` out of `rest`; all of it where there is none. False: nothing is left. */
static bool split(struct span *rest, char separator, struct span *part)
{
	if (rest->at >= rest->end)
		return false;

	const char *found = memchr(rest->at, separator, span_size(rest));

	*part = (struct span){rest->at, found ? found : rest->end};
	rest->at = found ? found + 1 : rest->end;
	return true;
}

enum gdb_reply gdb_reply_kind(const char *payload, size_t size)
{
	if (size == 0)
		return GDB_REPLY_UNSUPPORTED;
	if (size == 2 && payload[0] == 'O' && payload[1] == 'K')
		return GDB_REPLY_OK;
	if (size >= 2 && payload[0] == 'E' && payload[1] == '.')
		return GDB_REPLY_ERROR;
	if (size == 3 && payload[0] == 'E' && gdb_hex_digit(payload[1]) >= 0 && gdb_hex_digit(payload[2]) >= 0)
		return GDB_REPLY_ERROR;
	return GDB_REPLY_DATA;
}

/* "1f", "p1.1f": it is sent back to the peer, so nothing else is let through. */
static void take_thread(const struct span *value, struct gdb_stop *stop)
{
	size_t size = span_size(value);

	if (size == 0 || size >= sizeof(stop->thread))
		return;
	for (const char *at = value->at; at < value->end; at++) {
		if (gdb_hex_digit(*at) < 0 && *at != 'p' && *at != '.')
			return;
	}
	memcpy(stop->thread, value->at, size);
	stop->thread[size] = '\0';
}

static void take_pair(const struct span *key, struct span value, struct gdb_stop *stop)
{
	if (span_is(key, "thread")) {
		take_thread(&value, stop);
	} else if (span_is(key, "watch") || span_is(key, "rwatch") || span_is(key, "awatch")) {
		if (gdb_hex_number(&value.at, value.end, &stop->address))
			stop->kind = GDB_STOP_WATCH;
	} else if (span_is(key, "swbreak") || span_is(key, "hwbreak")) {
		stop->at_breakpoint = true;
	}
}

static bool take_number(struct span *rest, struct gdb_stop *stop)
{
	uint64_t number;

	if (!gdb_hex_number(&rest->at, rest->end, &number))
		return false;
	stop->number = (int)(number & INT32_MAX);
	return true;
}

/* "T05key:value;key:value;": the signal has exactly two digits, for a register's number may follow. */
static bool parse_signal(struct span rest, struct gdb_stop *stop)
{
	struct span digits = {rest.at, rest.at + 2}, pair, key;

	if (span_size(&rest) < 2 || !take_number(&digits, stop) || digits.at != digits.end)
		return false;
	stop->kind = GDB_STOP_SIGNAL;
	rest.at += 2;
	while (split(&rest, ';', &pair)) {
		if (split(&pair, ':', &key))
			take_pair(&key, pair, stop);
	}
	return true;
}

bool gdb_stop_parse(const char *payload, size_t size, struct gdb_stop *stop)
{
	*stop = (struct gdb_stop){0};
	if (size == 0)
		return false;

	struct span rest = {payload + 1, payload + size};

	switch (payload[0]) {
	case 'T':
	case 'S':
		return parse_signal(rest, stop);
	case 'W':
		stop->kind = GDB_STOP_EXITED;
		return take_number(&rest, stop);
	case 'X':
		stop->kind = GDB_STOP_KILLED;
		return take_number(&rest, stop);
	case 'O':
		stop->kind = GDB_STOP_CONSOLE;
		return gdb_reply_kind(payload, size) != GDB_REPLY_OK;
	default:
		return false;
	}
}

void gdb_features_parse(const char *payload, size_t size, struct gdb_features *features)
{
	struct span rest = {payload, payload + size}, item;
	uint64_t packet_size;

	*features = (struct gdb_features){0};
	while (split(&rest, ';', &item)) {
		struct span value = item, key;

		if (span_is(&item, "qXfer:features:read+"))
			features->description = true;
		else if (span_is(&item, "QStartNoAckMode+"))
			features->no_acks = true;
		else if (span_is(&item, "binary-upload+"))
			features->binary_reads = true;
		else if (split(&value, '=', &key) && span_is(&key, "PacketSize") &&
			 gdb_hex_number(&value.at, value.end, &packet_size) && packet_size <= SIZE_MAX)
			features->packet_size = (size_t)packet_size;
	}
}
