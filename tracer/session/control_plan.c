/* What a held task is asked for, as a plan, and the plan's actions: the same for every backend. */
#include "session/control_internal.h"
#include "session/guest_session.h"

/* --- plans --- */

void control_clear_until(struct controlled *task)
{
	if (!task->until_set)
		return;
	task->until_set = task->creeping = false;
	task->control->backend->passing_remove(task, task->until);
}

static struct error *set_until(struct controlled *task, uint64_t address)
{
	if (task->until_set && task->until == address)
		return NULL;
	control_clear_until(task);

	struct error *error = task->control->backend->passing_add(task, address);

	/* Slow, and always possible. */
	task->creeping = error && task->attached;
	if (error && !task->creeping)
		return error;
	error_destroy(error);
	task->until_set = true;
	task->until = address;
	return NULL;
}

/* Where the plan has come to. */
static void plan_done(struct controlled *task)
{
	if (task->onward) {
		control_abandon(task);
		control_renew_here(task);
		return;
	}
	control_hold(task, task->starting ? CONTROL_STOP_START : CONTROL_STOP_STEP, 0);
}

static void carry_out(struct controlled *task, const struct step_action *action)
{
	struct error *error;

	task->executing = task->through_call = false;
	switch (action->kind) {
	case STEP_DO_INSTRUCTION:
		task->control->backend->execute(task);
		return;
	case STEP_DO_RUN:
		error = set_until(task, action->until);
		if (!error && task->creeping)
			task->control->backend->execute(task);
		else if (!error)
			task->control->backend->run(task);
		if (!error)
			return;
		control_complain(task, error_create(ERROR_FAULT, 0, NULL,
						    "cannot stop at 0x%llx: nothing can be written there",
						    (unsigned long long)action->until));
		error_destroy(error);
		break;
	case STEP_FAILED:
		log_write(&task->control->session->log, LOG_LEVEL_WARNING, "%d: %s", task->shown.tid, action->reason);
		break;
	case STEP_DONE:
		break;
	}
	plan_done(task);
}

/* Is it still on its way to where it creeps? */
static bool creeps_on(struct controlled *task)
{
	struct registers registers;
	struct error *error = task->creeping ? control_task_registers(task, &registers) : NULL;

	control_complain(task, error);
	return task->creeping && !error && registers_pc(&registers) != task->until;
}

void control_advance(struct controlled *task)
{
	struct step_view view = control_view(task);
	struct step_action action;

	if (creeps_on(task)) {
		task->control->backend->execute(task);
		return;
	}
	if (task->entering)
		step_signal(&task->plan, &view, &action);
	else
		step_next(&task->plan, &view, &action);
	task->entering = false;
	carry_out(task, &action);
}

static void begin_to_run(struct controlled *task)
{
	task->shown.state = CONTROL_RUNNING;
	task->shown.in_kernel = false;
	control_drop_stack(task);
	control_changed(task);
}

struct error *control_begin(struct controlled *task, enum step_kind kind, unsigned frame, uint64_t address)
{
	struct step_view view = control_view(task);
	struct step_action action;

	step_begin(&task->plan, kind, frame, address, &view, &action);
	if (action.kind == STEP_FAILED)
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "%s", action.reason);
	task->planned = true;
	begin_to_run(task);
	carry_out(task, &action);
	return NULL;
}

/* --- what is asked for --- */

struct error *control_go(struct control *control, unsigned id, const struct control_request *request)
{
	static const enum step_kind kinds[] = {
	    [CONTROL_STEP_INSTRUCTION] = STEP_INSTRUCTION,
	    [CONTROL_NEXT_INSTRUCTION] = STEP_OVER_INSTRUCTION,
	    [CONTROL_STEP_LINE] = STEP_LINE,
	    [CONTROL_NEXT_LINE] = STEP_OVER_LINE,
	    [CONTROL_FINISH] = STEP_FINISH,
	    [CONTROL_RUN_TO] = STEP_RUN_TO,
	};
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	if (error)
		return error;
	if (request->step == CONTROL_INTO_KERNEL && !control->backend->into_kernel)
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "the running kernel cannot be stopped: a guest's can, with --kernel=guest (-g)");
	if (request->step != CONTROL_RUN_TO_FORK && request->step != CONTROL_INTO_KERNEL)
		return control_begin(task, kinds[request->step], request->frame, request->address);
	error = request->step == CONTROL_INTO_KERNEL ? control->backend->into_kernel(task) : NULL;
	if (error)
		return error;
	begin_to_run(task);
	task->to_fork = request->step == CONTROL_RUN_TO_FORK;
	task->control->backend->run(task);
	return NULL;
}

struct error *control_continue(struct control *control, unsigned id)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	if (error)
		return error;
	begin_to_run(task);
	if (!control_renew(task))
		task->control->backend->run(task);
	return NULL;
}

void control_continue_all(struct control *control)
{
	/* One that stands in a guest's kernel keeps all others. */
	for (int in_kernel = 1; in_kernel >= 0; in_kernel--) {
		for (size_t i = 0; i < control->tasks.count; i++) {
			if (control->tasks.items[i]->shown.in_kernel == in_kernel)
				error_destroy(control_continue(control, (unsigned)i + 1));
		}
	}
}

struct error *control_interrupt(struct control *control, unsigned id)
{
	const struct control_task *shown = control_task(control, id);
	struct controlled *task;

	/* Of one that is held already nothing is asked; control_held tells what is wrong with any other. */
	if (!shown || shown->state != CONTROL_RUNNING)
		return control_held(control, id, &task);
	task = control->tasks.items[id - 1];
	task->interrupt = true;
	return control->backend->interrupt(task);
}

/* --- letting go and ending --- */

struct error *control_detach(struct control *control, unsigned id)
{
	if (!control_task(control, id))
		return error_create(ERROR_NOT_FOUND, 0, NULL, "there is no process %u here", id);

	const struct controlled *chosen = control->tasks.items[id - 1];
	VECTOR(unsigned) leaving = {0};

	if (!control_lives(chosen))
		return error_create(ERROR_GONE, 0, NULL, "process %d is not traced any more", chosen->shown.pid);
	for (size_t i = 0; i < control->tasks.count; i++) {
		const struct controlled *other = control->tasks.items[i];

		if (control_lives(other) && control->backend->goes_with(other, chosen))
			vector_push(&leaving, (unsigned)i);
	}
	for (size_t i = 0; i < leaving.count; i++) {
		if (control_lives(control->tasks.items[leaving.items[i]]))
			control->backend->let_go(control->tasks.items[leaving.items[i]]);
	}
	vector_deinit(&leaving);
	return NULL;
}

void control_detach_all(struct control *control)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		if (control_lives(control->tasks.items[i]))
			control->backend->let_go(control->tasks.items[i]);
	}
}

void control_kill_all(struct control *control)
{
	if (control->machine) {
		session_stop_guest(control->session, "forktrace was asked to end");
		return;
	}
	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		if (!control_lives(task))
			continue;
		if (task->attached)
			control->backend->let_go(task);
		else
			control->backend->kill(task);
	}
}
