/* What a face is given that runs by itself: the stepper, and a script's tests. */
#ifndef FORKTRACE_UI_FACE_REQUEST_H
#define FORKTRACE_UI_FACE_REQUEST_H

#include <signal.h>
#include <stdbool.h>

#include "forktrace.h"
#include "ui/options.h"

struct face_request {
	const struct options *options;
	char **environment;            /* of the program */
	const sigset_t *signal_mask;   /* likewise */
	bool ignore_sigchld;           /* likewise */
	const char *cache;             /* as session_options.cache */
	const struct event_sink *also; /* a report that is written besides; NULL: none */
};

#endif
