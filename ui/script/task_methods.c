/* The task that a callback of at() gets: t.pid, t:reg(), t:finish() and so on. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "arch/abi.h"
#include "ui/report/json_frames.h"
#include "ui/script/lua_record.h"
#include "ui/script/nearest.h"
#include "ui/script/tasks_internal.h"

static const char handle_type[] = "forktrace.task";

enum { MEMORY_MAX = 1024 * 1024 }; /* of one t:mem() */

struct handle {
	struct tasks *tasks;
	unsigned id;
};

int script_raise(lua_State *lua, struct error *error)
{
	lua_pushstring(lua, error->message);
	error_destroy(error);
	luaL_where(lua, 1);
	lua_insert(lua, -2);
	lua_concat(lua, 2);
	return lua_error(lua);
}

static struct handle *check_handle(lua_State *lua)
{
	return luaL_checkudata(lua, 1, handle_type);
}

void task_push(lua_State *lua, struct tasks *tasks, unsigned id)
{
	struct handle *handle = lua_newuserdatauv(lua, sizeof(*handle), 0);

	*handle = (struct handle){.tasks = tasks, .id = id};
	luaL_setmetatable(lua, handle_type);
}

/* --- looking --- */

/* t:reg("eax"): an integer. */
static int method_reg(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);
	const char *name = luaL_checkstring(lua, 2);
	struct nearest nearest = nearest_to(name);
	struct registers registers;
	struct error *error = control_registers(handle->tasks->control, handle->id, &registers);

	if (error)
		return script_raise(lua, error);

	const struct arch *arch = arch_of(registers.abi);

	for (unsigned i = 0; arch && i < arch->register_count; i++) {
		if (!strcmp(arch->register_names[i], name)) {
			lua_pushinteger(lua, (lua_Integer)registers.value[i]);
			return 1;
		}
		nearest_offer(&nearest, arch->register_names[i]);
	}
	return luaL_error(lua, "a process of %s has no register '%s'%s%s%s", abi_name(registers.abi), name,
			  nearest.name ? ": did you mean '" : "", nearest.name ? nearest.name : "",
			  nearest.name ? "'?" : "");
}

/* t:mem(address, count): as many bytes as are readable, as a string; nil: none are. */
static int method_mem(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);
	uint64_t address = (uint64_t)luaL_checkinteger(lua, 2);
	lua_Integer size = luaL_checkinteger(lua, 3);
	size_t got;
	luaL_Buffer buffer;
	char *bytes;

	luaL_argcheck(lua, size > 0 && size <= MEMORY_MAX, 3, "from 1 to 1048576 bytes can be read at once");
	bytes = luaL_buffinitsize(lua, &buffer, (size_t)size);

	struct error *error = control_read(handle->tasks->control, handle->id, address, bytes, (size_t)size, &got);

	if (error)
		return script_raise(lua, error);
	luaL_pushresultsize(&buffer, got);
	if (!got)
		lua_pushnil(lua);
	return 1;
}

/* t:frames(): as a record's. */
static int method_frames(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);
	const struct stack *stack;
	struct error *error = control_stack(handle->tasks->control, handle->id, &stack);
	json_t *frames;

	if (error)
		return script_raise(lua, error);
	frames = json_frames(stack);
	lua_push_record(lua, frames, "task.frames");
	json_decref(frames);
	return 1;
}

/* t:depth(): the physical frames, from the outermost on. */
static int method_depth(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);

	lua_pushinteger(lua, task_depth(handle->tasks, handle->id));
	return 1;
}

/* t:ret(), t:ret("long"): what the function that has just returned gave. */
static int method_ret(lua_State *lua)
{
	static const char *const types[] = {"int", "long", NULL};
	const struct handle *handle = check_handle(lua);
	bool whole = luaL_checkoption(lua, 2, "int", types);
	struct registers registers;
	struct error *error = control_registers(handle->tasks->control, handle->id, &registers);

	if (error)
		return script_raise(lua, error);

	int64_t value = registers_result(&registers);

	lua_pushinteger(lua, whole ? value : (int32_t)value);
	return 1;
}

/* --- going on --- */

/* The callback's own visit; an error for any other coroutine than that of this task's innermost callback. */
static struct visit *check_visit(lua_State *lua, const struct handle *handle)
{
	struct visit *visit = handle->tasks->known.items[handle->id - 1].visit;

	if (!visit || visit->coroutine != lua)
		luaL_error(lua, "a process can only be let go on by the callback that holds it");
	return visit;
}

static int wait_for(lua_State *lua, struct visit *visit, enum wait wait)
{
	visit->wait = wait;
	return lua_yield(lua, 0);
}

static int step(lua_State *lua, enum control_step kind)
{
	const struct handle *handle = check_handle(lua);
	struct visit *visit = check_visit(lua, handle);

	visit->step = kind;
	return wait_for(lua, visit, WAIT_STEP);
}

static int method_step(lua_State *lua)
{
	return step(lua, CONTROL_STEP_INSTRUCTION);
}

static int method_next(lua_State *lua)
{
	return step(lua, CONTROL_NEXT_INSTRUCTION);
}

