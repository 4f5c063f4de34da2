/* Reads a record of events (JSON Lines), line by line, into a sink. Memory holds one line, the stacks of stack_pool,
 * and each different text once. */
#ifndef FORKTRACE_UI_RECORD_READER_H
#define FORKTRACE_UI_RECORD_READER_H

#include "forktrace.h"
#include "ui/record/event.h"

enum { RECORD_LINE_MAX = 256 * 1024 * 1024 }; /* bytes; 65,536 frames on each side take half of it */

/* What became of the lines. */
struct record_tally {
	uint64_t lines;              /* that hold anything */
	uint64_t events;             /* given to the sink */
	uint64_t number;             /* of the last line, from 1, blank ones counted */
	uint64_t first_lost;         /* number of the first line that could not be read; 0: all could */
	uint64_t missed;             /* values of the others that could not be taken over */
	struct buffer missed_reason; /* the first, with its line; as `reason` */
	struct buffer reason;        /* why, without a full stop */
	uint64_t schema;             /* that the record says it is of; 0: it says nothing */
	bool ended;                  /* its last event was an end */
};

struct record_reader {
	int fd; /* borrowed */
	struct buffer text;
	struct fields fields;
	struct stack_pool stacks;
	struct record_event read;
	struct record_tally tally;
};

/* A reader of what can be read at `fd`. Texts of the events live as long as it does. */
void record_reader_init(struct record_reader *reader, int fd);
void record_reader_deinit(struct record_reader *reader);

/* Reads some of it, waiting where nothing is at hand, gives the events to the sink, and flushes that. Returns false at
 * the end of the file, or with *error where it cannot be read. Lines that hold no event are counted, and passed over.
 */
bool record_reader_step(struct record_reader *reader, const struct event_sink *sink, struct error **error);

#endif
