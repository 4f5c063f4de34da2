/* The state of a controlled run. Internal to session/control*.c. */
#ifndef FORKTRACE_SESSION_CONTROL_INTERNAL_H
#define FORKTRACE_SESSION_CONTROL_INTERNAL_H

#include "arch/disassemble.h"
#include "forktrace_control.h"
#include "session/internal.h"
#include "step/step.h"
#include "target/hardware.h"

/* A breakpoint or watchpoint of the processor's, in one task. */
struct hardware_point {
	enum hardware_kind kind;
	uint64_t address;
	unsigned size;
	int number; /* the user's; 0: it serves a step */
	int fd;
};

/* A task, and what it is about. */
struct controlled {
	struct control *control;
	struct control_task shown;
	struct task *task; /* the session's; NULL: it has ended, or was let go */
	struct wait_status last;
	bool attached;             /* not started by forktrace, nor a descendant of what is */
	bool starting;             /* its first exec, or main, is still to come */
	bool renew;                /* executes another program: the breakpoints by name are still to be set in it */
	bool onward;               /* the plan leads to where that can be done, and it goes on from there */
	bool newborn;              /* has not been seen since its creation */
	bool hold_born;            /* is held then */
	bool to_fork;              /* CONTROL_RUN_TO_FORK */
	bool interrupt;            /* is held at its next stop */
	enum control_stop held_as; /* is held as this at the end of the system call that it is in */
	int signal;                /* is delivered when it goes on */
	bool caught;               /* it has a handler */
	bool entering;             /* the instruction under way is the handler's first */
	VECTOR(struct hardware_point) points;

	struct step_plan plan; /* kept from step to step */
	bool planned;          /* it is under way */
	bool executing;        /* the plan's instruction is under way */
	bool through_call;     /* and it is a system call */
	bool until_set;        /* the plan's breakpoint, at `until` */
	uint64_t until;
	bool creeping; /* goes to `until` instruction by instruction: no breakpoint is to be had */

	/* In a guest (control_guest.h). */
	struct guest_task *guest;  /* the session's; NULL: it is none, has ended, or was let go */
	struct registers standing; /* where it was seen last */
	uint64_t cr3;              /* its page table */
	bool wants_step;           /* goes on by one instruction */
	bool into_kernel;          /* CONTROL_INTO_KERNEL */
	bool hold_first;           /* is held at its first instruction, which is the kernel's */
	bool leaving;              /* was let go, and is to be put back before it goes */
	bool parked, called;       /* waits in the loop; and is stopped where it wakes: at `wakes` */
	uint64_t wakes;
	uint64_t detour, detour_sp; /* where it comes back to, from a call or an exception; 0: it is on none */

	bool single;  /* resumed for one instruction */
	bool hopping; /* steps off a breakpoint, to run on */
	bool is_lifted;
	uint64_t lifted; /* the breakpoint that was taken out for that, or for the plan's instruction */
	bool is_alone;   /* then, in its memory */

	struct stack *stack; /* what control_stack gave; NULL: nothing yet */
};

/* What is done otherwise to a task of this machine (control_go.c) than to one in a guest (control_guest.c). */
struct control_backend {
	/* Its space, to be read now, and its registers. */
	struct space *(*space)(const struct controlled *task);
	struct error *(*registers)(struct controlled *task, struct registers *registers);
	/* Its stack, and where a frame returns to: as in control_stack, and as in step_view. */
	struct error *(*stack)(struct controlled *task, struct stack **stack);
	bool (*caller)(struct controlled *task, unsigned frame, uint64_t *pc, uint64_t *sp);
	/* The kernel's half; NULL: it is not seen. False: the address is none of the kernel's; there is no such symbol;
	 * there is no line. */
	bool (*in_kernel)(const struct controlled *task);
	bool (*kernel_place)(struct controlled *task, uint64_t address, struct control_place *place);
	bool (*kernel_find)(struct controlled *task, const char *symbol, uint64_t *address);
	bool (*kernel_line)(struct controlled *task, uint64_t address, struct step_line *line);
	/* The actions of a plan, carried out from where it is held on: one instruction; until a breakpoint. Their ends
	 * are told to control_advance. */
	void (*execute)(struct controlled *task);
	void (*run)(struct controlled *task);
	/* Lets it run to the kernel's first instruction. NULL: that cannot be stopped. */
	struct error *(*into_kernel)(struct controlled *task);
	/* Holds a task that runs (`interrupt` is set) as soon as that can be. */
	struct error *(*interrupt)(struct controlled *task);
	bool (*goes_with)(const struct controlled *one, const struct controlled *other); /* when it is let go */
	void (*let_go)(struct controlled *task);
	void (*kill)(struct controlled *task);    /* NULL: it ends with the machine */
	void (*abandon)(struct controlled *task); /* of what it was about nothing is left; NULL: nothing to be done */
	/* Breakpoints: for a step, the task's own; the user's; a watchpoint; and the end of the user's. */
	struct error *(*passing_add)(struct controlled *task, uint64_t address);
	void (*passing_remove)(struct controlled *task, uint64_t address);
	struct error *(*point_add)(struct controlled *task, uint64_t address, int number);
	struct error *(*point_watch)(struct controlled *task, uint64_t address, unsigned size, int number);
	void (*points_remove)(struct control *control, const struct control_breakpoint *gone);
};
extern const struct control_backend control_ptrace;

