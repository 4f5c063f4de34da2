/* Callbacks under way: coroutines that wait for their task. */
#include <lauxlib.h>
#include <stdlib.h>

#include "ui/script/tasks_internal.h"

static struct visit *top(struct tasks *tasks, unsigned id)
{
	return tasks->known.items[id - 1].visit;
}

struct visit *visit_create(struct tasks *tasks, unsigned id)
{
	struct visit *visit = memory_alloc(sizeof(*visit));

	visit->reference = visit->born = LUA_NOREF;
	visit->outer = top(tasks, id);
	tasks->known.items[id - 1].visit = visit;
	return visit;
}

void visit_add(struct tasks *tasks, struct visit *visit, int function)
{
	lua_rawgeti(tasks->lua, LUA_REGISTRYINDEX, function);
	vector_push(&visit->functions, luaL_ref(tasks->lua, LUA_REGISTRYINDEX));
}

static void forget_coroutine(struct tasks *tasks, struct visit *visit)
{
	luaL_unref(tasks->lua, LUA_REGISTRYINDEX, visit->reference);
	visit->reference = LUA_NOREF;
	visit->coroutine = NULL;
}

static void forget_born(struct tasks *tasks, struct visit *visit)
{
	luaL_unref(tasks->lua, LUA_REGISTRYINDEX, visit->born);
	visit->born = LUA_NOREF;
}

void visit_destroy(struct tasks *tasks, struct visit *visit)
{
	forget_coroutine(tasks, visit);
	forget_born(tasks, visit);
	for (size_t i = 0; i < visit->functions.count; i++)
		luaL_unref(tasks->lua, LUA_REGISTRYINDEX, visit->functions.items[i]);
	vector_deinit(&visit->functions);
	free(visit);
}

static void fail(struct tasks *tasks, struct error *error)
{
	if (tasks->failure)
		error_destroy(error);
	else
		tasks->failure = error;
}

static bool is_held(const struct tasks *tasks, unsigned id)
{
	return control_task(tasks->control, id)->state == CONTROL_HELD;
}

/* --- the stack --- */

unsigned task_depth(struct tasks *tasks, unsigned id)
{
	const struct stack *stack;
	unsigned depth = 0;
	struct error *error = control_stack(tasks->control, id, &stack);

	error_destroy(error);
	for (size_t i = 0; !error && stack && i < stack->count; i++)
		depth += !stack->frames[i].inlined;
	return depth;
}

struct error *task_result(struct tasks *tasks, unsigned id, int64_t *value)
{
	struct registers registers;
	struct error *error = control_registers(tasks->control, id, &registers);

	if (!error)
		*value = (int32_t)registers_result(&registers);
	return error;
}

/* --- going on --- */

static void advance(struct tasks *tasks, unsigned id, int arguments);

/* The innermost callback is over: the one that it came in between, or the task, goes on. */
static void end(struct tasks *tasks, unsigned id)
{
	struct visit *visit = top(tasks, id);

	tasks->known.items[id - 1].visit = visit->outer;
	visit_destroy(tasks, visit);
	if (is_held(tasks, id))
		visit_go_on(tasks, id);
	else if (top(tasks, id))
		visit_resume_in_vain(tasks, id, "the process has ended");
}

void visit_begin(struct tasks *tasks, unsigned id)
{
	struct visit *visit = top(tasks, id);

	if (!visit->functions.count) {
		end(tasks, id);
		return;
	}
	visit->coroutine = lua_newthread(tasks->lua);
	visit->reference = luaL_ref(tasks->lua, LUA_REGISTRYINDEX);
	lua_rawgeti(visit->coroutine, LUA_REGISTRYINDEX, visit->functions.items[0]);
	luaL_unref(tasks->lua, LUA_REGISTRYINDEX, visit->functions.items[0]);
	vector_remove(&visit->functions, 0);
	task_push(visit->coroutine, tasks, id);
	advance(tasks, id, 1);
}

/* An error in a coroutine, with the coroutine's own traceback. */
static struct error *coroutine_error(struct tasks *tasks, lua_State *coroutine)
{
	const char *message = lua_tostring(coroutine, -1);

	luaL_traceback(tasks->lua, coroutine, message ? message : "a value was thrown that is no text", 0);

	struct error *error = error_create(ERROR_INPUT, 0, NULL, "%s", lua_tostring(tasks->lua, -1));

	lua_pop(tasks->lua, 1);
	return error;
}

