/* The Test Anything Protocol, version 13 (testanything.org), as prove(1) reads it. Every text is escaped: whatever it
 * holds, it stays in its line, and is no directive. */
#ifndef FORKTRACE_UI_SCRIPT_TAP_H
#define FORKTRACE_UI_SCRIPT_TAP_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/report/output.h"

struct tap {
	struct output *output;
	unsigned long run, failed; /* tests so far */
	unsigned long planned;
	bool has_plan; /* `planned` counts */
	bool plan_told;
	bool over; /* nothing more is written */
};

/* Begins: the line with the version. `output` must outlive it. */
void tap_open(struct tap *tap, struct output *output);

/* So many tests will be, or were, run; 0: none, for `reason` (may be NULL). False: there is a plan already. */
bool tap_plan(struct tap *tap, unsigned long count, const char *reason);

/* One result. `indent`: spaces, of a subtest's result, which has its own number; 0: one that counts. `name` and `skip`
 * (why it was not run) may be NULL. */
void tap_result(struct tap *tap, bool ok, const char *name, const char *skip);
void tap_subresult(struct tap *tap, unsigned indent, bool ok, unsigned long number, const char *name);
void tap_subplan(struct tap *tap, unsigned indent, unsigned long count);

/* Bytes as comment lines, one for each line of theirs. */
void tap_comment(struct tap *tap, unsigned indent, const char *text, size_t size);

/* "Bail out!": nothing that was found so far counts. */
void tap_bail(struct tap *tap, const char *reason);

/* The plan, where none was told, and what is wrong with the whole: did everything hold? */
bool tap_finish(struct tap *tap);

#endif
