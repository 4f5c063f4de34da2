/* A client of the GDB remote protocol: agreeing with the peer on how to talk; see gdbstub.h. */
#include "target/gdbstub.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "target/gdbstub_internal.h"

enum {
	REPLY_TIMEOUT_MS = 10000,    /* QEMU looks after its sockets late on a loaded machine */
	PACKET_SIZE_UNKNOWN = 400,   /* GDB's own guess for a peer that does not tell (remote.c) */
	PACKET_SIZE_LEAST = 100,     /* the longest request that forktrace cannot cut into pieces */
	PACKET_SIZE_MOST = 1 << 16,  /* more brings nothing */
	DESCRIPTION_LIMIT = 1 << 20, /* bytes of one document */
	PAGE = 4096,
};

struct error *gdbstub_bad_reply(const struct gdbstub *stub, const char *what)
{
	enum { SHOWN = 40 };
	const struct buffer *reply = gdbstub_reply(stub);
	char start[SHOWN + 1] = "";

	for (size_t i = 0; i < SHOWN && i < reply->size; i++) {
		char byte = reply->data[i];
		bool printable = byte >= ' ' && byte <= '~';

		start[i] = '?';
		if (printable)
			start[i] = byte;
	}
	return error_create(ERROR_INPUT, 0, NULL, "the GDB stub's reply to %s makes no sense: \"%s\"", what, start);
}

static struct error *receive_reply(struct gdbstub *stub, enum gdb_reply *kind)
{
	bool received;
	struct error *error = gdb_transport_receive(&stub->transport, REPLY_TIMEOUT_MS, &received);

	if (error)
		return error;
	if (!received) {
		stub->transport.failed = true; /* the answer may come yet, to another question */
		return error_create(ERROR_SYSTEM, ETIMEDOUT, NULL, "the GDB stub has not answered for %d s",
				    REPLY_TIMEOUT_MS / 1000);
	}
	*kind = gdb_reply_kind(gdbstub_reply(stub)->data, gdbstub_reply(stub)->size);
	return NULL;
}

static struct error *check_stopped(const struct gdbstub *stub)
{
	if (stub->phase == GDBSTUB_PHASE_ENDED)
		return error_create(ERROR_GONE, 0, NULL, "the program behind the GDB stub has ended");
	if (stub->phase != GDBSTUB_PHASE_STOPPED)
		return error_create(ERROR_INPUT, 0, NULL, "the machine behind the GDB stub runs: stop it first");
	return NULL;
}

struct error *gdbstub_ask_all(struct gdbstub *stub, const struct buffer *requests, size_t count, enum gdb_reply *kind)
{
	struct error *error = check_stopped(stub);

	*kind = GDB_REPLY_OK;
	if (!error)
		error = gdb_transport_send_all(&stub->transport, requests, count);
	for (size_t i = 0; !error && i < count; i++) {
		enum gdb_reply one = GDB_REPLY_OK;

		error = receive_reply(stub, &one);
		if (!error && *kind == GDB_REPLY_OK)
			*kind = one;
	}
	return error;
}

struct error *gdbstub_ask_request(struct gdbstub *stub, enum gdb_reply *kind)
{
	struct error *error = check_stopped(stub);

	if (!error)
		error = gdb_transport_send(&stub->transport, stub->request.data, stub->request.size);

	return error ? error : receive_reply(stub, kind);
}

struct error *gdbstub_ask(struct gdbstub *stub, enum gdb_reply *kind, const char *format, ...)
{
	char text[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buffer_clear(&stub->request);
	buffer_append_text(&stub->request, text);
	return gdbstub_ask_request(stub, kind);
}

/* A machine that ran is stopped by the connection, and QEMU tells that stop unasked, before it answers anything. */
static struct error *skip_stop(struct gdbstub *stub, enum gdb_reply *kind)
{
	const struct buffer *reply = gdbstub_reply(stub);
	struct gdb_stop stop;

	if (*kind != GDB_REPLY_DATA || !gdb_stop_parse(reply->data, reply->size, &stop) || stop.kind != GDB_STOP_SIGNAL)
		return NULL;

	struct error *error = gdb_transport_flush_ack(&stub->transport);

	return error ? error : receive_reply(stub, kind);
}

static struct error *ask_features(struct gdbstub *stub, struct gdb_features *features)
{
	enum gdb_reply kind;
	struct error *error =
	    gdbstub_ask(stub, &kind, "qSupported:swbreak+;hwbreak+;vContSupported+;xmlRegisters=i386");

	if (!error)
		error = skip_stop(stub, &kind);
	if (error)
		return error;
	*features = (struct gdb_features){0};
	if (kind == GDB_REPLY_DATA)
		gdb_features_parse(gdbstub_reply(stub)->data, gdbstub_reply(stub)->size, features);
	if (features->packet_size && features->packet_size < PACKET_SIZE_LEAST)
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "the GDB stub takes packets of no more than %zu bytes",
				    features->packet_size);
	stub->packet_size = features->packet_size ? features->packet_size : PACKET_SIZE_UNKNOWN;
	if (stub->packet_size > PACKET_SIZE_MOST)
		stub->packet_size = PACKET_SIZE_MOST;
	stub->binary_reads = features->binary_reads;

