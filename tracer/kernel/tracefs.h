/* The kernel's tracefs, wherever it is. */
#ifndef FORKTRACE_KERNEL_TRACEFS_H
#define FORKTRACE_KERNEL_TRACEFS_H

#include "base/buffer.h"
#include "base/error.h"

/* Gives a descriptor of tracefs's root, for the caller to close: where it is mounted (/sys/kernel/tracing,
 * /sys/kernel/debug/tracing), or else a mount of forktrace's own that no path leads to and that ends with the
 * descriptor (fsmount(2), Linux 5.2). Errors: ERROR_DENIED, ERROR_UNSUPPORTED, with a message that says what to do. */
struct error *tracefs_open(int *fd);

/* Appends the `format` file of the tracepoint `name` ("task/task_newtask"). */
struct error *tracefs_read_format(int tracefs, const char *name, struct buffer *text);

#endif
