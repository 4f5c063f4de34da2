/* What the stops of a controlled task mean: see control_hooks.h. */
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "session/control_hooks.h"
#include "session/control_internal.h"
#include "target/breakpoints.h"
#include "target/process.h"

/* asm-generic/siginfo.h: what SIGTRAP's si_code says. An int3 is SI_KERNEL (arch/x86/kernel/traps.c, do_int3_user);
 * a step that ends where a system call returns is TRAP_BRKPT (arch/x86/kernel/ptrace.c, user_single_step_report). */
enum { CODE_KERNEL = 0x80, CODE_BRKPT = 1, CODE_TRACE = 2 };

/* --- breakpoints and steps --- */

/* The task stands in front of an instruction that a breakpoint of ours lies on. */
static void at_breakpoint(struct controlled *task, uint64_t pc)
{
	if (control_hit(task, pc))
		return;
	if (task->starting) {
		control_hold(task, CONTROL_STOP_START, 0);
	} else if (task->planned && task->until_set && task->until == pc) {
		control_advance(task);
	} else {
		control_run(task);
	}
}

/* Was it ours, taken back between its execution and this stop? What stands there still is the program's own. */
static bool was_removed(struct controlled *task, uint64_t address)
{
	const struct control *control = task->control;
	uint8_t byte;
	struct error *error;

	for (size_t i = 0; i < control->removed.count; i++) {
		if (control->removed.items[i] != address)
			continue;
		error = space_read(control_space(task), address, &byte, 1);
		error_destroy(error);
		return !error && byte != *arch_of(ABI_X86_64)->breakpoint;
	}
	return false;
}

/* An int3 was executed. False: it is the program's own. */
static bool on_int3(struct controlled *task)
{
	struct registers registers;
	struct error *error = ptrace_registers(task->task->tid, &registers);

	if (error) {
		control_complain(task, error);
		return true;
	}

	uint64_t pc = registers_pc(&registers) - 1;
	bool stands = space_breakpoint_inserted(control_space(task), pc);

	if (!stands && !was_removed(task, pc))
		return false;
	control_complain(task, ptrace_set_pc(task->task->tid, pc));
	if (task->task->leaving)
		follow_resume(task->control->session, task->task, 0);
	else if (stands)
		at_breakpoint(task, pc);
	else
		control_run(task);
	return true;
}

/* Has a step brought it in front of a breakpoint? */
static bool landed_on_breakpoint(struct controlled *task)
{
	struct registers registers;
	struct error *error;

	if (!task->task->space->breakpoints)
		return false;
	error = ptrace_registers(task->task->tid, &registers);
	if (error) {
		control_complain(task, error);
		return false;
	}

	uint64_t pc = registers_pc(&registers);

	if (task->hopping ? !space_breakpoint_inserted(control_space(task), pc)
			  : !control_user_breakpoint(task->control, task, pc))
		return false;
	task->hopping = task->executing = false;
	at_breakpoint(task, pc);
	return true;
}

/* One instruction was executed, or a signal's handler was entered instead. */
static void on_step(struct controlled *task)
{
	control_put_back(task);
	if (task->task->leaving) {
		follow_resume(task->control->session, task->task, 0);
		return;
	}
	if (task->interrupt) {
		control_hold(task, CONTROL_STOP_INTERRUPT, 0);
		return;
	}
	if (landed_on_breakpoint(task))
		return;
	if (task->executing)
		control_advance(task);
	else
		control_run(task);
}

/* A hardware breakpoint or watchpoint; one that was taken back meanwhile means nothing any more. */
static bool on_hardware(struct controlled *task, uint64_t address)
{
	const struct hardware_point *point = control_point_at(task, address);

	if (task->task->leaving)
		follow_resume(task->control->session, task->task, 0);
	else if (!point)
		control_carry_on(task);
	else if (point->kind == HARDWARE_WRITE)
		control_hold(task, CONTROL_STOP_WATCH, point->number);
	else
		at_breakpoint(task, address);
	return true;
}

bool control_stopped(struct task *task, const struct wait_status *status)
{
	struct controlled *known = task->controlled;
	siginfo_t info;
	uint64_t address;

	if (!known)
		return false;

	bool single = known->single;

	known->last = *status;
	known->single = false;
	if (status->kind != WAIT_SIGNAL || status->value != SIGTRAP)
		return false;

	struct error *error = ptrace_siginfo(task->tid, &info);

	if (error) {
		control_complain(known, error);
		return true;
	}
	if (hardware_hit(&info, &address))
		return on_hardware(known, address);
	if (info.si_code == CODE_KERNEL)
		return on_int3(known);
	/* Also where the step was given up meanwhile: its trap is none of the program's. */
	if (!single || (info.si_code != CODE_TRACE && info.si_code != CODE_BRKPT))
		return false;
	on_step(known);
	return true;
}

/* --- signals --- */

