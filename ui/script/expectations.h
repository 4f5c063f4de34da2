/* -e: what must hold for every fork. */
#ifndef FORKTRACE_UI_SCRIPT_EXPECTATIONS_H
#define FORKTRACE_UI_SCRIPT_EXPECTATIONS_H

#include <stdbool.h>

#include "base/vector.h"
#include "forktrace.h"
#include "ui/report/report.h"

/* One --expect of the command line, with the --on behind it. */
struct expectation_words {
	const char *expression;
	VECTOR(const char *) on;
};

typedef VECTOR(struct expectation_words) expectation_words_vector;
void expectation_words_deinit(expectation_words_vector *words);

struct expectations;

struct expectations_options {
	bool allow_none; /* an expectation that no fork matched holds */
	int verbosity;   /* -1: no line about success; 1: the records of all failures */
	struct report_options report;
};

/* Compiles all of them. What fails is told on `output`, which must outlive them. Errors are sentences about the command
 * line. */
struct error *expectations_create(const expectation_words_vector *words, struct output *output,
				  const struct expectations_options *options, struct expectations **expectations);
void expectations_destroy(struct expectations *expectations); /* accepts NULL */

/* The sink that looks at each record. `also`, which is copied, gets all events (its functions may be NULL). */
struct event_sink expectations_sink(struct expectations *expectations, const struct event_sink *also);

/* After the last event: tells those that no fork matched, and how it ended. Did all hold? */
bool expectations_finish(struct expectations *expectations);

#endif
