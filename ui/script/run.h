/* forktrace -s: traces what the options say, and lets a script test it. */
#ifndef FORKTRACE_UI_SCRIPT_RUN_H
#define FORKTRACE_UI_SCRIPT_RUN_H

#include <signal.h>

#include "forktrace.h"
#include "ui/options.h"

struct script_request {
	const struct options *options;
	char *const *environment;
	const sigset_t *signal_mask; /* the program's */
	bool ignore_sigchld;
	const char *cache;              /* session_options.cache */
	const struct event_sink *also;  /* a report that is written besides; NULL: none */
	struct kernel_symbols *symbols; /* of --gdb; taken over */
};

/* Returns the exit status: EXIT_SUCCESS where all tests held, EXIT_NOT_HELD where not, else what say_error tells of the
 * error that it has said. */
int script_trace(const struct script_request *request);

#endif
