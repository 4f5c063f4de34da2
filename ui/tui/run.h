/* forktrace -i: the stepper's loop. */
#ifndef FORKTRACE_UI_TUI_RUN_H
#define FORKTRACE_UI_TUI_RUN_H

#include <signal.h>
#include <stdbool.h>

#include "forktrace.h"
#include "ui/options.h"

struct tui_request {
	const struct options *options;
	char **environment;            /* of the program */
	const sigset_t *signal_mask;   /* likewise */
	bool ignore_sigchld;           /* likewise */
	const char *cache;             /* as session_options.cache */
	const struct event_sink *also; /* a report that is written besides; NULL: none */
};

/* Runs until the user quits. Returns the program's exit status, 0 where the user ended it, or EXIT_FORKTRACE and its
 * kin, an error having been told on standard error. */
int tui_run(const struct tui_request *request);

#endif
