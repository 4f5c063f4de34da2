/* Reports: a sink for events per format, made through one registry. */
#ifndef FORKTRACE_UI_REPORT_REPORT_H
#define FORKTRACE_UI_REPORT_REPORT_H

#include <stdbool.h>

#include "forktrace.h"
#include "ui/report/output.h"

enum { SCHEMA_VERSION = 1 }; /* of record.schema.json: raised when a name or a meaning changes */

struct report_options {
	unsigned width; /* columns of the terminal; 0: not a terminal (80). Taken as 40 at least, 132 at most */
	bool color;
	int verbosity; /* -1: errors, failed forks and totals; 0; 1: every event; 2: addresses and methods of frames */
};

/* A report being written. Each format embeds one as the first member of its own struct. */
struct report {
	struct event_sink sink;                /* takes the events; they are written when it is flushed */
	void (*finish)(struct report *report); /* writes what stands behind the last event; NULL: nothing does */
	void (*destroy)(struct report *report);
};

struct report_format {
	const char *name; /* as --format takes it */
	bool terse;       /* shows signals with --verbose alone */
	struct report *(*create)(struct output *output, const struct report_options *options);
};

/* All formats, ended by a NULL name; the first is the default. To add one: a file with its constructor, a line in
 * report.c. */
extern const struct report_format report_formats[];

/* The format called `name`, or NULL. */
const struct report_format *report_format_find(const char *name);

/* Makes a report in `format` that goes to `output`, which must outlive it and is not closed by it. */
struct report *report_create(const struct report_format *format, struct output *output,
			     const struct report_options *options);

/* There are no more events: completes and flushes the report. */
void report_finish(struct report *report);
void report_destroy(struct report *report); /* accepts NULL */

/* The columns of a report of text. */
unsigned report_width(const struct report_options *options);

/* The constructors. */
struct report *text_report_create(struct output *output, const struct report_options *options);
/* Of a text report that leaves forks out: the next one's number. */
void text_report_number(struct report *report, unsigned long number);
struct report *json_report_create(struct output *output, const struct report_options *options);
struct report *tree_report_create(struct output *output, const struct report_options *options);
struct report *dot_report_create(struct output *output, const struct report_options *options);
struct report *html_report_create(struct output *output, const struct report_options *options);
struct report *perfetto_report_create(struct output *output, const struct report_options *options);

#endif
