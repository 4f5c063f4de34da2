/* A fork's walk through a guest's kernel as JSON: see json_walk.h. */
#include "ui/report/json_walk.h"

#include <string.h>

#include "ui/report/json_text.h"
#include "ui/report/walk_names.h"

static const char *observed_name(const struct walk_step *step)
{
	if (step->address == 0)
		return NULL;
	return step->on_stack ? "stack" : "breakpoint";
}

static json_t *json_other_names(const struct fork_record *fork, const struct walk_step *step)
{
	json_t *names = json_array();

	for (const char *const *name = walk_names(fork, step->stage); *name; name++) {
		if (walk_name_is_other(*name, step->function))
			json_array_append_new(names, json_text(*name));
	}
	return names;
}

static json_t *json_step(const struct fork_record *fork, const struct walk_step *step)
{
	const struct stage_info *info = stage_info(step->stage);
	json_t *object = json_object();

	json_member(object, "stage", json_text(info->name));
	json_member(object, "function", json_text(step->function));
	json_member(object, "reason", json_text(step->reason));
	json_member(object, "address", json_address(step->address));
	json_member(object, "file", json_text(step->file));
	json_member(object, "line", step->line > 0 ? json_integer(step->line) : json_null());
	json_member(object, "observed", json_text(observed_name(step)));
	json_member(object, "process", json_text(step->child ? "child" : "parent"));
	json_member(object, "vtime_ns", step->time_known ? json_integer((json_int_t)step->time_ns) : json_null());
	json_member(object, "note", json_text(info->note));
	json_member(object, "other_names", json_other_names(fork, step));
	return object;
}

json_t *json_walk(const struct fork_record *fork)
{
	json_t *steps;

	if (!fork->kernel.walk)
		return json_null();
	steps = json_array();
	for (size_t i = 0; i < STAGE_COUNT; i++)
		json_array_append_new(steps, json_step(fork, &fork->kernel.walk->steps[i]));
	return steps;
}
