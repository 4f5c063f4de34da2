/* A script (-s): its Lua state, the functions that it is given, and its callbacks. */
#ifndef FORKTRACE_UI_SCRIPT_SCRIPT_H
#define FORKTRACE_UI_SCRIPT_SCRIPT_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>

#include "base/error.h"
#include "ui/script/tap.h"
#include "ui/script/tasks.h"

struct script {
	lua_State *lua;
	struct tap *tap;
	struct tasks *tasks; /* at() and its callbacks */
	int dispatch;        /* script.lua's function, in the registry */
	bool wants_output;   /* it has an on_output */
};

/* Reads and compiles `path`, without running it, for results that go to `tap`. `command` (NULL-terminated, or NULL) is
 * what is traced. Errors: the file cannot be read, or is no Lua: with file and line. */
struct error *script_open(struct script *script, const char *path, char *const *command, struct tap *tap);
void script_close(struct script *script); /* accepts a zeroed one */

/* Runs it: it registers its callbacks. The error of a script has its message, and behind it, on lines of their own, the
 * Lua traceback: so here and below. */
struct error *script_run(struct script *script);

/* Calls back for a record. */
struct error *script_record(struct script *script, const json_t *record);

/* Calls back for a line that the program has written to its descriptor `number` (1 or 2). */
struct error *script_line(struct script *script, int number, const char *line, size_t size);

#endif