struct control {
	struct session *session;
	const struct control_backend *backend;
	struct capture *capture; /* without a memo */
	void (*changed)(void *context, unsigned id);
	void *context;
	bool hold_programs;                /* each is held at its start, not the first alone */
	VECTOR(struct controlled *) tasks; /* item n has id n + 1 */
	VECTOR(struct control_task) list;  /* control_tasks' */
	VECTOR(struct control_breakpoint) breakpoints;
	VECTOR(uint64_t) removed; /* addresses of breakpoints that a task may just have run into */
	int last_number;
	struct control_machine *machine;       /* the guest; NULL: tasks of this machine */
	struct disassembler *disassemblers[2]; /* i386, x86_64 */
};

/* --- control.c: the table of tasks, and holding --- */
/* A new task of the table, of which `shown` tells; its id and its parent's are given. */
struct controlled *control_add(struct control *control, const struct controlled *creator,
			       const struct control_task *shown);
/* A held task; else an error for the user, and NULL. */
struct error *control_held(const struct control *control, unsigned id, struct controlled **task);
void control_changed(struct controlled *task);
void control_hold(struct controlled *task, enum control_stop stop, int number);
/* Gives up what the task was asked to do. */
void control_abandon(struct controlled *task);
/* It executes another program: gives up what it was asked to do, and is to be held if it was asked for anything. */
void control_becomes(struct controlled *task);
/* Is it, or another thread of its process, asked to run to the next fork? */
bool control_awaits_fork(const struct controlled *task);
/* Its space, to be read and written through it. */
struct space *control_space(const struct controlled *task);
struct error *control_task_registers(struct controlled *task, struct registers *registers);
/* Is it there still: neither ended nor let go? */
bool control_lives(const struct controlled *task);
/* Logs an error and frees it; a task that died is no news. */
void control_complain(struct controlled *task, struct error *error);

/* --- control_plan.c --- */
struct error *control_begin(struct controlled *task, enum step_kind kind, unsigned frame, uint64_t address);
/* The plan's action was carried out. */
void control_advance(struct controlled *task);
/* Takes the plan's breakpoint out. */
void control_clear_until(struct controlled *task);

/* --- control_stops.c --- */
/* A call of the fork family is over in the process that made it. */
void control_fork_returned(struct controlled *known, int64_t result);

/* --- control_go.c --- */
/* Lets it run to the next stop, over a breakpoint under its pc. */
void control_run(struct controlled *task);
/* Goes on with what it was about, after a stop that meant nothing to it. */
void control_carry_on(struct controlled *task);
/* Is the instruction at `address` one that enters the kernel? */
bool control_system_call_at(struct controlled *task, uint64_t address);

/* --- control_lift.c --- */
/* Takes out what lies under the pc, so that the instruction beneath can be executed; whoever else runs in that memory
 * is stopped first. */
void control_lift(struct controlled *task, uint64_t pc);
/* To be called once it was resumed: where others wait, so that they can go on soon. */
void control_landed(struct controlled *task);
/* Puts back the breakpoint that was taken out for it. */
void control_put_back(struct controlled *task);

/* --- control_points.c --- */
/* For a step: one task's own. */
struct error *control_passing_add(struct controlled *task, uint64_t address);
void control_passing_remove(struct controlled *task, uint64_t address);
/* The user's; of hardware ones all threads of the process have a copy, children too. */
struct error *control_point_add(struct controlled *task, uint64_t address, int number);
struct error *control_point_watch(struct controlled *task, uint64_t address, unsigned size, int number);
void control_points_remove(struct control *control, const struct control_breakpoint *gone);
void control_points_inherit(struct controlled *task, const struct controlled *parent);
void control_points_close(struct controlled *task);
/* A hardware one; NULL: there is none. */
const struct hardware_point *control_point_at(const struct controlled *task, uint64_t address);

/* --- control_guest.c --- */
void control_guest_end(struct control *control);

/* --- control_look.c --- */
/* The user's stack, by ptrace. */
struct error *control_user_stack(struct controlled *task, struct stack **stack);
bool control_user_caller(struct controlled *task, unsigned frame, uint64_t *pc, uint64_t *sp);
struct step_view control_view(struct controlled *task);
void control_drop_stack(struct controlled *task);
/* The program's main, or its entry point. False: neither is known. */
bool control_find_start(struct controlled *task, uint64_t *address);
/* As control_find, also of a task that is about to go on. */
struct error *control_find_in(struct controlled *task, const char *what, struct control_place *place);

/* --- control_breakpoints.c --- */
/* Are there breakpoints by name, to be set in the next program that is executed too (`renew`)? */
bool control_wants_renewal(const struct control *control);
/* Sets those whose place is there already; it is held. */
void control_renew_early(struct controlled *task);
/* Lets it run to its main, where its libraries are there too, sets them, and lets it go on. False: it is to be let run
 * as it stands. */
bool control_renew(struct controlled *task);
/* It has come there. */
void control_renew_here(struct controlled *task);
/* Holds it if the user has a breakpoint there. */
bool control_hit(struct controlled *task, uint64_t pc);
/* The user's breakpoint there, or NULL. */
struct control_breakpoint *control_user_breakpoint(const struct control *control, const struct controlled *task,
						   uint64_t address);

#endif
