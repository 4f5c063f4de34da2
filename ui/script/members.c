/* Which members a record has: see members.h. */
#include "ui/script/members.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "ui/report/json_event.h"
#include "ui/script/nearest.h"

json_t *members_of(enum event_kind kind)
{
	struct stack *stack = stack_create(1);
	struct fork_walk walk = {0};
	struct fork_call call = {.abi = ABI_I386, .flags = 0x100, .flags_known = true}; /* one flag: CLONE_VM */
	struct fork_failed failed = {.call = call, .frames = stack};
	struct fork_record fork = {
	    .call = call,
	    .parent = {.frames = stack},
	    .child = {.frames = stack},
	    .kernel = {.parent_frames = stack, .child_frames = stack, .walk = &walk},
	};
	struct event event = {.kind = kind};
	json_t *record;

	for (int i = 0; i < STAGE_COUNT; i++)
		walk.steps[i].stage = (enum stage)i;
	if (kind == EVENT_FORK)
		event.fork = &fork;
	else
		event.fork_failed = &failed;
	record = json_event(&event);
	stack_unref(stack);
	return record;
}

json_t *member_at(json_t *record, const char *path, json_t **object, const char **rest)
{
	for (;;) {
		size_t size = strcspn(path, ".");
		_cleanup_free_ char *name = memory_strndup(path, size);
		json_t *member = json_object_get(record, name);

		*object = record;
		*rest = path;
		if (!member || !path[size])
			return member;
		record = member;
		path += size + 1;
	}
}

const char *member_hint(const json_t *object, const char *name, char *hint, size_t size)
{
	struct nearest nearest = nearest_to(name);
	json_t *all = (json_t *)(uintptr_t)object; /* jansson's iteration is not const */
	const char *key;
	json_t *member;

	json_object_foreach(all, key, member) nearest_offer(&nearest, key);
	hint[0] = '\0';
	if (nearest.name)
		snprintf(hint, size, ": did you mean '%s'?", nearest.name);
	return hint;
}