/* Asks the engine for what the callback waits for. *returned: the frame that it waits for has returned before. */
static struct error *ask(struct tasks *tasks, unsigned id, bool *returned)
{
	struct visit *visit = top(tasks, id);
	struct control_request request = {.step = visit->step};

	*returned = false;
	visit->asked = true;
	if (visit->wait == WAIT_FINISH) {
		unsigned now = task_depth(tasks, id);

		*returned = now < visit->depth;
		request = (struct control_request){.step = CONTROL_FINISH, .frame = now - visit->depth};
	}
	return *returned ? NULL : control_go(tasks->control, id, &request);
}

static void ask_or_resume(struct tasks *tasks, unsigned id)
{
	bool returned;
	struct error *error = ask(tasks, id, &returned);

	if (error)
		visit_resume_in_vain(tasks, id, error->message);
	else if (returned)
		visit_resume(tasks, id);
	error_destroy(error);
}

/* The task is let go once all functions of this stop have been called. */
static void wait_below(struct tasks *tasks, unsigned id)
{
	struct visit *visit = top(tasks, id);
	function_vector left = visit->functions;

	if (!left.count) {
		ask_or_resume(tasks, id);
		return;
	}
	visit->functions = (function_vector){0};
	visit_create(tasks, id)->functions = left;
	visit_begin(tasks, id);
}

static void advance(struct tasks *tasks, unsigned id, int arguments)
{
	struct visit *visit = top(tasks, id);
	int results, status;

	visit->wait = WAIT_NONE;
	visit->asked = false;
	forget_born(tasks, visit);
	status = lua_resume(visit->coroutine, tasks->lua, arguments, &results);
	if (status == LUA_YIELD) {
		lua_pop(visit->coroutine, results);
		if (visit->wait == WAIT_NONE)
			fail(tasks, error_create(ERROR_INPUT, 0, NULL, "a callback of at() may not yield by itself"));
		else
			wait_below(tasks, id);
	} else if (status != LUA_OK) {
		fail(tasks, coroutine_error(tasks, visit->coroutine));
	} else {
		forget_coroutine(tasks, visit);
		visit_begin(tasks, id);
	}
}

void visit_resume(struct tasks *tasks, unsigned id)
{
	struct visit *visit = top(tasks, id);
	int64_t value = 0;
	struct error *error = visit->wait == WAIT_FINISH ? task_result(tasks, id, &value) : NULL;

	if (error) {
		visit_resume_in_vain(tasks, id, error->message);
		error_destroy(error);
		return;
	}
	if (visit->wait == WAIT_FINISH)
		lua_pushinteger(visit->coroutine, value);
	else
		lua_pushboolean(visit->coroutine, 1);
	advance(tasks, id, 1);
}

void visit_resume_in_vain(struct tasks *tasks, unsigned id, const char *reason)
{
	struct visit *visit = top(tasks, id);

	lua_pushnil(visit->coroutine);
	lua_pushstring(visit->coroutine, reason);
	advance(tasks, id, 2);
}

/* Calls what stands at the task's instruction; false: nothing does. */
bool visit_here(struct tasks *tasks, unsigned id, bool *loader)
{
	struct registers registers;
	struct error *error = control_registers(tasks->control, id, &registers);

	*loader = false;
	if (error) {
		error_destroy(error);
		return false;
	}

	struct visit *visit = visit_create(tasks, id);

	points_at(tasks, id, registers_pc(&registers), visit, loader);
	if (!visit->functions.count) {
		tasks->known.items[id - 1].visit = visit->outer;
		visit_destroy(tasks, visit);
		return false;
	}
	visit_begin(tasks, id);
	return true;
}

/* Nothing that was under way is left: what stands at the program's first instruction is called now. */
static bool visit_start(struct tasks *tasks, unsigned id)
{
	bool loader, at_start = tasks->known.items[id - 1].at_start;

	tasks->known.items[id - 1].at_start = false;
	return at_start && visit_here(tasks, id, &loader);
}

void visit_go_on(struct tasks *tasks, unsigned id)
{
	const struct visit *visit = top(tasks, id);

	if (!visit && visit_start(tasks, id))
		return;
	if (!visit)
		error_destroy(control_continue(tasks->control, id)); /* it may be gone */
	else if (visit->lost)
		visit_resume_in_vain(tasks, id, visit->lost);
	/* Of a step nothing is left when something came in between; the engine has forgotten where to finish. */
	else if (visit->wait == WAIT_STEP && visit->asked)
		visit_resume(tasks, id);
	else
		ask_or_resume(tasks, id);
}
