/* Lua states for expectations and scripts: what is loaded into them, how they are stopped, what their errors say. */
#ifndef FORKTRACE_UI_SCRIPT_LUA_STATE_H
#define FORKTRACE_UI_SCRIPT_LUA_STATE_H

#include <lua.h>
#include <stddef.h>

#include "base/error.h"

/* A state with base, string, table, math and utf8, and the helpers as the global `helpers`. Aborts where there is no
 * memory. Close it with lua_close. */
lua_State *lua_state_create(void);

/* For scripts: all standard libraries. require() finds what lies beside the script, in `directory`, and in the system's
 * own places; the environment (LUA_PATH) and the current directory have no say. */
void lua_state_open_all(lua_State *lua, const char *directory);

/* Runs a file of ours, which leaves one value on the stack. */
void lua_state_load(lua_State *lua, const char *code, const char *end, const char *name);

/* Calls the function below its `arguments`. An error becomes a value: its message, and behind it, from a second line
 * on, the Lua traceback. The stack is as before then, without function and arguments. */
struct error *lua_state_call(lua_State *lua, int arguments, int results);

/* Makes what runs for long give up, now and from then on, with the error LUA_INTERRUPTED. From any thread. The same
 * happens by itself where SIGINT, SIGTERM or SIGHUP is pending (blocked, as the loop has them). */
#define LUA_INTERRUPTED "interrupted"
void lua_state_interrupt(void);

#endif
