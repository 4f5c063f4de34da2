/* at(): breakpoints in every process of the tree that has the place, now or later. */
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/script/tasks_internal.h"

/* Where the dynamic loader stops for debuggers whenever libraries have come or gone (glibc's elf/dl-debug.c, musl's
 * ldso/dynlink.c). */
static const char loader_hook[] = "_dl_debug_state";

static struct site *site_of(struct tasks *tasks, unsigned program, size_t point)
{
	for (size_t i = 0; i < tasks->sites.count; i++) {
		if (tasks->sites.items[i].program == program && tasks->sites.items[i].point == point)
			return &tasks->sites.items[i];
	}
	return NULL;
}

/* What control_find takes, and SYMBOL+OFFSET. ERROR_NOT_FOUND where it is not there (yet). */
static struct error *find(struct tasks *tasks, unsigned id, const char *what, uint64_t *address)
{
	struct control_place place;
	struct error *error = control_find(tasks->control, id, what, &place);
	const char *plus = strrchr(what, '+');
	char *end;

	*address = place.address;
	if (!error || error->code != ERROR_NOT_FOUND || !plus || plus == what)
		return error;

	uint64_t offset = strtoull(plus + 1, &end, 0);
	_cleanup_free_ char *symbol = memory_strndup(what, (size_t)(plus - what));

	if (plus[1] < '0' || plus[1] > '9' || *end)
		return error;
	error_destroy(error);
	error = control_find(tasks->control, id, symbol, &place);
	*address = place.address + offset;
	return error;
}

/* One breakpoint serves all points at an address. */
static struct error *set(struct tasks *tasks, unsigned id, uint64_t address)
{
	char text[sizeof("0x0123456789abcdef")];
	int number;

	if (control_breakpoint_at(tasks->control, id, address))
		return NULL;
	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	return control_breakpoint_toggle(tasks->control, id, text, &number);
}

/* Where the point is in the program now; libraries may have come and gone. *found: it has the place. */
static struct error *locate(struct tasks *tasks, unsigned id, size_t point, const char *what, bool *found)
{
	unsigned program = tasks->known.items[id - 1].program;
	struct site fresh = {.program = program, .point = point};
	struct error *error = find(tasks, id, what, &fresh.address);
	struct site *site = site_of(tasks, program, point);

	*found = !error;
	if (error && error->code == ERROR_NOT_FOUND) {
		error_destroy(error);
		error = NULL;
		if (site)
			vector_remove(&tasks->sites, site - tasks->sites.items);
	} else if (!error && site) {
		*site = fresh;
	} else if (!error) {
		vector_push(&tasks->sites, fresh);
	}
	return error;
}

static struct error *settle_one(struct tasks *tasks, unsigned id, size_t point, const char *what, bool *found)
{
	const struct known_task *known = &tasks->known.items[id - 1];
	const struct site *site = site_of(tasks, known->program, point);
	struct error *error = NULL;

	*found = site;
	if (!site || known->stale)
		error = locate(tasks, id, point, what, found);
	if (error || !*found)
		return error;
	return set(tasks, id, site_of(tasks, known->program, point)->address);
}

struct error *points_settle(struct tasks *tasks, unsigned id)
{
	struct known_task *known = &tasks->known.items[id - 1];
	struct error *error = NULL;
	bool complete = true, found;

	if (known->generation == tasks->generation && !known->stale)
		return NULL;
	for (size_t i = 0; i < tasks->points.count && !error; i++) {
		error = settle_one(tasks, id, i, tasks->points.items[i].what, &found);
		complete = complete && found;
		tasks->points.items[i].found = tasks->points.items[i].found || (found && !error);
	}
	if (!error && !complete)
		error = settle_one(tasks, id, POINT_LOADER, loader_hook, &found);
	known->generation = tasks->generation;
	known->stale = false;
	if (error && error->code == ERROR_GONE) {
		error_destroy(error);
		error = NULL;
	}
	return error;
}

void points_at(struct tasks *tasks, unsigned id, uint64_t address, struct visit *visit, bool *loader)
{
	unsigned program = tasks->known.items[id - 1].program;

	*loader = false;
	for (size_t i = 0; i < tasks->sites.count; i++) {
		const struct site *site = &tasks->sites.items[i];

		if (site->program != program || site->address != address)
			continue;
		if (site->point == POINT_LOADER)
			*loader = true;
		else
			visit_add(tasks, visit, tasks->points.items[site->point].function);
	}
}

/* A process needs but one of its threads to stop. */
static bool is_first_of_process(const struct control_task *list, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (list[i].pid == list[index].pid && list[i].state <= CONTROL_RUNNING)
			return false;
	}
	return true;
}

void points_spread(struct tasks *tasks)
{
	VECTOR(unsigned) wanted = {0};
	size_t count;
	const struct control_task *list = control_tasks(tasks->control, &count);

	for (size_t i = 0; i < count && i < tasks->known.count; i++) {
		const struct known_task *known = &tasks->known.items[i];

		if (list[i].state == CONTROL_RUNNING && known->generation != tasks->generation && !known->asked &&
		    known->program && is_first_of_process(list, i))
			vector_push(&wanted, list[i].id);
	}
	for (size_t i = 0; i < wanted.count; i++) {
		tasks->known.items[wanted.items[i] - 1].asked = true;
		error_destroy(control_interrupt(tasks->control, wanted.items[i])); /* it may be gone */
	}
	vector_deinit(&wanted);
}

int points_add(lua_State *lua)
{
	struct tasks *tasks = lua_touserdata(lua, lua_upvalueindex(1));
	const char *what;

	if (tasks->begun && !tasks->control)
		return luaL_error(lua, "at: the first at() must come before the program starts: processes that need "
				       "not be held run faster");
	luaL_argcheck(lua, lua_type(lua, 1) == LUA_TSTRING || lua_isinteger(lua, 1), 1,
		      "a place is a text (\"fork\", \"test_fork.c:21\", \"main+4\") or an address");
	luaL_checktype(lua, 2, LUA_TFUNCTION);
	if (lua_isinteger(lua, 1)) {
		char text[sizeof("0x0123456789abcdef")];

		snprintf(text, sizeof(text), "0x%" PRIx64, (uint64_t)lua_tointeger(lua, 1));
		what = lua_pushstring(lua, text);
	} else {
		what = lua_tostring(lua, 1);
	}

	struct point point = {.what = memory_strdup(what)};

	lua_pushvalue(lua, 2);
	point.function = luaL_ref(lua, LUA_REGISTRYINDEX);
	vector_push(&tasks->points, point);
	tasks->generation++;
	return 0;
}
