/* Stepping in a guest: the parts of control_guest*.c. One processor, which stops for all: a task that is held in user
 * mode is parked where another one goes on (it sleeps, again and again, in a loop of ours in the vDSO, and is put back
 * before it goes on itself); one that is held in the kernel keeps the processor, and no other goes on before it. */
#ifndef FORKTRACE_SESSION_CONTROL_GUEST_H
#define FORKTRACE_SESSION_CONTROL_GUEST_H

#include "session/control_internal.h"
#include "session/guest_internal.h"

/* Of the run: in struct control. */
struct control_machine {
	struct guest_follow *follow;
	struct controlled *current; /* that the stopped processor is in; NULL: none that is controlled */
	uint64_t cr3;               /* of the stopped processor */
	uint64_t shown_cr3;         /* what it has now, so that another task's memory can be read */
	uint64_t park;              /* of the loop, from the vDSO's start on; 0: not looked for */
	bool no_park;               /* there is no room for it */
	bool prepared;              /* it is written */
	bool queued;                /* `stop` came while it was stopped to be looked at */
	struct gdbstub_stop stop;
	struct disassembler *disassembler;
};

static inline struct control_machine *machine_of(const struct controlled *task)
{
	return task->control->machine;
}

/* --- control_guest.c --- */
bool guest_is_user(const struct registers *registers);
/* One that is held in the kernel: nothing else can run before it does. NULL: none is. */
const struct controlled *control_guest_keeper(const struct control *control);
/* Lets the machine run where it may. A task that cannot be kept where it stands keeps all others there. */
void control_guest_settle(struct control *control);
/* It is stopped where it comes back to, at `address`. */
void control_guest_detour(struct controlled *task, uint64_t address);
void control_guest_end_detour(struct controlled *task);
/* Those that are to be held and sleep in the kernel are held where they come back to user mode. */
void control_guest_look_for_interrupts(struct control *control);

/* --- control_guest_go.c --- */
extern const struct control_backend control_in_guest;

/* --- control_guest_tasks.c --- */
/* The session's task is not controlled any more. */
void control_guest_leave(struct controlled *task);

/* --- control_guest_park.c --- */
/* Writes the loop, through the current task's memory, as soon as that can be. */
struct error *control_guest_prepare(struct controlled *task);
/* Has the current task, held in user mode, wait in the loop. */
struct error *control_guest_park(struct controlled *task);
/* A parked task is to go on: it is stopped where it wakes. */
void control_guest_call(struct controlled *task);
/* It has woken, and stands where it was held again. False: it was somewhere else in the loop, or is to wait on. */
bool control_guest_unpark(struct controlled *task, uint64_t pc);

/* --- control_guest_look.c --- */
/* Stops a machine that runs, so that it can be asked; what it stopped for is dealt with at the next dispatch. */
struct error *control_guest_pause(struct control_machine *machine);
/* Back to the memory of the task that the processor is in, before it runs. */
struct error *control_guest_restore(struct control_machine *machine);
struct space *control_guest_space(const struct controlled *task);
struct error *control_guest_registers(struct controlled *task, struct registers *registers);
struct error *control_guest_stack(struct controlled *task, struct stack **stack);
bool control_guest_caller(struct controlled *task, unsigned frame, uint64_t *pc, uint64_t *sp);
bool control_guest_kernel_place(struct controlled *task, uint64_t address, struct control_place *place);
bool control_guest_kernel_find(struct controlled *task, const char *symbol, uint64_t *address);
bool control_guest_kernel_line(struct controlled *task, uint64_t address, struct step_line *line);
/* Where a system call whose instruction stands at `address` returns to. False: that is none, or not known. */
bool control_guest_call_return(struct controlled *task, uint64_t address, uint64_t *after);

/* --- control_guest_points.c --- */
struct error *control_guest_passing_add(struct controlled *task, uint64_t address);
void control_guest_passing_remove(struct controlled *task, uint64_t address);
struct error *control_guest_point_add(struct controlled *task, uint64_t address, int number);
struct error *control_guest_point_watch(struct controlled *task, uint64_t address, unsigned size, int number);
void control_guest_points_remove(struct control *control, const struct control_breakpoint *gone);
void control_guest_points_inherit(struct controlled *task, const struct controlled *parent);
/* At its end all of them; at an exec those in its user memory alone. */
void control_guest_points_drop(struct controlled *task, bool kernel_too);

#endif