/* Signals that would end the program are shown first; what it handles, ignores or waits for passes. */
static bool is_worth_a_stop(const struct task *task, int signal, bool *caught)
{
	static const int faults[] = {SIGSEGV, SIGILL, SIGBUS, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
	static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGSTOP};
	struct proc_status status = {0};
	uint64_t bit = UINT64_C(1) << (signal - 1);

	error_destroy(process_status(task->tid, &status));
	*caught = status.caught & bit;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (faults[i] == signal)
			return true;
	}
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		if (harmless[i] == signal)
			return false;
	}
	return !(status.caught & bit) && !(status.ignored & bit);
}

static void on_signal(struct controlled *task, int signal)
{
	bool caught;
	bool hold = is_worth_a_stop(task->task, signal, &caught);

	task->signal = signal;
	task->caught = caught;
	if (hold)
		control_hold(task, CONTROL_STOP_SIGNAL, signal);
	else if (task->interrupt)
		control_hold(task, CONTROL_STOP_INTERRUPT, 0);
	else
		control_carry_on(task);
}

/* --- births, calls, execs --- */

static void on_birth(struct controlled *task)
{
	const struct control *control = task->control;
	const struct controlled *parent = control->tasks.items[task->shown.parent - 1];

	task->newborn = false;
	task->shown.ret_known = true;
	task->shown.ret = 0;
	if (!parent->task || parent->task->space != task->task->space)
		space_breakpoints_settle(control_space(task));
	control_points_inherit(task, parent);
	if (task->hold_born || task->interrupt)
		control_hold(task, CONTROL_STOP_BORN, 0);
	else
		control_run(task);
}

/* The program is there, nothing of it has run: it is let run to its main. */
static void start(struct controlled *task)
{
	struct registers registers;
	uint64_t address;
	struct error *error = ptrace_registers(task->task->tid, &registers);

	task->held_as = CONTROL_STOP_NONE;
	/* A static program stands at its entry point now. */
	if (!error && control_find_start(task, &address) && address != registers_pc(&registers)) {
		error = control_begin(task, STEP_RUN_TO, 0, address);
		if (!error)
			return;
	}
	control_complain(task, error);
	control_hold(task, CONTROL_STOP_START, 0);
}

/* Any stop uses up an interrupt that was asked for before (kernel/signal.c, ptrace_stop); a call may take for ever. */
static void on_within_call(struct controlled *task)
{
	control_complain(task, ptrace_resume(task->task->tid, RESUME_SYSCALL, 0));
	if (task->interrupt)
		control_complain(task, ptrace_interrupt(task->task->tid));
}

static void hold_after_call(struct controlled *task)
{
	bool execed = task->held_as == CONTROL_STOP_EXEC;

	control_hold(task, task->held_as, 0);
	if (execed)
		control_renew_early(task);
}

static void on_call_left(struct controlled *task)
{
	if (task->held_as == CONTROL_STOP_EXEC && task->starting)
		start(task);
	else if (task->held_as != CONTROL_STOP_NONE)
		hold_after_call(task);
	else if (task->interrupt)
		control_hold(task, CONTROL_STOP_INTERRUPT, 0);
	else if (task->through_call)
		control_advance(task);
	else if (!control_renew(task))
		control_carry_on(task);
}

void control_execed(struct task *task)
{
	struct controlled *known = task->controlled;

	if (!known)
		return;

	control_becomes(known);
	known->shown.abi = task->abi;
	memcpy(known->shown.comm, task->comm, COMM_SIZE);
	control_changed(known);
}

void control_forking(struct task *parent, bool vfork)
{
	struct controlled *known = parent->controlled;

	if (!known)
		return;
	known->shown.in_vfork = vfork;
	control_changed(known);
}

void control_fork_returned(struct controlled *known, int64_t result)
{
	known->shown.in_vfork = false;
	known->shown.ret_known = true;
	known->shown.ret = result;
	if (!control_awaits_fork(known))
		return;
	known->held_as = CONTROL_STOP_FORK;

	const struct control *control = known->control;

	/* It has come, in whichever thread: the others run on. */
	for (size_t i = 0; i < control->tasks.count; i++) {
		if (control->tasks.items[i]->shown.pid == known->shown.pid)
			control->tasks.items[i]->to_fork = false;
	}
}

void control_returned(struct task *parent, int64_t result)
{
	if (parent->controlled)
		control_fork_returned(parent->controlled, result);
}

bool control_resume(struct task *task, int signal)
{
	struct controlled *known = task->controlled;

	if (!known)
		return false;
	control_put_back(known);
	if (signal) {
		on_signal(known, signal);
		return true;
	}
	if (known->newborn) {
		on_birth(known);
		return true;
	}
	switch (known->last.kind) {
	case WAIT_SYSCALL:
		if (task->in_call)
			on_within_call(known);
		else
			on_call_left(known);
		break;
	case WAIT_EVENT:
		on_within_call(known);
		break;
	default:
		if (known->interrupt)
			control_hold(known, CONTROL_STOP_INTERRUPT, 0);
		else
			control_carry_on(known);
		break;
	}
	return true;
}
