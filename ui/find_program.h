/* Finds a program as a shell would. */
#ifndef FORKTRACE_UI_FIND_PROGRAM_H
#define FORKTRACE_UI_FIND_PROGRAM_H

#include "base/error.h"

/* Resolves `name` to a path for execve: as it is where it has a slash, else through `search_path` (PATH's value; NULL:
 * as confstr(3) has it). The first executable regular file wins, as execvp(3) does. The caller frees *path. Errors:
 * ERROR_NOT_FOUND; ERROR_NOT_EXEC for a directory, or where only files were found that may not be executed. */
struct error *find_program(const char *name, const char *search_path, char **path);

#endif
