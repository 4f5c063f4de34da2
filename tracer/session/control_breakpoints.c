/* The user's breakpoints: see forktrace_control.h. */
#include <stdio.h>

#include "session/control_internal.h"
#include "target/breakpoints.h"

/* A name means something in another program too, and an address does not. */
static bool is_by_name(const struct control_breakpoint *breakpoint)
{
	return !breakpoint->watch && breakpoint->where[0] != '*' &&
	       !(breakpoint->where[0] >= '0' && breakpoint->where[0] <= '9');
}

static struct control_breakpoint *by_number(const struct control *control, int number)
{
	for (size_t i = 0; i < control->breakpoints.count; i++) {
		if (control->breakpoints.items[i].number == number)
			return &control->breakpoints.items[i];
	}
	return NULL;
}

struct control_breakpoint *control_user_breakpoint(const struct control *control, const struct controlled *task,
						   uint64_t address)
{
	const struct hardware_point *point = control_point_at(task, address);

	if (point && point->kind == HARDWARE_EXECUTE)
		return by_number(control, point->number);

	const struct breakpoint_table *table = task->task && task->task->space ? task->task->space->breakpoints : NULL;
	struct control_breakpoint *found = NULL;

	for (size_t i = 0; table && i < table->items.count; i++) {
		if (table->items.items[i].address != address || !table->items.items[i].owners[BREAKPOINT_USER])
			continue;
		for (size_t j = 0; j < control->breakpoints.count; j++) {
			struct control_breakpoint *candidate = &control->breakpoints.items[j];

			if (!candidate->watch && candidate->address == address &&
			    (!found || candidate->task == task->shown.id))
				found = candidate;
		}
	}
	return found;
}

bool control_hit(struct controlled *task, uint64_t pc)
{
	struct control_breakpoint *breakpoint = control_user_breakpoint(task->control, task, pc);

	if (!breakpoint)
		return false;
	breakpoint->hits++;
	control_hold(task, CONTROL_STOP_BREAKPOINT, breakpoint->number);
	return true;
}

int control_breakpoint_at(const struct control *control, unsigned id, uint64_t address)
{
	if (!control_task(control, id) || !control_lives(control->tasks.items[id - 1]))
		return 0;

	const struct control_breakpoint *found =
	    control_user_breakpoint(control, control->tasks.items[id - 1], address);

	return found ? found->number : 0;
}

const struct control_breakpoint *control_breakpoints(const struct control *control, size_t *count)
{
	*count = control->breakpoints.count;
	return control->breakpoints.items;
}

struct error *control_breakpoint_delete(struct control *control, int number)
{
	struct control_breakpoint *known = by_number(control, number);

	if (!known)
		return error_create(ERROR_NOT_FOUND, 0, NULL, "there is no breakpoint %d", number);
	/* It may be in several programs. */
	for (; known; known = by_number(control, number)) {
		struct control_breakpoint gone = *known;

		vector_remove(&control->breakpoints, known - control->breakpoints.items);
		control->backend->points_remove(control, &gone);
	}
	return NULL;
}

struct error *control_breakpoint_toggle(struct control *control, unsigned id, const char *what, int *number)
{
	struct control_place place;
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	if (!error)
		error = control_find(control, id, what, &place);
	if (!error && place.variable)
		error = error_create(ERROR_INPUT, 0, NULL,
				     "'%s' is a variable: set a watchpoint to stop when it changes", what);
	if (error)
		return error;

	const struct control_breakpoint *known = control_user_breakpoint(control, task, place.address);

	if (known) {
		*number = -known->number;
		return control_breakpoint_delete(control, known->number);
	}
	error = control->backend->point_add(task, place.address, control->last_number + 1);
	if (error && error->code == ERROR_FAULT) {
		error_destroy(error);
		return error_create(ERROR_FAULT, 0, NULL, "no breakpoint at 0x%llx: nothing can be written there",
				    (unsigned long long)place.address);
	}
	if (error)
		return error;
	*number = ++control->last_number;
	vector_push(&control->breakpoints,
		    (struct control_breakpoint){.number = *number,
						.address = place.address,
						.where = string_intern(control->session->pool, what),
						.task = id});
	return NULL;
}

