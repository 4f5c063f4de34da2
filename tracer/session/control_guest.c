/* Stepping in a guest: what the machine's stops mean for its tasks, and how it goes on. See control_guest.h. */
#include "session/control_guest.h"

#include <signal.h>
#include <stdlib.h>

#include "session/control_hooks.h"

enum { PRIVILEGE_MASK = 3, EAX = 0 };

bool guest_is_user(const struct registers *registers)
{
	return registers->cs & PRIVILEGE_MASK;
}

/* --- holding --- */

void control_guest_end_detour(struct controlled *task)
{
	if (task->detour)
		guest_breakpoint(machine_of(task)->follow, task->detour, false);
	task->detour = 0;
}

static bool is_at_entry(const struct controlled *task)
{
	uint64_t address;
	const char *name;

	for (enum stage_entry way = STAGE_ENTRY_SYSENTER; way <= STAGE_ENTRY_INT80; way++) {
		if (lineage_find(machine_of(task)->follow->symbols, STAGE_ENTRY, way, 0, &address, &name) &&
		    address == registers_pc(&task->standing))
			return true;
	}
	return false;
}

/* --- going on --- */

/* One that is held in the kernel: nothing else can run before it does. */
const struct controlled *control_guest_keeper(const struct control *control)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		const struct controlled *task = control->tasks.items[i];

		if (task->guest && task->shown.state == CONTROL_HELD && task->shown.in_kernel)
			return task;
	}
	return NULL;
}

/* Is there anything to be let run: a task, or, when all have ended, PID 1, which tells so? */
static bool anybody_runs(const struct control *control)
{
	const struct guest_follow *follow = control->machine->follow;
	const struct guest_task *task;

	for (size_t i = 0; (task = map_next(&follow->tasks, &i));) {
		if (!task->controlled || task->controlled->shown.state != CONTROL_HELD)
			return true;
	}
	return !follow->tasks.count;
}

static struct error *go_on(struct control *control)
{
	struct control_machine *machine = control->machine;
	struct controlled *current = machine->current;
	struct error *error = control_guest_restore(machine);

	if (!error && current && current->guest && current->shown.state == CONTROL_HELD && !current->parked)
		error = control_guest_park(current);
	if (error)
		return error;
	if (current && current->guest && current->wants_step && !current->parked)
		return gdbstub_step_begin(machine->follow->stub);
	return gdbstub_resume(machine->follow->stub);
}

/* Lets the machine run where it may. A task that cannot be kept where it stands keeps all others there. */
void control_guest_settle(struct control *control)
{
	struct control_machine *machine = control->machine;
	struct gdbstub *stub = machine->follow->stub;
	struct error *error;

	if (!stub || gdbstub_running(stub) || machine->queued || control_guest_keeper(control) ||
	    !anybody_runs(control))
		return;
	error = go_on(control);
	if (error)
		log_write(&control->session->log, LOG_LEVEL_WARNING, "%s", error->message);
	error_destroy(error);
}

void control_guest_detour(struct controlled *task, uint64_t address)
{
	control_guest_end_detour(task);
	task->detour = address;
	task->detour_sp = registers_sp(&task->standing);
	guest_breakpoint(machine_of(task)->follow, address, true);
}

/* --- stops --- */

/* An exception or interrupt was taken in place of the instruction: it is gone through, and the instruction tried
 * again. */
