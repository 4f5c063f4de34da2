/* What an expectation's names mean: the members of the record that it is held against, then Lua's and our functions. */
#ifndef FORKTRACE_UI_SCRIPT_ENVIRONMENT_H
#define FORKTRACE_UI_SCRIPT_ENVIRONMENT_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>

#include "base/error.h"

/* Once for each state. */
void environment_create(lua_State *lua);

/* The function at the top of the stack uses it from now on. */
void environment_bind(lua_State *lua);

/* Makes the members of `record` the current ones. */
void environment_set(lua_State *lua, const json_t *record);

/* Before there is a record: does each name of the expression mean something in the environment, with `failed` in a
 * record of a call that failed? Else an error: one sentence, with the position and the nearest name. */
struct error *environment_check(lua_State *lua, const char *expression, bool failed);

#endif
