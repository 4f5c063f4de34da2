/* What the traced program writes, line by line, where it could be mistaken for the results of tests. */
#ifndef FORKTRACE_UI_SCRIPT_PROGRAM_OUTPUT_H
#define FORKTRACE_UI_SCRIPT_PROGRAM_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

enum { LINE_MAX_BYTES = 64 * 1024 }; /* a longer line is cut into such pieces */

/* One of the program's descriptors, taken over. */
struct program_output {
	int number;          /* STDOUT_FILENO or STDERR_FILENO */
	int read, write;     /* a pipe; -1: closed */
	bool pass_on;        /* it also goes, unchanged, where it would have gone */
	struct buffer begun; /* a line whose end has not come */
	/* `line` is without its newline; not ended by a zero. */
	void (*line)(void *context, int number, const char *line, size_t size);
	void *context;
};

struct error *program_output_open(struct program_output *output);
void program_output_deinit(struct program_output *output); /* accepts what was not opened, but read and write -1 */

/* After the program has got `write`: its end is then seen. */
void program_output_started(struct program_output *output);

/* Takes a bounded part of what has arrived; true: there was something. */
bool program_output_read(struct program_output *output);

/* The same of bytes that came another way. */
void program_output_take(struct program_output *output, const char *bytes, size_t size);

/* Writes them where they would have gone. */
void program_output_pass_on(int number, const char *bytes, size_t size);

/* No more comes: what was begun is a line. */
void program_output_end(struct program_output *output);

/* Is it the same file that the two descriptors have? */
bool is_same_file(int one, int other);

/* No program that is started inherits a descriptor above standard error with the same file as `fd`. */
void keep_from_programs(int fd);

#endif
