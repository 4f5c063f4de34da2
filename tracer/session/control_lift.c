/* A breakpoint under a task's pc: taken out so that the task can go on, and put back. Meanwhile nothing else may run
 * there: another thread would come by without being seen. */
#include "session/control_internal.h"
#include "target/breakpoints.h"

/* More than a page from a slow disk takes; then a thread may slip through, and nothing else is lost. */
enum { PATIENCE_MS = 500 };

/* Has it the memory of `task`, to run in? Not the parent that waits for a vfork child: that is in the kernel, and does
 * not stop. */
static bool runs_beside(const struct controlled *other, const struct controlled *task)
{
	return other != task && other->task && other->task->space == task->task->space && !other->shown.in_vfork;
}

static bool is_running(const struct controlled *other)
{
	return other->shown.state == CONTROL_RUNNING && !ptrace_is_stopped(other->task->tid);
}

/* Their stops stay to be collected, and mean nothing: they go on as they were about to. Returns whether there are
 * any. */
static bool still_others(const struct controlled *task)
{
	const struct control *control = task->control;
	bool any = false;

	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *other = control->tasks.items[i];

		if (!runs_beside(other, task))
			continue;
		any = true;
		if (is_running(other))
			control_complain(other, ptrace_interrupt(other->task->tid));
	}
	for (size_t i = 0; any && i < control->tasks.count; i++) {
		const struct controlled *other = control->tasks.items[i];

		if (runs_beside(other, task) && is_running(other))
			ptrace_await(other->task->tid, PATIENCE_MS);
	}
	return any;
}

void control_lift(struct controlled *task, uint64_t pc)
{
	if (!space_breakpoint_inserted(control_space(task), pc))
		return;
	task->is_alone = !still_others(task);
	control_complain(task, space_breakpoint_lift(control_space(task), pc));
	task->is_lifted = true;
	task->lifted = pc;
}

void control_landed(struct controlled *task)
{
	if (!task->is_lifted || task->is_alone)
		return;
	ptrace_await(task->task->tid, PATIENCE_MS);
	control_put_back(task);
}

void control_put_back(struct controlled *task)
{
	if (!task->is_lifted)
		return;
	task->is_lifted = false;
	space_breakpoint_drop(control_space(task), task->lifted);
}
