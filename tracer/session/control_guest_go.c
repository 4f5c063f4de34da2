/* What a task in a guest is asked for: the backend of control_internal.h. See control_guest.h. */
#include "session/control_guest.h"
#include "session/control_hooks.h"

enum { EAX = 0 };

/* --- going on --- */

static bool in_kernel(const struct controlled *task)
{
	return !guest_is_user(&task->standing);
}

static void set_off(struct controlled *task, bool step)
{
	const struct controlled *kept = control_guest_keeper(task->control);

	task->wants_step = step;
	if (task->parked)
		control_guest_call(task);
	if (kept)
		log_write(&task->control->session->log, LOG_LEVEL_WARNING,
			  "process %d stands in the kernel, which has one processor: %d goes on after it",
			  kept->shown.tid, task->shown.tid);
	control_guest_settle(task->control);
}

static void run(struct controlled *task)
{
	set_off(task, false);
}

/* A call that sets the registers anew comes back elsewhere. */
static bool comes_back(const struct registers *registers)
{
	enum { EXIT = 1, SIGRETURN = 119, RT_SIGRETURN = 173, EXIT_GROUP = 252 };
	uint64_t number = registers->value[EAX];

	return number != EXIT && number != SIGRETURN && number != RT_SIGRETURN && number != EXIT_GROUP;
}

/* A system call is gone through, unless one instruction was asked for: that one leads into the kernel. */
static void execute(struct controlled *task)
{
	uint64_t after;

	task->executing = true;
	task->through_call = task->plan.kind != STEP_INSTRUCTION && guest_is_user(&task->standing) &&
			     comes_back(&task->standing) &&
			     control_guest_call_return(task, registers_pc(&task->standing), &after);
	if (task->through_call)
		control_guest_detour(task, after);
	set_off(task, !task->through_call);
}

/* Sets, or takes back, breakpoints where the kernel is entered. */
static void watch_entries(struct controlled *task, bool on)
{
	struct guest_follow *follow = machine_of(task)->follow;
	uint64_t address;
	const char *name;

	if (task->into_kernel == on)
		return;
	task->into_kernel = on;
	for (enum stage_entry way = STAGE_ENTRY_SYSENTER; way <= STAGE_ENTRY_INT80; way++) {
		if (lineage_find(follow->symbols, STAGE_ENTRY, way, 0, &address, &name))
			guest_breakpoint(follow, address, on);
	}
}

static struct error *into_kernel(struct controlled *task)
{
	if (in_kernel(task))
		return error_create(ERROR_INPUT, 0, NULL, "process %d is in the kernel already", task->shown.tid);
	watch_entries(task, true);
	return NULL;
}

/* --- interrupts, letting go --- */

static struct error *interrupt(struct controlled *task)
{
	struct gdbstub *stub = machine_of(task)->follow->stub;

	if (gdbstub_running(stub))
		return gdbstub_interrupt(stub);
	control_guest_look_for_interrupts(task->control);
	return NULL;
}

static bool goes_with(const struct controlled *one, const struct controlled *other)
{
	return one->shown.pid == other->shown.pid || one->guest->space == other->guest->space;
}

/* The session still tells what it forks. */
static void let_go(struct controlled *task)
{
	if (task->parked)
		control_guest_call(task);
	control_abandon(task);
	control_guest_points_drop(task, true);
	task->leaving = true;
	task->shown.state = CONTROL_LET_GO;
	control_changed(task);
	/* A parked one is put back first, where it wakes. */
	if (!task->parked)
		control_guest_leave(task);
	control_guest_settle(task->control);
}

static void abandon(struct controlled *task)
{
	control_guest_end_detour(task);
	watch_entries(task, false);
	task->wants_step = false;
}

const struct control_backend control_in_guest = {
    .space = control_guest_space,
    .registers = control_guest_registers,
    .stack = control_guest_stack,
    .caller = control_guest_caller,
    .kernel_place = control_guest_kernel_place,
    .kernel_find = control_guest_kernel_find,
    .kernel_line = control_guest_kernel_line,
    .execute = execute,
    .run = run,
    .into_kernel = into_kernel,
    .interrupt = interrupt,
    .goes_with = goes_with,
    .let_go = let_go,
    .abandon = abandon,
    .in_kernel = in_kernel,
    .passing_add = control_guest_passing_add,
    .passing_remove = control_guest_passing_remove,
    .point_add = control_guest_point_add,
    .point_watch = control_guest_point_watch,
    .points_remove = control_guest_points_remove,
};
