/* Stepping: see forktrace_control.h. The table of tasks, and holding them. */
#include <stdlib.h>
#include <string.h>

#include "session/control_hooks.h"
#include "session/control_internal.h"
#include "session/guest_internal.h"
#include "target/breakpoints.h"

struct control *control_create(struct session *session)
{
	struct control *control = memory_alloc(sizeof(*control));
	struct capture_options options = {.unwinder = session->options.unwinder,
					  .max_frames = session->options.max_frames};

	control->session = session;
	control->backend = &control_ptrace;
	control->capture = capture_create(&options, session->pool, &session->log);
	return control;
}

void control_destroy(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		stack_unref(task->stack);
		control_points_close(task);
		step_deinit(&task->plan);
		free(task);
	}
	vector_deinit(&control->tasks);
	vector_deinit(&control->list);
	vector_deinit(&control->breakpoints);
	vector_deinit(&control->removed);
	disassembler_destroy(control->disassemblers[0]);
	disassembler_destroy(control->disassemblers[1]);
	capture_destroy(control->capture);
	control_guest_end(control);
	free(control);
}

struct control *session_control(struct session *session)
{
	return session->control;
}

void control_listen(struct control *control, void (*changed)(void *context, unsigned id), void *context)
{
	control->changed = changed;
	control->context = context;
}

void control_hold_programs(struct control *control)
{
	control->hold_programs = true;
}

void control_changed(struct controlled *task)
{
	struct control *control = task->control;

	if (control->changed)
		control->changed(control->context, task->shown.id);
}

/* --- the table --- */

const struct control_task *control_tasks(struct control *control, size_t *count)
{
	vector_reserve(&control->list, control->tasks.count);
	control->list.count = control->tasks.count;
	for (size_t i = 0; i < control->tasks.count; i++)
		control->list.items[i] = control->tasks.items[i]->shown;
	*count = control->list.count;
	return control->list.items;
}

const struct control_task *control_task(const struct control *control, unsigned id)
{
	return id && id <= control->tasks.count ? &control->tasks.items[id - 1]->shown : NULL;
}

struct error *control_held(const struct control *control, unsigned id, struct controlled **task)
{
	*task = NULL;
	if (!id || id > control->tasks.count)
		return error_create(ERROR_NOT_FOUND, 0, NULL, "there is no process %u here", id);

	struct controlled *known = control->tasks.items[id - 1];

	switch (known->shown.state) {
	case CONTROL_ENDED:
		return error_create(ERROR_GONE, 0, NULL, "process %d has ended", known->shown.tid);
	case CONTROL_LET_GO:
		return error_create(ERROR_GONE, 0, NULL, "process %d was let go", known->shown.tid);
	case CONTROL_RUNNING:
		return error_create(ERROR_INPUT, 0, NULL, "process %d runs: interrupt it first", known->shown.tid);
	default:
		*task = known;
		return NULL;
	}
}

struct space *control_space(const struct controlled *task)
{
	return task->control->backend->space(task);
}

struct error *control_task_registers(struct controlled *task, struct registers *registers)
{
	return task->control->backend->registers(task, registers);
}

bool control_lives(const struct controlled *task)
{
	return task->task || task->guest;
}

void control_complain(struct controlled *task, struct error *error)
{
	if (error && error->code != ERROR_GONE)
		log_write(&task->control->session->log, LOG_LEVEL_WARNING, "%d: %s", task->shown.tid, error->message);
	error_destroy(error);
}

static void refresh(struct controlled *task)
{
	if (task->guest) {
		memcpy(task->shown.comm, task->guest->comm, COMM_SIZE);
		task->shown.pid = task->guest->pid;
		task->shown.tid = task->guest->tid;
	} else if (task->task) {
		task->shown.abi = task->task->abi;
		memcpy(task->shown.comm, task->task->comm, COMM_SIZE);
	}
}

bool control_awaits_fork(const struct controlled *task)
{
	for (size_t i = 0; i < task->control->tasks.count; i++) {
		const struct controlled *other = task->control->tasks.items[i];

		if (control_lives(other) && other->to_fork && other->shown.pid == task->shown.pid)
			return true;
	}
	return false;
}

