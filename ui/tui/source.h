/* The lines of source files. */
#ifndef FORKTRACE_UI_TUI_SOURCE_H
#define FORKTRACE_UI_TUI_SOURCE_H

#include <stddef.h>

#include "forktrace_control.h"

struct source_file {
	const char *key;   /* place.file: an interned string, compared by its address */
	char **lines;      /* escaped, tabs expanded */
	size_t line_count; /* 0: the file is not to be had */
};

struct source_files;

/* `path`: directories to look in besides, separated by colons, or NULL; `program`: the traced program's path, whose
 * directory is the last resort, or NULL. Both must outlive it. */
struct source_files *source_files_create(const char *path, const char *program);
void source_files_destroy(struct source_files *files); /* accepts NULL */

/* The file that a place's code comes from, read once; NULL: the place has none. */
const struct source_file *source_file_of(struct source_files *files, const struct control_place *place);

#endif
