/* --from: a report made from a saved record. */
#ifndef FORKTRACE_UI_REPLAY_H
#define FORKTRACE_UI_REPLAY_H

#include "ui/options.h"

/* Reads the record that options->from names and writes the report of it. What can be read is shown; the rest is told in
 * one sentence. Returns forktrace's exit status: EXIT_FORKTRACE where anything is missing or could not be written. */
int replay_run(const struct options *options);

#endif
