/* What the session tells of a guest's tasks: see control_hooks.h. */
#include <signal.h>
#include <string.h>

#include "session/control_guest.h"
#include "session/control_hooks.h"

void control_guest_leave(struct controlled *task)
{
	task->guest->controlled = NULL;
	task->guest = NULL;
}

/* --- births --- */

/* Is what it is about in the kernel? */
static bool stays_in_kernel(const struct controlled *task)
{
	struct kernel_symbol symbol;

	return task->wants_step ||
	       (task->until_set && kernel_symbols_find(machine_of(task)->follow->symbols, task->until, &symbol));
}

void control_guest_added(struct control *control, struct guest_task *task, const struct guest_task *parent)
{
	const struct controlled *creator = parent ? parent->controlled : NULL;
	struct controlled *fresh;

	/* What one that was let go creates is none of ours either. */
	if (!control || (parent && !creator))
		return;
	fresh = control_add(control, creator,
			    &(struct control_task){.pid = task->pid,
						   .tid = task->tid,
						   .thread = task->tid != task->pid,
						   .abi = ABI_I386,
						   .state = CONTROL_RUNNING});
	fresh->guest = task;
	fresh->starting = !creator;
	fresh->newborn = creator;
	fresh->hold_born = creator && !fresh->shown.thread && (creator->planned || control_awaits_fork(creator));
	fresh->hold_first = fresh->hold_born && stays_in_kernel(creator);
	fresh->cr3 = task->cr3;
	memcpy(fresh->shown.comm, task->comm, COMM_SIZE);
	task->controlled = fresh;
	if (creator)
		control_guest_points_inherit(fresh, creator);
	control_changed(fresh);
}

void control_guest_forking(struct guest_task *parent, bool vfork)
{
	if (!parent->controlled)
		return;
	parent->controlled->shown.in_vfork = vfork;
	control_changed(parent->controlled);
}

void control_guest_born(struct guest_task *child)
{
	struct controlled *known = child->controlled;

	if (!known || !known->hold_first)
		return;
	known->hold_born = known->hold_first = false;
	known->held_as = CONTROL_STOP_BORN;
}

void control_guest_returned(struct guest_task *task, int64_t result, bool child)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;
	if (!child) {
		control_fork_returned(known, result);
		return;
	}
	known->newborn = false;
	known->shown.ret_known = true;
	known->shown.ret = result;
	if (known->hold_born)
		known->held_as = CONTROL_STOP_BORN;
	known->hold_born = false;
}

/* --- execs and ends --- */

void control_guest_execed(struct guest_task *task)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;

	control_becomes(known);
	control_guest_points_drop(known, false);
	known->onward = known->renew && known->held_as == CONTROL_STOP_NONE;
	known->shown.pid = task->pid;
	known->shown.tid = task->tid;
	known->shown.thread = false;
	memcpy(known->shown.comm, task->comm, COMM_SIZE);
	control_changed(known);
}

void control_guest_ended(struct guest_task *task, bool signaled, int status)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;
	known->shown.state = CONTROL_ENDED;
	known->shown.signaled = signaled;
	known->shown.status = status;
}

void control_guest_removed(struct guest_task *task)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;
	if (known->called)
		guest_breakpoint(machine_of(known)->follow, known->wakes, false);
	known->called = known->parked = false;
	control_abandon(known);
	control_guest_points_drop(known, true);
	control_drop_stack(known);
	step_deinit(&known->plan);
	if (known->shown.state != CONTROL_ENDED && known->shown.state != CONTROL_LET_GO)
		known->shown.state = CONTROL_ENDED;
	known->shown.in_vfork = false;
	control_guest_leave(known);
	control_changed(known);
}

void control_guest_over(struct control *control)
{
	for (size_t i = 0; control && i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		if (!task->guest)
			continue;
		control_guest_ended(task->guest, true, SIGKILL);
		control_guest_removed(task->guest);
	}
}
