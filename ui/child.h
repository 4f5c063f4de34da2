/* A command that forktrace runs for itself: without a shell, with nothing on its standard input. */
#ifndef FORKTRACE_UI_CHILD_H
#define FORKTRACE_UI_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

struct child {
	const char *const *arguments;
	pid_t pid;
	int output; /* its standard output, to be read; owned by the child */
	int errors; /* a memfd with its standard error */
};

/* Starts arguments[0], found on PATH, in `directory` (NULL: where we are). `arguments` ends with NULL and must outlive
 * the child. Each start without error needs one child_finish. SIGCHLD must not be ignored. */
struct error *child_start(struct child *child, const char *const *arguments, const char *directory);

/* Closes its output (it gets SIGPIPE where it writes on), waits for its end and frees what it had. An error (with the
 * last line of its standard error) where it did not exit with 0, but with `stopped` none: its output was left unread.
 */
struct error *child_finish(struct child *child, bool stopped);

/* Runs it to the end. `output` (may be NULL) gets what it printed. */
struct error *child_run(const char *const *arguments, const char *directory, struct buffer *output);

#endif