static bool was_diverted(struct controlled *task, const struct registers *before, const struct registers *now)
{
	enum { LONGEST = 15 };
	struct control_machine *machine = machine_of(task);
	struct kernel_symbol symbol;
	struct instruction instruction;
	uint8_t code[LONGEST];
	uint64_t pc = registers_pc(before);

	if (guest_is_user(now) || registers_pc(now) - pc <= LONGEST)
		return false;
	if (guest_is_user(before))
		return !control_system_call_at(task, pc);
	/* An exception's entry has a name; most jumps, and all returns, lead into the middle of a function. */
	if (!kernel_symbols_find(machine->follow->symbols, registers_pc(now), &symbol) || symbol.offset)
		return false;

	struct error *error = space_read(task->guest->space, pc, code, sizeof(code));
	bool known = !error && disassemble(machine->disassembler, code, sizeof(code), pc, &instruction);

	error_destroy(error);
	if (!known)
		return false;
	switch (instruction.kind) {
	case INSTRUCTION_CALL:
	case INSTRUCTION_JUMP:
	case INSTRUCTION_BRANCH:
	case INSTRUCTION_RETURN:
	case INSTRUCTION_STOP:
		return false;
	default:
		return registers_pc(now) != pc + instruction.length;
	}
}

/* Stopped for somebody who wants to look, before it executed anything. */
static bool was_interrupted(const struct gdbstub_stop *stop, uint64_t pc, const struct registers *before)
{
	return stop->kind == GDBSTUB_STOP_SIGNAL && stop->number == SIGINT && pc == registers_pc(before);
}

static void stepped(struct controlled *task, const struct registers *before)
{
	uint64_t pc = registers_pc(&task->standing);

	if (was_diverted(task, before, &task->standing)) {
		task->wants_step = false;
		task->standing = *before; /* where it is to come back to */
		control_guest_detour(task, registers_pc(before));
		return;
	}
	task->wants_step = false;
	if (!control_hit(task, pc))
		control_advance(task);
}

/* It has come back from where its instruction, or its system call, had led. */
static void returned(struct controlled *task)
{
	control_guest_end_detour(task);
	if (task->interrupt) {
		control_hold(task, CONTROL_STOP_INTERRUPT, 0);
	} else if (task->through_call) {
		if (!control_hit(task, registers_pc(&task->standing)))
			control_advance(task);
	} else {
		task->wants_step = true;
	}
}

/* A program is there, nothing of it has run: it is let run to its main. */
static void start(struct controlled *task)
{
	struct error *error = NULL;
	uint64_t address;

	if (control_find_start(task, &address)) {
		error = control_begin(task, STEP_RUN_TO, 0, address);
		if (!error)
			return;
	}
	control_complain(task, error);
	control_hold(task, CONTROL_STOP_START, 0);
}

static void on_watch(struct controlled *task, uint64_t address)
{
	for (size_t i = 0; i < task->points.count; i++) {
		const struct hardware_point *point = &task->points.items[i];

		if (point->kind == HARDWARE_WRITE && address - point->address < point->size) {
			control_hold(task, CONTROL_STOP_WATCH, point->number);
			return;
		}
	}
}

/* What the hooks have found out at this stop. */
static bool take_news(struct controlled *task)
{
	enum control_stop news = task->held_as;
	bool runs_on = task->onward && !task->planned;

	task->held_as = CONTROL_STOP_NONE;
	if (runs_on)
		return control_renew(task);
	if (news == CONTROL_STOP_NONE)
		return false;
	if (news == CONTROL_STOP_EXEC && task->starting)
		start(task);
	else
		control_hold(task, news, 0);
	if (news == CONTROL_STOP_EXEC)
		control_renew_early(task);
	return true;
}

/* One of ours, if it is this task's. */
static void on_own_breakpoint(struct controlled *task, const struct registers *registers)
{
	if (task->into_kernel && !guest_is_user(registers) && is_at_entry(task))
		control_hold(task, CONTROL_STOP_STEP, 0);
	else if (task->planned && task->until_set && task->until == registers_pc(registers))
		control_advance(task);
}

