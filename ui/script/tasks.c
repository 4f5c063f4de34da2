/* What scripts do with tasks: see tasks.h. What each stop means. */
#include "ui/script/tasks.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/script/tasks_internal.h"

/* --- setting up --- */

static void on_changed(void *context, unsigned id)
{
	struct tasks *tasks = context;

	vector_push(&tasks->changed, id);
}

struct tasks *tasks_create(lua_State *lua)
{
	struct tasks *tasks = memory_alloc(sizeof(*tasks));

	tasks->lua = lua;
	lua_pushlightuserdata(lua, tasks);
	lua_pushcclosure(lua, points_add, 1);
	lua_setglobal(lua, "at");
	task_methods_create(tasks);
	return tasks;
}

void tasks_destroy(struct tasks *tasks)
{
	if (!tasks)
		return;
	for (size_t i = 0; i < tasks->known.count; i++) {
		struct visit *visit = tasks->known.items[i].visit;

		while (visit) {
			struct visit *outer = visit->outer;

			visit_destroy(tasks, visit);
			visit = outer;
		}
		vector_deinit(&tasks->known.items[i].born); /* the state, with what they refer to, is closed next */
	}
	for (size_t i = 0; i < tasks->points.count; i++)
		free(tasks->points.items[i].what);
	vector_deinit(&tasks->points);
	vector_deinit(&tasks->sites);
	vector_deinit(&tasks->known);
	vector_deinit(&tasks->changed);
	error_destroy(tasks->failure);
	free(tasks);
}

struct error *tasks_begin(struct tasks *tasks, struct control *control)
{
	tasks->begun = true;
	tasks->control = control;
	if (control) {
		control_listen(control, on_changed, tasks);
		control_hold_programs(control);
	} else if (tasks->points.count) {
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "at('%s') holds processes, which a script can do on this machine and in a guest of "
				    "forktrace's own (-g), not in somebody else's (--gdb)",
				    tasks->points.items[0].what);
	}
	return NULL;
}

bool tasks_wanted(const struct tasks *tasks)
{
	return tasks->points.count;
}

const char *tasks_unknown_place(const struct tasks *tasks, size_t index)
{
	for (size_t i = 0; i < tasks->points.count; i++) {
		if (!tasks->points.items[i].found && index-- == 0)
			return tasks->points.items[i].what;
	}
	return NULL;
}

/* --- stops --- */

/* What the callbacks that wait now want to be called with a child. Not when it is held: its parent may have returned by
 * then. */
static void add_born(struct tasks *tasks, const struct visit *creator, function_vector *functions)
{
	for (; creator; creator = creator->outer) {
		if (creator->born == LUA_NOREF)
			continue;
		lua_rawgeti(tasks->lua, LUA_REGISTRYINDEX, creator->born);
		vector_push(functions, luaL_ref(tasks->lua, LUA_REGISTRYINDEX));
	}
}

/* Makes sure that it is known, and its parent: descendants have the parent's program until they execute one. */
static void meet(struct tasks *tasks, unsigned id)
{
	while (tasks->known.count < id) {
		const struct control_task *task = control_task(tasks->control, (unsigned)tasks->known.count + 1);
		struct known_task fresh = {0};

		if (task->parent) {
			const struct known_task *parent = &tasks->known.items[task->parent - 1];

			fresh.program = parent->program;
			fresh.generation = parent->generation;
			fresh.stale = parent->stale;
			add_born(tasks, parent->visit, &fresh.born);
		}
		vector_push(&tasks->known, fresh);
	}
}

static void settle(struct tasks *tasks, unsigned id)
{
	struct error *error = points_settle(tasks, id);

	if (error && !tasks->failure)
		tasks->failure = error;
	else
		error_destroy(error);
}

static void on_breakpoint(struct tasks *tasks, unsigned id)
{
	bool loader;

	if (visit_here(tasks, id, &loader))
		return;
	if (loader) {
		tasks->known.items[id - 1].stale = true;
		settle(tasks, id);
	}
	visit_go_on(tasks, id);
}

/* Another program: all that callbacks waited for is gone. Its breakpoints are set while it stands at its start. */
static void on_start(struct tasks *tasks, unsigned id)
{
	struct known_task *known = &tasks->known.items[id - 1];

	known->program = ++tasks->programs;
	known->stale = known->at_start = true;
	settle(tasks, id);
	for (struct visit *visit = known->visit; visit; visit = visit->outer)
		visit->lost = "another program was executed";
	visit_go_on(tasks, id);
}

/* A child that was created while its parent's callbacks waited. */
static void on_born(struct tasks *tasks, unsigned id)
{
	struct visit *visit = visit_create(tasks, id);

	visit->functions = tasks->known.items[id - 1].born;
	tasks->known.items[id - 1].born = (function_vector){0};
	visit_begin(tasks, id);
}

static void on_held(struct tasks *tasks, const struct control_task *task)
{
	struct known_task *known = &tasks->known.items[task->id - 1];
	enum control_stop stop = task->stop;
	unsigned id = task->id;

	known->asked = false;
	if (stop == CONTROL_STOP_START || stop == CONTROL_STOP_EXEC) {
		on_start(tasks, id);
		return;
	}
	if (!known->program) { /* attached */
		known->program = ++tasks->programs;
		known->stale = true;
	}
	settle(tasks, id);
	switch (stop) {
	case CONTROL_STOP_BREAKPOINT:
		on_breakpoint(tasks, id);
		break;
	case CONTROL_STOP_STEP:
		if (known->visit)
			visit_resume(tasks, id);
		else
			visit_go_on(tasks, id);
		break;
	case CONTROL_STOP_BORN:
		on_born(tasks, id);
		break;
	default: /* a signal is delivered when it goes on */
		visit_go_on(tasks, id);
		break;
	}
}

static void on_gone(struct tasks *tasks, const struct control_task *task)
{
	unsigned id = task->id;
	char reason[64];

	if (!tasks->known.items[id - 1].visit)
		return;
	if (task->state == CONTROL_LET_GO)
		snprintf(reason, sizeof(reason), "the process was let go");
	else if (task->signaled)
		snprintf(reason, sizeof(reason), "the process was killed by signal %d", task->status);
	else
		snprintf(reason, sizeof(reason), "the process has ended with status %d", task->status);
	visit_resume_in_vain(tasks, id, reason);
}

static void on_news(struct tasks *tasks, unsigned id)
{
	meet(tasks, id);

	const struct control_task *task = control_task(tasks->control, id);
	struct known_task *known = &tasks->known.items[id - 1];

	if (task->state == CONTROL_HELD && task->stops != known->stops) {
		known->stops = task->stops;
		on_held(tasks, task);
	} else if (task->state == CONTROL_ENDED || task->state == CONTROL_LET_GO) {
		on_gone(tasks, task);
	}
}

struct error *tasks_go_on(struct tasks *tasks, bool *any)
{
	struct error *failure;

	*any = tasks->changed.count;
	/* What is done to a task changes others, and is told at once. */
	for (size_t i = 0; i < tasks->changed.count && !tasks->failure; i++)
		on_news(tasks, tasks->changed.items[i]);
	tasks->changed.count = 0;
	if (tasks->control && !tasks->failure)
		points_spread(tasks);
	failure = tasks->failure;
	tasks->failure = NULL;
	return failure;
}
