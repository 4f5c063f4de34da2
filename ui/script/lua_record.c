/* Records as Lua values: see lua_record.h.
 *
 * Tables hold no nil: which members an object has, null or not, stands in its metatable, one for all objects of a
 * name. */
#include "ui/script/lua_record.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "ui/script/nearest.h"

static const char shapes_key[] = "forktrace.shapes"; /* in the registry: name -> metatable */

enum { NESTING_MAX = 32 }; /* values of ours are a few levels deep */

/* The metatable's members by number. */
enum { SHAPE_MEMBERS = 1, SHAPE_NAME };

static void offer_keys(lua_State *lua, int table, struct nearest *nearest)
{
	lua_pushnil(lua);
	while (lua_next(lua, table)) {
		lua_pop(lua, 1);
		if (lua_type(lua, -1) == LUA_TSTRING)
			nearest_offer(nearest, lua_tostring(lua, -1));
	}
}

int lua_record_unknown(lua_State *lua, int index, int also, const char *name)
{
	struct nearest nearest = nearest_to(name);

	index = lua_absindex(lua, index);
	if (!lua_getmetatable(lua, index))
		return luaL_error(lua, "no member '%s' is known", name);
	lua_rawgeti(lua, -1, SHAPE_MEMBERS);
	offer_keys(lua, lua_gettop(lua), &nearest);
	if (also)
		offer_keys(lua, also, &nearest);
	lua_rawgeti(lua, -2, SHAPE_NAME);
	if (nearest.name)
		return luaL_error(lua, "%s has no member '%s': did you mean '%s'?", lua_tostring(lua, -1), name,
				  nearest.name);
	return luaL_error(lua, "%s has no member '%s'", lua_tostring(lua, -1), name);
}

bool lua_record_member(lua_State *lua, int record)
{
	bool known;

	record = lua_absindex(lua, record);
	lua_pushvalue(lua, -1);
	lua_rawget(lua, record);
	if (!lua_isnil(lua, -1) || !lua_getmetatable(lua, record))
		return !lua_isnil(lua, -1);
	lua_rawgeti(lua, -1, SHAPE_MEMBERS);
	lua_pushvalue(lua, -4);
	lua_rawget(lua, -2);
	known = lua_toboolean(lua, -1);
	lua_pop(lua, 3);
	return known;
}

/* Called for what is not in the table: a null, or a mistake. */
static int on_index(lua_State *lua)
{
	if (lua_type(lua, 2) == LUA_TSTRING && !lua_record_member(lua, 1))
		return lua_record_unknown(lua, 1, 0, lua_tostring(lua, 2));
	lua_pushnil(lua);
	return 1;
}

/* "a 'fork' record", "'parent.frames[]' of a 'fork' record" */
static void push_shape_name(lua_State *lua, const char *what)
{
	const char *dot = strchr(what, '.');

	lua_pushlstring(lua, what, dot ? (size_t)(dot - what) : strlen(what));
	if (dot)
		lua_pushfstring(lua, "'%s' of a '%s' record", dot + 1, lua_tostring(lua, -1));
	else
		lua_pushfstring(lua, "a '%s' record", lua_tostring(lua, -1));
	lua_remove(lua, -2);
}

/* Pushes the metatable for `what`, made at its first object. */
static void push_shape(lua_State *lua, const json_t *object, const char *what)
{
	const char *key;
	json_t *member;
	json_t *all = (json_t *)(uintptr_t)object; /* jansson's iteration is not const */

	luaL_getsubtable(lua, LUA_REGISTRYINDEX, shapes_key);
	if (lua_getfield(lua, -1, what) != LUA_TNIL) {
		lua_remove(lua, -2);
		return;
	}
	lua_pop(lua, 1);
	lua_newtable(lua);
	lua_newtable(lua);
	json_object_foreach(all, key, member)
	{
		lua_pushboolean(lua, 1);
		lua_setfield(lua, -2, key);
	}
	lua_rawseti(lua, -2, SHAPE_MEMBERS);
	push_shape_name(lua, what);
	lua_rawseti(lua, -2, SHAPE_NAME);
	lua_pushcfunction(lua, on_index);
	lua_setfield(lua, -2, "__index");
	lua_pushliteral(lua, "record");
	lua_setfield(lua, -2, "__metatable"); /* getmetatable gives this: the shape stays as it is */
	lua_pushvalue(lua, -1);
	lua_setfield(lua, -3, what);
	lua_remove(lua, -2);
}

static void push_object(lua_State *lua, const json_t *object, const char *what)
{
	const char *key;
	json_t *member;
	json_t *all = (json_t *)(uintptr_t)object;
	struct buffer name = {0};

	lua_createtable(lua, 0, (int)json_object_size(object));
	json_object_foreach(all, key, member)
	{
		if (json_is_null(member))
			continue;
		buffer_clear(&name);
		buffer_printf(&name, "%s.%s", what, key);
		lua_push_record(lua, member, name.data);
		lua_setfield(lua, -2, key);
	}
	buffer_deinit(&name);
	push_shape(lua, object, what);
	lua_setmetatable(lua, -2);
}

static void push_array(lua_State *lua, const json_t *array, const char *what)
{
	size_t count = json_array_size(array);
	struct buffer name = {0};

	buffer_printf(&name, "%s[]", what);
	lua_createtable(lua, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_push_record(lua, json_array_get(array, i), name.data);
		lua_rawseti(lua, -2, (lua_Integer)i + 1);
	}
	buffer_deinit(&name);
}

void lua_push_record(lua_State *lua, const json_t *value, const char *what)
{
	luaL_checkstack(lua, NESTING_MAX, "records");
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		push_object(lua, value, what);
		break;
	case JSON_ARRAY:
		push_array(lua, value, what);
		break;
	case JSON_STRING:
		lua_pushlstring(lua, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		lua_pushinteger(lua, json_integer_value(value));
		break;
	case JSON_REAL:
		lua_pushnumber(lua, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(lua, json_is_true(value));
		break;
	default:
		lua_pushnil(lua);
		break;
	}
}