static void arrived(struct controlled *task, const struct gdbstub_stop *stop, const struct registers *registers)
{
	struct registers before = task->standing;
	uint64_t pc = registers_pc(registers);
	bool step = task->wants_step;

	task->cr3 = machine_of(task)->cr3;
	if (task->parked) {
		/* Its registers are the old ones again. */
		if (!control_guest_unpark(task, pc))
			return;
		if (task->leaving)
			control_guest_leave(task);
		else if (task->interrupt)
			control_hold(task, CONTROL_STOP_INTERRUPT, 0);
		return;
	}
	task->standing = *registers;
	if (guest_is_user(registers))
		error_destroy(control_guest_prepare(task)); /* it is tried again where it is needed */
	if (take_news(task))
		return;
	if (stop->kind == GDBSTUB_STOP_WATCH)
		on_watch(task, stop->address);
	else if (task->interrupt && guest_is_user(registers))
		control_hold(task, CONTROL_STOP_INTERRUPT, 0);
	else if (step && was_interrupted(stop, pc, &before))
		return; /* to be looked at: the step is still to come */
	else if (step)
		stepped(task, &before);
	else if (task->detour == pc && task->detour_sp == registers_sp(registers))
		returned(task);
	else if (!control_hit(task, pc))
		on_own_breakpoint(task, registers);
}

/* --- interrupts --- */

/* One that sleeps in the kernel, or waits for the processor, is stopped where it comes back to user mode. */
static void wait_for_return(struct controlled *task)
{
	struct guest_follow *follow = machine_of(task)->follow;
	struct kernel_border border;

	if (task->parked || task->detour)
		return;
	kernel_border_of_stack(follow->kernel_space, task->guest->stack_end - follow->stack_size, follow->stack_size,
			       &border);
	if (!border.found)
		return;
	task->standing = border.user;
	task->through_call = true;
	control_guest_detour(task, registers_pc(&border.user));
	log_write(&task->control->session->log, LOG_LEVEL_WARNING,
		  "process %d is in the kernel: it is held once it is back in user mode", task->shown.tid);
}

void control_guest_look_for_interrupts(struct control *control)
{
	for (size_t i = 0; i < control->tasks.count; i++) {
		struct controlled *task = control->tasks.items[i];

		if (task->guest && task->interrupt && task->shown.state == CONTROL_RUNNING)
			wait_for_return(task);
	}
}

/* --- the session's side --- */

/* From one instruction of a program's to its next nothing else can have run. */
static bool is_same_task(const struct control_machine *machine, const struct registers *registers)
{
	const struct controlled *current = machine->current;

	return current && current->guest && current->wants_step && !current->parked && guest_is_user(registers) &&
	       guest_is_user(&current->standing);
}

bool control_guest_stopped(struct control *control, const struct gdbstub_stop *stop, const struct registers *registers)
{
	struct control_machine *machine = control ? control->machine : NULL;
	struct guest_task *task;

	if (!machine)
		return false;
	if (!is_same_task(machine, registers)) {
		task = guest_current(machine->follow, registers);
		machine->current = task ? task->controlled : NULL;
	}
	machine->cr3 = machine->shown_cr3 = guest_cr3(machine->follow);
	if (machine->current)
		arrived(machine->current, stop, registers);
	if (stop->kind == GDBSTUB_STOP_SIGNAL && stop->number == SIGINT)
		control_guest_look_for_interrupts(control);
	control_guest_settle(control);
	return true;
}

bool control_guest_queued(struct control *control, struct gdbstub_stop *stop)
{
	struct control_machine *machine = control ? control->machine : NULL;

	if (!machine || !machine->queued)
		return false;
	machine->queued = false;
	session_report(control->session, NULL, control_guest_restore(machine));
	*stop = machine->stop;
	return true;
}

struct error *control_guest_begin(struct control *control, struct guest_follow *follow)
{
	struct error *error;

	if (!control)
		return NULL;
	control->backend = &control_in_guest;
	control->machine = memory_alloc(sizeof(*control->machine));
	control->machine->follow = follow;
	error = disassembler_create(ABI_I386, &control->machine->disassembler);
	return error ? error : gdbstub_step_undisturbed(follow->stub);
}

void control_guest_end(struct control *control)
{
	if (!control || !control->machine)
		return;
	disassembler_destroy(control->machine->disassembler);
	free(control->machine);
	control->machine = NULL;
}