	/* A block lies in one page, and comes in one reply, of two digits a byte. */
	for (stub->block_size = PAGE; stub->block_size > stub->packet_size / 2;)
		stub->block_size /= 2;
	return NULL;
}

static struct error *stop_acks(struct gdbstub *stub)
{
	enum gdb_reply kind;
	struct error *error = gdbstub_ask(stub, &kind, "QStartNoAckMode");

	if (error || kind != GDB_REPLY_OK)
		return error;
	/* The reply is the last packet to be acknowledged. */
	error = gdb_transport_flush_ack(&stub->transport);
	gdb_transport_stop_acks(&stub->transport);
	return error;
}

/* Is `action` in "vCont;c;C;s;S"? */
static bool offers(const struct buffer *reply, const char *action)
{
	const char *end = reply->data + reply->size;
	size_t length = strlen(action);

	for (const char *at = reply->data; (at = memchr(at, ';', (size_t)(end - at)));) {
		at++;
		if ((size_t)(end - at) >= length && !memcmp(at, action, length) &&
		    (at + length == end || at[length] == ';'))
			return true;
	}
	return false;
}

static struct error *ask_vcont(struct gdbstub *stub)
{
	enum gdb_reply kind;
	struct error *error = gdbstub_ask(stub, &kind, "vCont?");

	if (!error && kind == GDB_REPLY_DATA)
		stub->vcont = offers(gdbstub_reply(stub), "c") && offers(gdbstub_reply(stub), "C") &&
			      offers(gdbstub_reply(stub), "s");
	return error;
}

/* gdb_annex_reader: in pieces, "m" and bytes, the last one "l" and bytes. */
static struct error *read_annex(void *context, const char *annex, struct buffer *xml)
{
	struct gdbstub *stub = context;
	bool last = false;

	while (!last) {
		enum gdb_reply kind;
		struct error *error =
		    gdbstub_ask(stub, &kind, "qXfer:features:read:%s:%zx,%zx", annex, xml->size, stub->packet_size - 1);

		if (error)
			return error;

		const struct buffer *reply = gdbstub_reply(stub);

		last = kind == GDB_REPLY_DATA && reply->data[0] == 'l';
		if (kind != GDB_REPLY_DATA || (reply->data[0] != 'm' && !last) || (reply->size == 1 && !last))
			return gdbstub_bad_reply(stub, "qXfer:features:read");
		buffer_append(xml, reply->data + 1, reply->size - 1);
		if (xml->size > DESCRIPTION_LIMIT)
			return error_create(ERROR_INPUT, 0, annex, "the GDB stub's target description has no end");
	}
	return NULL;
}

static struct error *find_registers(struct gdbstub *stub, bool described)
{
	struct error *error;

	if (described) {
		error = gdb_target_parse(read_annex, stub, &stub->target);
	} else {
		error = gdbstub_load_registers(stub);
		if (!error)
			error = gdb_target_assume(stub->registers.size / 2, &stub->target);
	}
	return error ? error : gdbstub_map_registers(stub);
}

static struct error *shake_hands(struct gdbstub *stub)
{
	struct gdb_features features;
	struct error *error = ask_features(stub, &features);

	if (!error && features.no_acks)
		error = stop_acks(stub);
	if (!error)
		error = ask_vcont(stub);
	if (!error)
		error = gdbstub_take_first_stop(stub);
	if (!error)
		error = find_registers(stub, features.description);
	return error;
}

struct error *gdbstub_create(int fd, const struct log *log, struct gdbstub **stub)
{
	struct gdbstub *made = memory_alloc(sizeof(*made));

	made->log = log;
	made->stops = 1;
	made->binary_writes = made->write_register = true;
	made->breakpoint_type = '0';
	gdb_transport_init(&made->transport, fd);

	struct error *error = shake_hands(made);

	if (error) {
		gdbstub_destroy(made);
		return error;
	}
	*stub = made;
	return NULL;
}

void gdbstub_destroy(struct gdbstub *stub)
{
	if (!stub)
		return;
	if (stub->phase == GDBSTUB_PHASE_STOPPED && !stub->transport.failed)
		error_destroy(gdbstub_lift_all(stub));
	gdb_transport_deinit(&stub->transport);
	gdb_target_deinit(&stub->target);
	gdbstub_free_memory(stub);
	vector_deinit(&stub->breakpoints);
	disassembler_destroy(stub->disassembler);
	buffer_deinit(&stub->request);
	buffer_deinit(&stub->registers);
	buffer_deinit(&stub->before);
	free(stub);
}

int gdbstub_fd(const struct gdbstub *stub)
{
	return stub->transport.fd;
}

enum abi gdbstub_abi(const struct gdbstub *stub)
{
	return stub->target.abi;
}
