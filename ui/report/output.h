/* Where a report goes: a file descriptor that remembers its first failure. */
#ifndef FORKTRACE_UI_REPORT_OUTPUT_H
#define FORKTRACE_UI_REPORT_OUTPUT_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

struct output {
	int fd;
	char *path; /* as the user named it; NULL: a standard descriptor, which is not closed */
	struct buffer kept;
	struct error *error; /* the first write that failed; nothing is written any more. For main to tell, once. */
};

/* Creates or truncates the file at `path`; NULL: takes the standard descriptor `otherwise`. Fails with a sentence where
 * it cannot be written. */
struct error *output_open(struct output *output, const char *path, int otherwise);

/* Takes text to be written: at the next output_flush, or once OUTPUT_KEPT_MAX bytes are kept. */
enum { OUTPUT_KEPT_MAX = 64 * 1024 };
void output_put(struct output *output, const void *bytes, size_t size);

/* Writes what is kept, with one write(2) unless the kernel takes less; waits where the descriptor is not ready. A
 * failure (full disk, closed pipe: SIGPIPE must be ignored) is remembered in output->error. */
void output_flush(struct output *output);

/* Closes the file (not a standard descriptor); a failure, which network file systems tell here, is remembered as well.
 * The error stays until output_deinit. */
void output_close(struct output *output);
void output_deinit(struct output *output);

#endif
