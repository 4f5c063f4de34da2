/* How a held task goes on, and what it does on the way: see forktrace_control.h. */
#include <signal.h>
#include <string.h>

#include "session/control_internal.h"
#include "target/breakpoints.h"

/* --- one instruction, and running --- */

static void resume(struct controlled *task, enum ptrace_resume how)
{
	int signal = task->signal;

	task->signal = 0;
	task->single = how == RESUME_STEP;
	control_complain(task, ptrace_resume(task->task->tid, how, signal));
	control_landed(task);
}

bool control_system_call_at(struct controlled *task, uint64_t address)
{
	uint8_t bytes[SYSTEM_CALL_SIZE];
	struct error *error = space_read(control_space(task), address, bytes, sizeof(bytes));

	error_destroy(error);
	return !error && is_system_call_instruction(bytes);
}

/* Was it held within a call that it enters again when it goes on? ERESTARTSYS to ERESTART_RESTARTBLOCK,
 * include/linux/errno.h. */
static bool is_restarting(const struct registers *registers)
{
	int64_t result = registers_result(registers);

	return registers->original_result != UINT64_MAX && result <= -512 && result >= -516;
}

/* A system call is gone through from its entry to its exit, so that forks are seen as ever, and is over where it
 * returns to. A signal that has a handler comes before it. */
static void execute(struct controlled *task)
{
	struct registers registers;
	struct error *error = ptrace_registers(task->task->tid, &registers);

	if (error) {
		control_complain(task, error);
		return;
	}

	uint64_t pc = registers_pc(&registers);

	task->executing = true;
	task->entering = task->signal && task->caught;
	task->through_call = !task->entering && (control_system_call_at(task, pc) || is_restarting(&registers));
	control_lift(task, pc);
	resume(task, task->through_call ? RESUME_SYSCALL : RESUME_STEP);
}

void control_run(struct controlled *task)
{
	struct registers registers;
	struct error *error;

	if (!task->task->space->breakpoints) {
		resume(task, RESUME_SYSCALL);
		return;
	}
	error = ptrace_registers(task->task->tid, &registers);
	if (error) {
		control_complain(task, error);
		return;
	}

	uint64_t pc = registers_pc(&registers);

	control_lift(task, pc);
	/* A system call stops by itself where it begins. */
	task->hopping = task->is_lifted && !control_system_call_at(task, pc);
	resume(task, task->hopping ? RESUME_STEP : RESUME_SYSCALL);
}

void control_carry_on(struct controlled *task)
{
	if (task->executing)
		execute(task);
	else
		control_run(task);
}

/* --- plans --- */

void control_clear_until(struct controlled *task)
{
	if (!task->until_set)
		return;
	task->until_set = task->creeping = false;
	control_passing_remove(task, task->until);
}

static struct error *set_until(struct controlled *task, uint64_t address)
{
	if (task->until_set && task->until == address)
		return NULL;
	control_clear_until(task);

	struct error *error = control_passing_add(task, address);

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
	control_hold(task, task->starting ? CONTROL_STOP_START : CONTROL_STOP_STEP, 0);
}

static void carry_out(struct controlled *task, const struct step_action *action)
{
	struct error *error;

	task->executing = task->through_call = false;
	switch (action->kind) {
	case STEP_DO_INSTRUCTION:
		execute(task);
		return;
	case STEP_DO_RUN:
		error = set_until(task, action->until);
		if (!error && task->creeping)
			execute(task);
		else if (!error)
			control_run(task);
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
	struct error *error = task->creeping ? ptrace_registers(task->task->tid, &registers) : NULL;

	control_complain(task, error);
	return task->creeping && !error && registers_pc(&registers) != task->until;
}

void control_advance(struct controlled *task)
{
	struct step_view view = control_view(task);
	struct step_action action;

	if (creeps_on(task)) {
		execute(task);
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
	if (request->step == CONTROL_INTO_KERNEL)
		return error_create(ERROR_UNSUPPORTED, 0, NULL,
				    "the running kernel cannot be stopped: what a guest's does at a fork is shown by "
				    "forktrace --kernel=guest, without --interactive");
	if (request->step != CONTROL_RUN_TO_FORK)
		return control_begin(task, kinds[request->step], request->frame, request->address);
	begin_to_run(task);
	task->to_fork = true;
	control_run(task);
	return NULL;
}

struct error *control_continue(struct control *control, unsigned id)
{
	struct controlled *task;
	struct error *error = control_held(control, id, &task);

	if (error)
		return error;
	begin_to_run(task);
	control_run(task);
	return NULL;
}

void control_continue_all(struct control *control)
{
	for (size_t i = 0; i < control->tasks.count; i++)
		error_destroy(control_continue(control, (unsigned)i + 1));
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
	return ptrace_interrupt(task->task->tid);
}

/* --- letting go and ending --- */

static void let_go(struct controlled *task)
{
	struct task *own = task->task;
	bool held = task->shown.state == CONTROL_HELD;

	if (own->leaving)
		return;
	control_put_back(task);
	control_abandon(task);
	own->leaving = true;
	own->leaving_reason = "requested";
	if (held)
		follow_resume(task->control->session, own, task->signal);
	/* A step is seen to its end, which is near: its trap would kill a program that is let go. */
	else if (!task->single)
		control_complain(task, ptrace_interrupt(own->tid));
}

static bool shares(const struct controlled *one, const struct controlled *other)
{
	return one->task->tgid == other->task->tgid || one->task->space == other->task->space;
}

struct error *control_detach(struct control *control, unsigned id)
{
	if (!control_task(control, id))
		return error_create(ERROR_NOT_FOUND, 0, NULL, "there is no process %u here", id);

	const struct controlled *chosen = control->tasks.items[id - 1];
	VECTOR(unsigned) leaving = {0};

	if (!chosen->task)
		return error_create(ERROR_GONE, 0, NULL, "process %d is not traced any more", chosen->shown.pid);
	for (size_t i = 0; i < control->tasks.count; i++) {
		if (control->tasks.items[i]->task && shares(control->tasks.items[i], chosen))
			vector_push(&leaving, (unsigned)i);
	}
	for (size_t i = 0; i < leaving.count; i++) {
		if (control->tasks.items[leaving.items[i]]->task)
			let_go(control->tasks.items[leaving.items[i]]);
	}
	vector_deinit(&leaving);
	return NULL;
}

void control_detach_all(struct control *control)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		if (control->tasks.items[i]->task)
			let_go(control->tasks.items[i]);
	}
}

void control_kill_all(struct control *control)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		if (!task->task)
			continue;
		if (task->attached)
			let_go(task);
		else
			kill(task->task->tgid, SIGKILL);
	}
}
