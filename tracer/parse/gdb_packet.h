/* The framing of the GDB remote protocol (GDB manual, "Overview" of appendix E): "$payload#checksum", "%notification",
 * and the single bytes + (received well), - (send again) and 0x03 (interrupt). Nothing that a peer sends is trusted. */
#ifndef FORKTRACE_PARSE_GDB_PACKET_H
#define FORKTRACE_PARSE_GDB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Appends the frame around `payload` to *frame; bytes that would be taken for framing are escaped. */
void gdb_packet_append(struct buffer *frame, const void *payload, size_t size);

enum gdb_event {
	GDB_EVENT_NONE,         /* the bytes ended before the next event */
	GDB_EVENT_PACKET,       /* decoder->payload has it */
	GDB_EVENT_NOTIFICATION, /* likewise */
	GDB_EVENT_ACK,
	GDB_EVENT_NAK,
	GDB_EVENT_DAMAGED, /* a packet with a wrong checksum, or with a run or an escape that has no meaning */
	GDB_EVENT_OVERSIZE /* a packet longer than the decoder's limit; its bytes are dropped */
};

/* Takes a stream of bytes apart, in pieces of any size. All fields but `payload` and `unchecked` are the decoder's own.
 */
struct gdb_decoder {
	struct buffer payload; /* of the last packet, escapes and runs undone; valid until the next feed */
	bool unchecked;        /* checksums may be wrong: without acknowledgements nobody could send again */
	size_t limit;          /* of the payload, bytes */
	int state;
	bool notification;
	bool escaped;   /* the last byte was an escape */
	bool damaged;   /* a run or an escape made no sense */
	bool oversize;  /* the limit was passed */
	int last;       /* the byte that a run repeats; -1: none */
	uint8_t sum;    /* of the bytes between $ and # */
	uint8_t digits; /* the first digit of the checksum */
};

void gdb_decoder_init(struct gdb_decoder *decoder, size_t limit);
void gdb_decoder_deinit(struct gdb_decoder *decoder);

/* Takes bytes up to the end of the next event, which is told as *event; returns how many. Bytes between packets that
 * mean nothing are skipped; a $ within a packet begins a new one (the rest of the old one was lost). */
size_t gdb_decoder_feed(struct gdb_decoder *decoder, const void *bytes, size_t size, enum gdb_event *event);

/* The value of a hexadecimal digit; -1 for any other character. */
int gdb_hex_digit(char digit);

/* Appends two digits a byte. */
void gdb_hex_append(struct buffer *text, const void *bytes, size_t size);

/* Decodes exactly `size` bytes from 2 * size digits; false where one is no digit. */
bool gdb_hex_bytes(const char *text, void *bytes, size_t size);

/* A number of 1 to 16 digits at *text, which is left behind it; false where there is none, or one that is too long. */
bool gdb_hex_number(const char **text, const char *end, uint64_t *number);

#endif
