/* Breakpoints in a guest. The stub's have no process, the ones that a task stops at are kept with it; those in the
 * kernel are all tasks'. See control_guest.h. */
#include "session/control_guest.h"

static void set(struct controlled *task, uint64_t address, bool on)
{
	struct guest_follow *follow = machine_of(task)->follow;

	if (follow->stub)
		guest_breakpoint(follow, address, on);
}

struct error *control_guest_passing_add(struct controlled *task, uint64_t address)
{
	struct error *error = control_guest_stand(task->control);

	return error ? error : gdbstub_breakpoint_add(machine_of(task)->follow->stub, address);
}

void control_guest_passing_remove(struct controlled *task, uint64_t address)
{
	set(task, address, false);
}

static bool is_kernel(const struct controlled *task, uint64_t address)
{
	struct kernel_symbol symbol;

	return kernel_symbols_find(machine_of(task)->follow->symbols, address, &symbol);
}

/* Do two tasks stop at the same ones? */
static bool shares(const struct controlled *one, const struct controlled *other, uint64_t address)
{
	return one->guest->space == other->guest->space || is_kernel(one, address);
}

static void push(struct controlled *task, const struct hardware_point *point)
{
	vector_push(&task->points, *point);
	if (point->kind == HARDWARE_EXECUTE)
		set(task, point->address, true);
}

struct error *control_guest_point_add(struct controlled *task, uint64_t address, int number)
{
	const struct hardware_point point = {
	    .kind = HARDWARE_EXECUTE, .address = address, .size = 1, .number = number, .fd = -1};
	struct control *control = task->control;

	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *other = control->tasks.items[i];

		if (other->guest && shares(other, task, address))
			push(other, &point);
	}
	return NULL;
}

struct error *control_guest_point_watch(struct controlled *task, uint64_t address, unsigned size, int number)
{
	const struct hardware_point point = {
	    .kind = HARDWARE_WRITE, .address = address, .size = size, .number = number, .fd = -1};
	struct error *error = control_guest_pause(machine_of(task));

	if (!error)
		error = gdbstub_watch_add(machine_of(task)->follow->stub, address, size);
	if (!error)
		push(task, &point);
	return error;
}

static void drop(struct controlled *task, size_t index)
{
	struct hardware_point point = task->points.items[index];

	vector_remove(&task->points, index);
	if (point.kind == HARDWARE_EXECUTE)
		set(task, point.address, false);
}

void control_guest_points_remove(struct control *control, const struct control_breakpoint *gone)
{
	struct guest_follow *follow = control->machine->follow;

	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		for (size_t j = task->points.count; j-- > 0;) {
			if (task->points.items[j].number == gone->number)
				drop(task, j);
		}
	}
	if (!gone->watch || !follow->stub)
		return;

	struct error *error = control_guest_pause(control->machine);

	session_report(control->session, NULL,
		       error ? error : gdbstub_watch_remove(follow->stub, gone->address, gone->size));
}

void control_guest_points_inherit(struct controlled *task, const struct controlled *parent)
{
	for (size_t i = 0; i < parent->points.count; i++)
		push(task, &parent->points.items[i]);
}

void control_guest_points_drop(struct controlled *task, bool kernel_too)
{
	for (size_t i = task->points.count; i-- > 0;) {
		if (kernel_too || !is_kernel(task, task->points.items[i].address))
			drop(task, i);
	}
}