static int method_step_line(lua_State *lua)
{
	return step(lua, CONTROL_STEP_LINE);
}

static int method_next_line(lua_State *lua)
{
	return step(lua, CONTROL_NEXT_LINE);
}

/* Does the frame belong to the function? It may be called by another of its names (fork is __libc_fork). */
static bool is_frame_of(const struct frame *frame, const char *name, uint64_t address)
{
	return frame->symbol && (!strcmp(frame->symbol, name) || (address && frame->pc - frame->offset == address));
}

/* The depth of the innermost frame of a function; 0: there is none. */
static struct error *depth_of(const struct handle *handle, const char *name, unsigned *depth)
{
	struct control *control = handle->tasks->control;
	struct control_place place = {0};
	const struct stack *stack;
	unsigned inner = 0;
	struct error *error = control_stack(control, handle->id, &stack);

	*depth = 0;
	if (error)
		return error;
	error_destroy(control_find(control, handle->id, name, &place));
	for (size_t i = 0; stack && i < stack->count; i++) {
		if (is_frame_of(&stack->frames[i], name, place.address)) {
			*depth = task_depth(handle->tasks, handle->id) - inner;
			return NULL;
		}
		inner += !stack->frames[i].inlined;
	}
	return NULL;
}

/* Which frame t:finish() is about: the function's that `argument` names, the one at that depth, or the innermost. */
static unsigned check_depth(lua_State *lua, const struct handle *handle, int argument)
{
	unsigned all = task_depth(handle->tasks, handle->id), depth;
	struct error *error;

	if (lua_isinteger(lua, argument))
		return (unsigned)lua_tointeger(lua, argument);
	if (lua_type(lua, argument) != LUA_TSTRING)
		return all;
	error = depth_of(handle, lua_tostring(lua, argument), &depth);
	if (error)
		script_raise(lua, error);
	if (!depth)
		luaL_error(lua, "no function '%s' is on the stack", lua_tostring(lua, argument));
	return depth;
}

/* t:finish([function or depth,] [what is called for each child that is created meanwhile]) */
static int method_finish(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);
	struct visit *visit = check_visit(lua, handle);
	int last = lua_gettop(lua);

	visit->depth = check_depth(lua, handle, 2);
	if (visit->depth > task_depth(handle->tasks, handle->id)) {
		lua_pushnil(lua);
		lua_pushliteral(lua, "that function has returned already");
		return 2;
	}
	if (last >= 2 && lua_isfunction(lua, last)) {
		lua_pushvalue(lua, last);
		visit->born = luaL_ref(lua, LUA_REGISTRYINDEX);
	}
	return wait_for(lua, visit, WAIT_FINISH);
}

/* --- the type --- */

static const luaL_Reg methods[] = {
    {"reg", method_reg},
    {"mem", method_mem},
    {"frames", method_frames},
    {"depth", method_depth},
    {"ret", method_ret},
    {"step", method_step},
    {"next", method_next},
    {"step_line", method_step_line},
    {"next_line", method_next_line},
    {"finish", method_finish},
    {NULL, NULL},
};

static int unknown_member(lua_State *lua, const char *name)
{
	static const char *const fields[] = {"pid", "tid", "comm", "abi", NULL};
	struct nearest nearest = nearest_to(name);

	for (const luaL_Reg *method = methods; method->name; method++)
		nearest_offer(&nearest, method->name);
	for (const char *const *field = fields; *field; field++)
		nearest_offer(&nearest, *field);
	if (nearest.name)
		return luaL_error(lua, "a process has no member '%s': did you mean '%s'?", name, nearest.name);
	return luaL_error(lua, "a process has no member '%s'", name);
}

static int on_index(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);
	const char *name = luaL_checkstring(lua, 2);
	const struct control_task *task = control_task(handle->tasks->control, handle->id);

	if (!strcmp(name, "pid"))
		lua_pushinteger(lua, task->pid);
	else if (!strcmp(name, "tid"))
		lua_pushinteger(lua, task->tid);
	else if (!strcmp(name, "comm"))
		lua_pushstring(lua, task->comm);
	else if (!strcmp(name, "abi"))
		lua_pushstring(lua, abi_name(task->abi));
	else if (luaL_getmetafield(lua, 1, name) == LUA_TNIL)
		return unknown_member(lua, name);
	return 1;
}

static int on_text(lua_State *lua)
{
	const struct handle *handle = check_handle(lua);
	const struct control_task *task = control_task(handle->tasks->control, handle->id);

	lua_pushfstring(lua, "process %d (%s)", (int)task->tid, task->comm);
	return 1;
}

void task_methods_create(struct tasks *tasks)
{
	luaL_newmetatable(tasks->lua, handle_type);
	luaL_setfuncs(tasks->lua, methods, 0);
	lua_pushcfunction(tasks->lua, on_index);
	lua_setfield(tasks->lua, -2, "__index");
	lua_pushcfunction(tasks->lua, on_text);
	lua_setfield(tasks->lua, -2, "__tostring");
	lua_pop(tasks->lua, 1);
}
