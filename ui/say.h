/* What forktrace says on standard error besides the report. */
#ifndef FORKTRACE_UI_SAY_H
#define FORKTRACE_UI_SAY_H

#include "base/error.h"
#include "base/log.h"

/* What forktrace exits with besides the program's own status. */
enum {
	EXIT_NOT_HELD = 1,    /* an expectation, or a test of a script */
	EXIT_FORKTRACE = 125, /* forktrace itself failed, or was misused */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
};

/* One line, "forktrace: WHATMESSAGE"; the message is escaped. */
void say(const char *what, const char *message);

/* The engine's log, as loud as `verbosity` has it: warnings unless it is negative, the rest where it is positive. */
void say_log(int verbosity, enum log_level level, const char *message);

/* A further line of what was said, indented; escaped. */
void say_more(const char *line);

/* Tells an error, frees it, and returns the exit status for it: EXIT_FORKTRACE, or what tells why the program could not
 * be run. */
int say_error(struct error *error);

#endif