struct error *control_watch(struct control *control, unsigned id, uint64_t address, unsigned size, int *number)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);
	char text[32];

	if (error)
		return error;
	if ((size != 1 && size != 2 && size != 4 && size != 8) || address % size)
		return error_create(ERROR_INPUT, 0, NULL,
				    "a watchpoint has 1, 2, 4 or 8 bytes at a multiple of that, not %u at 0x%llx", size,
				    (unsigned long long)address);
	error = control->backend->point_watch(task, address, size, control->last_number + 1);
	if (error)
		return error;
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
	*number = ++control->last_number;
	vector_push(&control->breakpoints,
		    (struct control_breakpoint){.number = *number,
						.address = address,
						.where = string_intern(control->session->pool, text),
						.task = id,
						.watch = true,
						.size = size});
	return NULL;
}

/* --- in the programs that are executed later --- */

bool control_wants_renewal(const struct control *control)
{
	for (size_t i = 0; i < control->breakpoints.count; i++) {
		if (is_by_name(&control->breakpoints.items[i]))
			return true;
	}
	return false;
}

/* Has any process one there? */
static bool is_set(const struct control *control, uint64_t address)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		const struct controlled *task = control->tasks.items[i];

		if (control_lives(task) && control_user_breakpoint(control, task, address))
			return true;
	}
	return false;
}

/* A place of breakpoint `index` in this program too; what it was in the program before is of no more use where no other
 * process has it. */
static void note_place(struct controlled *task, size_t index, uint64_t address)
{
	struct control *control = task->control;
	struct control_breakpoint place = control->breakpoints.items[index];
	struct control_breakpoint *former = NULL;

	for (size_t i = 0; i < control->breakpoints.count && !former; i++) {
		struct control_breakpoint *known = &control->breakpoints.items[i];

		if (known->number == place.number && (known->address == address || !is_set(control, known->address)))
			former = known;
	}
	place.address = address;
	place.task = task->shown.id;
	if (former) {
		place.hits = former->hits;
		*former = place;
	} else {
		place.hits = 0;
		vector_push(&control->breakpoints, place);
	}
}

static void renew_one(struct controlled *task, size_t index)
{
	const struct control_breakpoint *breakpoint = &task->control->breakpoints.items[index];
	struct control_place place;
	struct error *error = control_find_in(task, breakpoint->where, &place);

	if (!error && !place.variable && !control_user_breakpoint(task->control, task, place.address)) {
		error = task->control->backend->point_add(task, place.address, breakpoint->number);
		if (!error)
			note_place(task, index, place.address);
	}
	/* Most programs have no such place. */
	if (error && error->code != ERROR_NOT_FOUND)
		control_complain(task, error);
	else
		error_destroy(error);
}

/* Each number once: one that is in several programs has a place in each. */
static bool is_first_of_number(const struct control *control, size_t index)
{
	return by_number(control, control->breakpoints.items[index].number) == &control->breakpoints.items[index];
}

void control_renew_early(struct controlled *task)
{
	struct control *control = task->control;
	size_t count = control->breakpoints.count; /* places that are added are not looked at */

	for (size_t i = 0; task->renew && i < count; i++) {
		if (is_by_name(&control->breakpoints.items[i]) && is_first_of_number(control, i))
			renew_one(task, i);
	}
}

void control_renew_here(struct controlled *task)
{
	struct registers registers;
	struct error *error;

	control_renew_early(task);
	task->renew = false;
	error = control_task_registers(task, &registers);
	if (error || !control_hit(task, registers_pc(&registers)))
		task->control->backend->run(task);
	control_complain(task, error);
}

bool control_renew(struct controlled *task)
{
	struct registers registers;
	uint64_t address;
	struct error *error;

	if (!task->renew)
		return false;
	if (!control_find_start(task, &address)) {
		control_renew_early(task);
		return task->renew = false;
	}
	error = control_task_registers(task, &registers);
	if (!error && registers_pc(&registers) == address) {
		control_renew_here(task);
		return true;
	}
	if (!error)
		error = control_begin(task, STEP_RUN_TO, 0, address);
	task->onward = !error;
	control_complain(task, error);
	return !error;
}