struct controlled *control_add(struct control *control, const struct controlled *creator,
			       const struct control_task *shown)
{
	struct controlled *fresh = memory_alloc(sizeof(*fresh));

	fresh->control = control;
	fresh->shown = *shown;
	fresh->shown.id = (unsigned)control->tasks.count + 1;
	fresh->shown.parent = creator ? creator->shown.id : 0;
	vector_push(&control->tasks, fresh);
	return fresh;
}

void control_task_added(struct control *control, struct task *task, const struct task *parent, bool attached)
{
	if (!control)
		return;

	const struct controlled *creator = parent ? parent->controlled : NULL;
	struct controlled *fresh = control_add(
	    control, creator,
	    &(struct control_task){
		.pid = task->tgid, .tid = task->tid, .thread = task->tid != task->tgid, .state = CONTROL_RUNNING});

	fresh->task = task;
	fresh->attached = creator ? creator->attached : attached;
	fresh->newborn = creator != NULL;
	fresh->starting = !creator && !attached;
	fresh->interrupt = !creator && attached;
	refresh(fresh);
	/* A thread that were held would keep those that wait for it. */
	fresh->hold_born = creator && !fresh->shown.thread && (creator->planned || control_awaits_fork(creator));
	task->controlled = fresh;
	control_changed(fresh);
}

/* --- holding --- */

void control_abandon(struct controlled *task)
{
	control_clear_until(task);
	if (task->control->backend->abandon)
		task->control->backend->abandon(task);
	task->planned = task->executing = task->through_call = task->hopping = false;
	task->to_fork = task->interrupt = task->onward = false;
	task->held_as = CONTROL_STOP_NONE;
}

void control_hold(struct controlled *task, enum control_stop stop, int number)
{
	control_abandon(task);
	control_drop_stack(task);
	if (task->task)
		task_refresh_comm(task->task);
	refresh(task);
	task->shown.in_kernel = task->control->backend->in_kernel && task->control->backend->in_kernel(task);
	task->starting = false;
	task->shown.state = CONTROL_HELD;
	task->shown.stop = stop;
	task->shown.number = number;
	task->shown.stops++;
	control_changed(task);
}

void control_becomes(struct controlled *task)
{
	task->starting = task->starting || task->control->hold_programs;

	bool shown = task->starting || task->planned || task->to_fork;

	control_abandon(task);
	task->renew = !task->starting && control_wants_renewal(task->control);
	task->held_as = shown ? CONTROL_STOP_EXEC : CONTROL_STOP_NONE;
}

/* --- ends --- */

void control_task_ended(struct task *task, const struct wait_status *status)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;
	known->shown.state = CONTROL_ENDED;
	known->shown.signaled = status->kind == WAIT_KILLED;
	known->shown.status = status->value;
	refresh(known);
}

/* Another task that lives in the same space; NULL: none does. */
static struct task *neighbour(const struct control *control, const struct task *task)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		struct task *other = control->tasks.items[i]->task;

		if (other && other != task && other->space == task->space)
			return other;
	}
	return NULL;
}

void control_space_left(struct task *task)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;

	struct task *other = neighbour(known->control, task);

	/* What was changed in the memory for it alone is put in order through whoever is left there. */
	if (other) {
		other->space->tid = other->tid;
		if (known->is_lifted)
			space_breakpoint_drop(other->space, known->lifted);
		if (known->until_set && !known->attached)
			space_breakpoint_remove(other->space, known->until, BREAKPOINT_PASSING);
	}
	known->is_lifted = known->until_set = false;
	control_points_close(known);
}

void control_task_removed(struct task *task)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;
	control_space_left(task);
	control_abandon(known);
	control_drop_stack(known);
	step_deinit(&known->plan);
	if (known->shown.state != CONTROL_ENDED)
		known->shown.state = known->task->leaving ? CONTROL_LET_GO : CONTROL_ENDED;
	known->shown.in_vfork = false;
	known->task = NULL;
	control_changed(known);
}

void control_task_leaves(struct task *task)
{
	if (!task->controlled)
		return;
	space_breakpoints_lift_all(control_space(task->controlled));
	control_points_close(task->controlled);
}
