/* Where a task stops by itself: int3 in programs that forktrace started, which end with it; in attached ones the
 * processor's breakpoints, which vanish with it, because an int3 that is left behind kills the program. */
#include <unistd.h>

#include "session/control_internal.h"
#include "target/breakpoints.h"

static struct error *add_hardware(struct controlled *task, enum hardware_kind kind, uint64_t address, unsigned size,
				  int number)
{
	struct hardware_point point = {.kind = kind, .address = address, .size = size, .number = number};
	struct error *error = hardware_open(task->task->tid, kind, address, size, &point.fd);

	if (!error)
		vector_push(&task->points, point);
	return error;
}

static void remove_hardware(struct controlled *task, int number, uint64_t address)
{
	for (size_t i = task->points.count; i-- > 0;) {
		if (task->points.items[i].number != number || task->points.items[i].address != address)
			continue;
		close(task->points.items[i].fd);
		vector_remove(&task->points, i);
	}
}

void control_points_close(struct controlled *task)
{
	for (size_t i = 0; i < task->points.count; i++)
		close(task->points.items[i].fd);
	vector_deinit(&task->points);
}

void control_points_inherit(struct controlled *task, const struct controlled *parent)
{
	for (size_t i = 0; i < parent->points.count; i++) {
		const struct hardware_point *point = &parent->points.items[i];

		if (point->number)
			control_complain(task,
					 add_hardware(task, point->kind, point->address, point->size, point->number));
	}
}

const struct hardware_point *control_point_at(const struct controlled *task, uint64_t address)
{
	for (size_t i = 0; i < task->points.count; i++) {
		if (task->points.items[i].address == address)
			return &task->points.items[i];
	}
	return NULL;
}

struct error *control_passing_add(struct controlled *task, uint64_t address)
{
	if (!task->attached)
		return space_breakpoint_add(control_space(task), address, BREAKPOINT_PASSING);
	return add_hardware(task, HARDWARE_EXECUTE, address, 1, 0);
}

void control_passing_remove(struct controlled *task, uint64_t address)
{
	if (!task->attached)
		space_breakpoint_remove(control_space(task), address, BREAKPOINT_PASSING);
	else
		remove_hardware(task, 0, address);
}

static void remove_from_all(struct control *control, int number, uint64_t address)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		if (control->tasks.items[i]->task)
			remove_hardware(control->tasks.items[i], number, address);
	}
}

/* All threads of its process are stopped by it, as by an int3. */
static struct error *add_to_threads(struct controlled *task, const struct hardware_point *wanted)
{
	struct control *control = task->control;

	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *other = control->tasks.items[i];
		struct error *error;

		if (!other->task || other->task->tgid != task->task->tgid)
			continue;
		error = add_hardware(other, wanted->kind, wanted->address, wanted->size, wanted->number);
		if (error) {
			remove_from_all(control, wanted->number, wanted->address);
			return error;
		}
	}
	return NULL;
}

struct error *control_point_add(struct controlled *task, uint64_t address, int number)
{
	const struct hardware_point point = {.kind = HARDWARE_EXECUTE, .address = address, .size = 1, .number = number};

	return task->attached ? add_to_threads(task, &point)
			      : space_breakpoint_add(control_space(task), address, BREAKPOINT_USER);
}

struct error *control_point_watch(struct controlled *task, uint64_t address, unsigned size, int number)
{
	const struct hardware_point point = {
	    .kind = HARDWARE_WRITE, .address = address, .size = size, .number = number};

	return add_to_threads(task, &point);
}

/* Out of every space that has it. */
void control_points_remove(struct control *control, const struct control_breakpoint *gone)
{
	uint64_t address = gone->address;

	remove_from_all(control, gone->number, address);
	if (gone->watch)
		return;
	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		if (!task->task || !task->task->space)
			continue;
		/* One that was taken out for a step must not come back. */
		if (task->is_lifted && task->lifted == address)
			control_put_back(task);
		space_breakpoint_remove(control_space(task), address, BREAKPOINT_USER);
	}
	vector_push(&control->removed, address);
}
