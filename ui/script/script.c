/* A script: see script.h. */
#include "ui/script/script.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "ui/script/lua_code.h"
#include "ui/script/lua_record.h"
#include "ui/script/lua_state.h"

/* --- native functions --- */

static struct script *script_of(lua_State *lua)
{
	return lua_touserdata(lua, lua_upvalueindex(1));
}

static unsigned check_indent(lua_State *lua, int argument)
{
	return (unsigned)luaL_checkinteger(lua, argument);
}

/* result(held, name or nil, why it was skipped or nil) */
static int native_result(lua_State *lua)
{
	tap_result(script_of(lua)->tap, lua_toboolean(lua, 1), luaL_optstring(lua, 2, NULL),
		   luaL_optstring(lua, 3, NULL));
	return 0;
}

/* subresult(indent, held, number, name or nil) */
static int native_subresult(lua_State *lua)
{
	tap_subresult(script_of(lua)->tap, check_indent(lua, 1), lua_toboolean(lua, 2),
		      (unsigned long)luaL_checkinteger(lua, 3), luaL_optstring(lua, 4, NULL));
	return 0;
}

/* subplan(indent, count) */
static int native_subplan(lua_State *lua)
{
	tap_subplan(script_of(lua)->tap, check_indent(lua, 1), (unsigned long)luaL_checkinteger(lua, 2));
	return 0;
}

/* comment(text, indent) */
static int native_comment(lua_State *lua)
{
	size_t size;
	const char *text = luaL_checklstring(lua, 1, &size);

	tap_comment(script_of(lua)->tap, check_indent(lua, 2), text, size);
	return 0;
}

/* plan(count, reason or nil) -> false where there is one already */
static int native_plan(lua_State *lua)
{
	lua_pushboolean(
	    lua, tap_plan(script_of(lua)->tap, (unsigned long)luaL_checkinteger(lua, 1), luaL_optstring(lua, 2, NULL)));
	return 1;
}

static int native_want_output(lua_State *lua)
{
	script_of(lua)->wants_output = true;
	return 0;
}

static const luaL_Reg natives[] = {
    {"result", native_result},
    {"subresult", native_subresult},
    {"subplan", native_subplan},
    {"comment", native_comment},
    {"plan", native_plan},
    {"want_output", native_want_output},
    {NULL, NULL},
};

/* --- opening --- */

/* The directory of the script: what it requires lies there, wherever we are. */
static char *directory_of(const char *path)
{
	_cleanup_free_ char *full = realpath(path, NULL);
	const char *slash = full ? strrchr(full, '/') : NULL;

	return slash && slash > full ? memory_strndup(full, (size_t)(slash - full)) : memory_strdup("/");
}

/* "command" is what is traced: a list. */
static void push_command(lua_State *lua, char *const *command)
{
	lua_newtable(lua);
	for (int i = 0; command && command[i]; i++) {
		lua_pushstring(lua, command[i]);
		lua_rawseti(lua, -2, i + 1);
	}
	lua_setglobal(lua, "command");
}

static void load_library(struct script *script)
{
	lua_State *lua = script->lua;
	int failed = luaL_loadbufferx(lua, lua_code_script, (size_t)(lua_code_script_end - lua_code_script),
				      "=[forktrace script]", "t");

	if (failed)
		abort(); /* built in, and tested */
	lua_newtable(lua);
	lua_pushlightuserdata(lua, script);
	luaL_setfuncs(lua, natives, 1);
	lua_getglobal(lua, "helpers");
	lua_call(lua, 2, 1);
	script->dispatch = luaL_ref(lua, LUA_REGISTRYINDEX);
}

/* Lua's sentences begin with the place, and some go on on a second line. */
static struct error *load_error(lua_State *lua, const char *path, int status)
{
	const char *message = lua_tostring(lua, -1);

	if (status == LUA_ERRFILE)
		return error_create(ERROR_INPUT, errno, path, "the script '%s' cannot be read: %s", path,
				    strerror(errno));
	return error_create(ERROR_INPUT, 0, path, "%s", message ? message : "out of memory");
}

struct error *script_open(struct script *script, const char *path, char *const *command, struct tap *tap)
{
	_cleanup_free_ char *directory = directory_of(path);
	struct error *error = NULL;

	*script = (struct script){.lua = lua_state_create(), .tap = tap};
	lua_state_open_all(script->lua, directory);
	script->tasks = tasks_create(script->lua);
	load_library(script);
	push_command(script->lua, command);
	errno = 0;

	/* Text alone: a precompiled file could crash Lua. */
	int status = luaL_loadfilex(script->lua, path, "t");

	if (status)
		error = load_error(script->lua, path, status);
	return error;
}

void script_close(struct script *script)
{
	tasks_destroy(script->tasks);
	script->tasks = NULL;
	if (script->lua)
		lua_close(script->lua);
	script->lua = NULL;
}

/* --- running --- */

struct error *script_run(struct script *script)
{
	return lua_state_call(script->lua, 0, 0);
}

static void push_dispatch(struct script *script, const char *kind)
{
	lua_rawgeti(script->lua, LUA_REGISTRYINDEX, script->dispatch);
	lua_pushstring(script->lua, kind);
}

struct error *script_record(struct script *script, const json_t *record)
{
	const char *kind = json_string_value(json_object_get(record, "event"));

	push_dispatch(script, kind);
	lua_push_record(script->lua, record, kind);
	return lua_state_call(script->lua, 2, 0);
}

struct error *script_line(struct script *script, int number, const char *line, size_t size)
{
	if (!script->wants_output)
		return NULL;
	push_dispatch(script, "output");
	lua_pushlstring(script->lua, line, size);
	lua_pushstring(script->lua, number == STDOUT_FILENO ? "stdout" : "stderr");
	return lua_state_call(script->lua, 3, 0);
}
