/* --on: which forks an expectation is about.
 *
 *   TERM[,TERM...]   all of them must be so
 *   fork#N           the Nth fork, as the text report numbers them
 *   failed           calls that failed, instead of those that created something
 *   KEY=VALUE        a member of the record, as JSON names it: kind=vfork, child.comm=sh, parent.tid=4711;
 *                    comm, pid, tid: the parent's. A comma in VALUE is written \, */
#ifndef FORKTRACE_UI_SCRIPT_SELECTOR_H
#define FORKTRACE_UI_SCRIPT_SELECTOR_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/vector.h"

struct selector_term {
	char *key; /* path of the member */
	char *value;
};

struct selector {
	bool failed;
	unsigned long number; /* 0: whichever */
	VECTOR(struct selector_term) terms;
};

/* Adds what `text` says to a selector that is zeroed, or has been parsed into before: an error with a sentence where it
 * cannot be understood, or names what no record has. */
struct error *selector_parse(struct selector *selector, const char *text);

/* What must be said once all is parsed: a key that only the other kind of record has. */
struct error *selector_check(const struct selector *selector);
void selector_deinit(struct selector *selector);

/* Is the record (its number among the forks: `number`) one of them? Strings are compared as they stand, numbers in
 * decimal; true, false, null. */
bool selector_matches(const struct selector *selector, json_t *record, unsigned long number);

#endif
