/* How a task of this machine goes on, by ptrace, and what it does on the way. */
#include <signal.h>

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

static void kill_process(struct controlled *task)
{
	kill(task->task->tgid, SIGKILL);
}

static struct error *interrupt(struct controlled *task)
{
	return ptrace_interrupt(task->task->tid);
}

/* --- looking --- */

static struct space *space_of(const struct controlled *task)
{
	task->task->space->tid = task->task->tid;
	return task->task->space;
}

static struct error *registers_of(struct controlled *task, struct registers *registers)
{
	return ptrace_registers(task->task->tid, registers);
}

const struct control_backend control_ptrace = {
    .space = space_of,
    .registers = registers_of,
    .stack = control_user_stack,
    .caller = control_user_caller,
    .execute = execute,
    .run = control_run,
    .interrupt = interrupt,
    .goes_with = shares,
    .let_go = let_go,
    .kill = kill_process,
    .passing_add = control_passing_add,
    .passing_remove = control_passing_remove,
    .point_add = control_point_add,
    .point_watch = control_point_watch,
    .points_remove = control_points_remove,
};
