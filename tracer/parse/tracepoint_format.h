/* The `format` file of a tracepoint in tracefs: where its record has which field (f_show in
 * kernel/trace/trace_events.c, Linux 6.18). */
#ifndef FORKTRACE_PARSE_TRACEPOINT_FORMAT_H
#define FORKTRACE_PARSE_TRACEPOINT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracepoint_field {
	uint32_t offset, size; /* bytes, in the raw record */
	bool is_signed;
	bool located; /* __data_loc: the field holds the place of the data (length << 16 | offset), not the data */
};

/* The number that perf_event_open takes as config ("ID: 205"). False: there is none. */
bool tracepoint_format_id(const char *text, size_t size, uint64_t *id);

/* Looks for the field `name`. False: there is none, or its line is not well-formed. */
bool tracepoint_format_field(const char *text, size_t size, const char *name, struct tracepoint_field *field);

/* Copies a field of characters, cut to `room` - 1 and zero-terminated (room is at least 1). False: it does not lie in
 * the record. */
bool tracepoint_field_text(const struct tracepoint_field *field, const unsigned char *raw, size_t raw_size, char *text,
			   size_t room);

#endif
