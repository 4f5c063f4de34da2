/* What the replies of the GDB remote protocol say (GDB manual, appendix E: "Standard Replies", "Stop Reply Packets",
 * "General Query Packets"). Nothing that a peer sends is trusted. */
#ifndef FORKTRACE_PARSE_GDB_REPLY_H
#define FORKTRACE_PARSE_GDB_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gdb_reply {
	GDB_REPLY_OK,
	GDB_REPLY_UNSUPPORTED, /* empty: the peer does not know the request */
	GDB_REPLY_ERROR,       /* "E01", "E.text" */
	GDB_REPLY_DATA,        /* anything else */
};

/* An error is told from data by its length: hexadecimal data has an even number of digits. */
enum gdb_reply gdb_reply_kind(const char *payload, size_t size);

enum gdb_stop_kind {
	GDB_STOP_SIGNAL,
	GDB_STOP_WATCH,   /* by a watchpoint at `address` */
	GDB_STOP_EXITED,  /* `number`: the status */
	GDB_STOP_KILLED,  /* `number`: the signal */
	GDB_STOP_CONSOLE, /* no stop: O and what the program writes, in hexadecimal digits */
};

struct gdb_stop {
	enum gdb_stop_kind kind;
	int number; /* a signal by GDB's numbers (5: SIGTRAP on every system), an exit status */
	uint64_t address;
	char thread[32];    /* as the peer spells it; "" where it does not, or where it is no thread id */
	bool at_breakpoint; /* the peer says that it has hit a breakpoint of ours (swbreak, hwbreak) */
};

/* False: no stop reply, or a malformed one. Registers and keys that are not known are skipped. */
bool gdb_stop_parse(const char *payload, size_t size, struct gdb_stop *stop);

/* What the reply to qSupported tells that forktrace asks for. */
struct gdb_features {
	size_t packet_size; /* the longest payload that the peer takes, bytes; 0: it does not say */
	bool description;   /* qXfer:features:read */
	bool no_acks;       /* QStartNoAckMode */
	bool binary_reads;  /* binary-upload: the x packet, GDB 16 */
};

/* Items that are not well-formed or not known are skipped. */
void gdb_features_parse(const char *payload, size_t size, struct gdb_features *features);

#endif
