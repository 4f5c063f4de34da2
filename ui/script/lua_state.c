/* Lua states: see lua_state.h. */
#include "ui/script/lua_state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <luaconf.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ui/script/lua_code.h"

enum { LOOK_INSTRUCTIONS = 100 * 1000 }; /* about a millisecond: no more often is an interruption looked for */

static atomic_bool interrupted;

void lua_state_interrupt(void)
{
	interrupted = true;
}

static bool is_interrupted(void)
{
	sigset_t pending;

	return interrupted ||
	       (!sigpending(&pending) && (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1 ||
					  sigismember(&pending, SIGHUP) == 1));
}

/* From the first time on at each instruction: else a loop around a pcall would go on for ever. */
static void look(lua_State *lua, lua_Debug *debug)
{
	(void)debug;
	if (!is_interrupted())
		return;
	interrupted = true;
	lua_sethook(lua, look, LUA_MASKCOUNT, 1);
	lua_pushliteral(lua, LUA_INTERRUPTED); /* wherever it was */
	lua_error(lua);
}

static const luaL_Reg harmless[] = {
    {LUA_GNAME, luaopen_base},       {LUA_STRLIBNAME, luaopen_string}, {LUA_TABLIBNAME, luaopen_table},
    {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8},
};

lua_State *lua_state_create(void)
{
	lua_State *lua = luaL_newstate();

	if (!lua)
		abort();
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		luaL_requiref(lua, harmless[i].name, harmless[i].func, 1);
		lua_pop(lua, 1);
	}
	lua_state_load(lua, lua_code_helpers, lua_code_helpers_end, "helpers");
	lua_setglobal(lua, "helpers");
	lua_sethook(lua, look, LUA_MASKCOUNT, LOOK_INSTRUCTIONS);
	return lua;
}

/* The system's places: the built-in ones without those in the current directory. */
static void append_system(struct buffer *path, const char *places)
{
	while (*places) {
		size_t size = strcspn(places, ";");

		if (*places == '/') {
			buffer_append_text(path, path->size ? ";" : "");
			buffer_append(path, places, size);
		}
		places += size + (places[size] == ';');
	}
}

void lua_state_open_all(lua_State *lua, const char *directory)
{
	_cleanup_(buffer_deinit) struct buffer path = {0}, binary = {0};

	lua_pushboolean(lua, 1);
	lua_setfield(lua, LUA_REGISTRYINDEX, "LUA_NOENV"); /* lua.c's -E */
	luaL_openlibs(lua);
	/* A template's marks, ';' and '?', cannot be spelled in a directory's name. */
	if (!strpbrk(directory, ";?"))
		buffer_printf(&path, "%s/?.lua;%s/?/init.lua", directory, directory);
	append_system(&path, LUA_PATH_DEFAULT);
	append_system(&binary, LUA_CPATH_DEFAULT);
	buffer_append_text(&binary, "");
	lua_getglobal(lua, LUA_LOADLIBNAME);
	lua_pushlstring(lua, path.data, path.size);
	lua_setfield(lua, -2, "path");
	lua_pushlstring(lua, binary.data, binary.size);
	lua_setfield(lua, -2, "cpath");
	lua_pop(lua, 1);
}

void lua_state_load(lua_State *lua, const char *code, const char *end, const char *name)
{
	_cleanup_(buffer_deinit) struct buffer chunk = {0};
	struct error *error;

	buffer_printf(&chunk, "=[forktrace %s]", name);
	if (luaL_loadbufferx(lua, code, (size_t)(end - code), chunk.data, "t"))
		abort(); /* built in, and tested */
	error = lua_state_call(lua, 0, 1);
	if (error)
		abort();
}

/* An error's value as text: a table or nil can be thrown too. */
static int add_traceback(lua_State *lua)
{
	const char *message = lua_tostring(lua, 1);

	if (!message && luaL_callmeta(lua, 1, "__tostring") && lua_type(lua, -1) == LUA_TSTRING)
		message = lua_tostring(lua, -1);
	if (!message)
		message = lua_pushfstring(lua, "a value was thrown that is no text (a %s)", luaL_typename(lua, 1));
	luaL_traceback(lua, lua, message, 1);
	return 1;
}

struct error *lua_state_call(lua_State *lua, int arguments, int results)
{
	int handler = lua_gettop(lua) - arguments;
	struct error *error = NULL;

	lua_pushcfunction(lua, add_traceback);
	lua_insert(lua, handler);
	if (lua_pcall(lua, arguments, results, handler)) {
		const char *message = lua_tostring(lua, -1);

		error = error_create(ERROR_INPUT, 0, NULL, "%s", message ? message : "out of memory");
		lua_pop(lua, 1);
	}
	lua_remove(lua, handler);
	return error;
}
