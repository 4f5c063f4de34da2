/* What scripts do with tasks: at(), and what its callbacks do to the task that came there.
 *
 * A callback is a coroutine. While it waits for what it asked its task to do, everything else goes on, other callbacks
 * included; the stop resumes it. What comes in between at the same task (another breakpoint) has a callback of its own,
 * after which the outer one's wait goes on. */
#ifndef FORKTRACE_UI_SCRIPT_TASKS_H
#define FORKTRACE_UI_SCRIPT_TASKS_H

#include <lua.h>
#include <stdbool.h>

#include "base/error.h"

struct control;
struct tasks;

/* Adds at() and what belongs to it to the state's globals. */
struct tasks *tasks_create(lua_State *lua);
void tasks_destroy(struct tasks *tasks); /* accepts NULL; before lua_close */

/* Was at() called? Then the session should have a control; others are faster without. */
bool tasks_wanted(const struct tasks *tasks);

/* The tasks are those of `control` from now on; NULL: there is no way to hold any, which the first at() says, or this
 * where there was one already. */
struct error *tasks_begin(struct tasks *tasks, struct control *control);

/* After each session_dispatch: deals with what has happened. *any: there was something. An error is the script's, as in
 * script.h. */
struct error *tasks_go_on(struct tasks *tasks, bool *any);

/* The `index`th place that at() named and no process had; NULL: there are no more. */
const char *tasks_unknown_place(const struct tasks *tasks, size_t index);

#endif
