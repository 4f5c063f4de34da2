/* What an expectation's names mean: see environment.h. */
#include "ui/script/environment.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ui/script/expression.h"
#include "ui/script/lua_record.h"
#include "ui/script/members.h"

static const char environment_key[] = "forktrace.environment"; /* in the registry */

enum { ENVIRONMENT_RECORD = 1, ENVIRONMENT_FUNCTIONS };

/* Called for every name, as the environment itself has none. */
static int on_name(lua_State *lua)
{
	lua_settop(lua, 2);
	lua_rawgeti(lua, 1, ENVIRONMENT_RECORD);
	lua_pushvalue(lua, 2);
	if (lua_record_member(lua, 3))
		return 1;
	lua_settop(lua, 3);
	lua_rawgeti(lua, 1, ENVIRONMENT_FUNCTIONS);
	lua_pushvalue(lua, 2);
	lua_rawget(lua, 4);
	if (lua_isnil(lua, -1) && lua_type(lua, 2) == LUA_TSTRING)
		return lua_record_unknown(lua, 3, 4, lua_tostring(lua, 2));
	return 1;
}

static int refuse_assignment(lua_State *lua)
{
	return luaL_error(lua, "an expectation only looks: it cannot set '%s'", luaL_tolstring(lua, 2, NULL));
}

/* The functions are Lua's harmless ones and the helpers, in one table. */
void environment_create(lua_State *lua)
{
	lua_newtable(lua);
	lua_newtable(lua);
	lua_pushcfunction(lua, on_name);
	lua_setfield(lua, -2, "__index");
	lua_pushcfunction(lua, refuse_assignment);
	lua_setfield(lua, -2, "__newindex");
	lua_setmetatable(lua, -2);
	lua_pushglobaltable(lua);
	lua_getglobal(lua, "helpers");
	lua_pushnil(lua);
	while (lua_next(lua, -2)) {
		lua_pushvalue(lua, -2);
		lua_insert(lua, -2);
		lua_settable(lua, -5);
	}
	lua_pop(lua, 1);
	lua_rawseti(lua, -2, ENVIRONMENT_FUNCTIONS);
	lua_setfield(lua, LUA_REGISTRYINDEX, environment_key);
}

void environment_bind(lua_State *lua)
{
	lua_getfield(lua, LUA_REGISTRYINDEX, environment_key);
	if (!lua_setupvalue(lua, -2, 1)) /* _ENV; what uses no name has none */
		lua_pop(lua, 1);
}

void environment_set(lua_State *lua, const json_t *record)
{
	lua_getfield(lua, LUA_REGISTRYINDEX, environment_key);
	lua_push_record(lua, record, json_string_value(json_object_get(record, "event")));
	lua_rawseti(lua, -2, ENVIRONMENT_RECORD);
	lua_pop(lua, 1);
}

/* --- checking --- */

static bool is_function(lua_State *lua, const char *name)
{
	bool known;

	lua_getfield(lua, LUA_REGISTRYINDEX, environment_key);
	lua_rawgeti(lua, -1, ENVIRONMENT_FUNCTIONS);
	lua_pushstring(lua, name);
	known = lua_rawget(lua, -2) != LUA_TNIL;
	lua_pop(lua, 3);
	return known;
}

/* Goes down a chain as far as records go. False: the part of `size` at *text is not in *object. */
static bool is_known(const struct chain *chain, json_t **object, const char **text, size_t *size)
{
	const char *at = chain->start;

	while ((*size = chain_part(chain, &at, text))) {
		if (json_is_array(*object)) {
			*object = json_array_get(*object, 0);
			continue;
		}
		if (!json_is_object(*object))
			return true; /* of a string or number: for Lua to say */

		_cleanup_free_ char *part = memory_strndup(*text, *size);
		json_t *member = json_object_get(*object, part);

		if (!member)
			return false;
		*object = member;
	}
	return true;
}

static struct error *chain_check(lua_State *lua, const char *expression, const struct chain *chain, json_t *record)
{
	const char *text, *kind = json_string_value(json_object_get(record, "event"));
	json_t *object = record;
	size_t size;
	char hint[128];

	if (is_known(chain, &object, &text, &size))
		return NULL;

	_cleanup_free_ char *name = memory_strndup(text, size);
	_cleanup_(buffer_deinit) struct buffer whose = {0};

	/* Names that are no members can be functions, or the expression's own. */
	if (object == record && (is_function(lua, name) || expression_has_locals(expression)))
		return NULL;
	if (object != record)
		buffer_printf(&whose, "'%.*s' of ", (int)(text - chain->start - 1), chain->start);
	return error_create(ERROR_INPUT, 0, expression,
			    "--expect '%s': character %zu: %sa '%s' record has no member '%s'%s", expression,
			    (size_t)(text - expression) + 1, whose.data ? whose.data : "", kind, name,
			    member_hint(object, name, hint, sizeof(hint)));
}

struct error *environment_check(lua_State *lua, const char *expression, bool failed)
{
	json_t *record = members_of(failed ? EVENT_FORK_FAILED : EVENT_FORK);
	const char *text = expression;
	struct error *error = NULL;
	struct chain chain;

	while (!error && chain_next(&text, &chain))
		error = chain_check(lua, expression, &chain, record);
	json_decref(record);
	return error;
}
