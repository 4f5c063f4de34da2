/* Commands of the peer's own (GDB's "monitor"); see gdbstub.h. */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "parse/gdb_packet.h"
#include "target/gdbstub_internal.h"

enum { REPLY_TIMEOUT_MS = 10000, ANSWER_MAX = 1 << 20 };

/* "O" and digits: a part of the answer. "OK" is its end, and no such part. */
static bool take_part(const struct buffer *reply, struct buffer *answer)
{
	size_t size = (reply->size - 1) / 2;
	char *bytes;

	if (reply->size < 3 || reply->data[0] != 'O' || reply->data[1] == 'K' || answer->size > ANSWER_MAX)
		return false;
	bytes = buffer_reserve(answer, size);
	if (!gdb_hex_bytes(reply->data + 1, bytes, size))
		return false;
	answer->size += size;
	return true;
}

struct error *gdbstub_monitor(struct gdbstub *stub, const char *command, struct buffer *answer)
{
	enum gdb_reply kind;
	bool received = true;
	struct error *error;

	buffer_clear(&stub->request);
	buffer_append_text(&stub->request, "qRcmd,");
	gdb_hex_append(&stub->request, command, strlen(command));
	error = gdbstub_ask_request(stub, &kind);
	while (!error && received && take_part(gdbstub_reply(stub), answer)) {
		error = gdb_transport_flush_ack(&stub->transport);
		if (!error)
			error = gdb_transport_receive(&stub->transport, REPLY_TIMEOUT_MS, &received);
	}
	if (!error && !received) {
		stub->transport.failed = true;
		error = error_create(ERROR_SYSTEM, ETIMEDOUT, NULL, "the GDB stub has not finished its answer");
	}
	if (error)
		return error;
	kind = gdb_reply_kind(gdbstub_reply(stub)->data, gdbstub_reply(stub)->size);
	buffer_append_text(answer, ""); /* terminated, even where it is empty */
	return kind == GDB_REPLY_OK ? NULL
				    : error_create(ERROR_UNSUPPORTED, 0, command,
						   "the GDB stub does not know the command '%s'", command);
}
