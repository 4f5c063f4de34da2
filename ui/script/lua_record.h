/* Records as Lua values: a table with exactly the members of the JSON object, and no others. */
#ifndef FORKTRACE_UI_SCRIPT_LUA_RECORD_H
#define FORKTRACE_UI_SCRIPT_LUA_RECORD_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>

/* Pushes `value`. null is nil, an array a sequence. Reading a member that the object does not have is an error, which
 * names the nearest one that it has; a member that is null is there. `what` says what the object is ("fork"): all
 * objects of that name have the same members. */
void lua_push_record(lua_State *lua, const json_t *value, const char *what);

/* Looks up the string at the top of the stack in the record at `record`, pushes its value over it and returns whether
 * the record has such a member, null or not. */
bool lua_record_member(lua_State *lua, int record);

/* Raises the error for a name that is unknown at the table at `index` (what it has, and, where `also` is not 0, what
 * the table there has, are the names that can be meant). */
int lua_record_unknown(lua_State *lua, int index, int also, const char *name);

#endif
