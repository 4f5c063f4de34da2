/* The state of a run in a guest: its tasks, told by their kernel stacks, and the calls of the fork family that are
 * under way. Internal to session/follow_guest.c and the guest_*.c beside it. */
#ifndef FORKTRACE_SESSION_GUEST_INTERNAL_H
#define FORKTRACE_SESSION_GUEST_INTERNAL_H

#include "base/map.h"
#include "base/vector.h"
#include "kernel/guest.h"
#include "kernel/guest_clock.h"
#include "kernel/guest_files.h"
#include "kernel/guest_modules.h"
#include "kernel/lineage.h"
#include "session/guest_session.h"
#include "session/internal.h"
#include "symbol/kernel_debug.h"
#include "target/gdbstub.h"
#include "target/gdbstub_guard.h"
#include "unwind/kernel_stack.h"

struct guest_fork;

/* A task of the traced program's tree. */
struct guest_task {
	uint32_t stack_end;   /* of its kernel stack: what tells it from all others, and the key of the table */
	uint32_t task_struct; /* 0: not known */
	pid_t pid, tid;       /* as the guest's initial pid namespace numbers them; 0: not known (yet) */
	pid_t ns_pid;
	bool root, elsewhere; /* elsewhere: may live in another pid namespace than PID 1's */
	unsigned depth;
	char comm[COMM_SIZE];
	bool cr3_known;
	uint64_t cr3;
	struct guest_image *image;
	struct space *space;
	struct guest_fork *child_of;   /* the fork that made it, until it returned to user mode */
	struct controlled *controlled; /* what the control knows of it; NULL: nothing is stepped */
};

/* A call of the fork family, from its entry until both processes are back in user mode. */
struct guest_fork {
	struct guest_task *parent, *child; /* NULL: not there yet, or not any more */
	struct fork_record *record;
	struct fork_walk *walk; /* the record's */
	size_t seen;            /* steps of the walk */
	struct registers user;  /* the caller's, at its return */
	uint64_t user_pc, user_sp, child_sp;
	bool created; /* copy_process succeeded: there is a child */
	bool parent_done, child_done;
	uint64_t seq, time_ns; /* of the record */
	uint64_t event_time;   /* the guest's clock then */
	bool event_time_known;
	uint64_t first_time; /* the guest's clock at the first step whose time is known */
	bool first_time_known;
	struct unwound *parent_stack, *child_stack;
	const char *parent_kernel_reason, *child_kernel_reason;
};

enum guest_place_kind {
	PLACE_HANDLER,
	PLACE_WORKER,
	PLACE_COPY,
	PLACE_WAKE,
	PLACE_CHILD_FIRST,
	PLACE_START_THREAD, /* an exec is complete */
	PLACE_DO_EXIT,
};

/* A breakpoint in the kernel. Each stop is dear: QEMU then throws away all code that it has translated (gdbstub.c,
 * gdb_vm_state_change, 7.2), 5 to 15 ms. So nothing is stopped at that other system calls pass too, as the entry is:
 * that it was passed is seen on the stack. */
struct guest_place {
	enum guest_place_kind kind;
	uint64_t address;
	const char *name;
	bool set;
};

/* A machine that somebody else runs: nobody tells which tasks there are, nor when. */
struct guest_foreign {
	const char *address; /* of its stub, as the user wrote it */
	int fd;              /* the connection */
	struct gdbstub_guard guard;

	/* In bytes; 0: not found out yet. */
	uint32_t parent_offset; /* of real_parent in struct task_struct */
	uint32_t mm_offset;     /* of mm there */
	uint32_t auxv_offset;   /* of saved_auxv in struct mm_struct */
};

/* THREAD_SIZE of i386 kernels (arch/x86/include/asm/page_32_types.h); the small one with CONFIG_4KSTACKS, up to 2.6.36.
 */
enum { GUEST_STACK_SIZE = 8192, GUEST_STACK_SIZE_SMALL = 4096 };

struct guest_follow {
	struct session *session;
	struct guest_foreign *foreign; /* NULL: the machine is ours, and `guest` */
	struct guest *guest;
	struct gdbstub *stub;
	struct guest_clock clock;
	struct guest_files files;
	struct kernel_symbols *symbols;
	struct kernel_debug *debug; /* NULL: there is none */
	struct kernel_code code;
	const char *release;
	struct space_source source;
	struct space *kernel_space; /* memory alone */
	VECTOR(struct guest_place) places;
	uint32_t stack_size;              /* of a task's kernel stack; 0: not known yet */
	uint32_t pid_offset, comm_offset; /* in struct task_struct; 0: not found out yet */
	uint32_t current_offset;          /* of the per-CPU variable that points to the task which runs; likewise */
	bool one_processor;               /* that variable is a plain one, at that address */
	uint64_t per_cpu;                 /* where the processor's per-CPU variables are, once that is found */
	bool no_isolation;                /* one page table a process: seen */
	struct map tasks;                 /* by stack_end */
	VECTOR(struct guest_fork *) forks;
	pid_t root_pid;
	bool root_expected; /* PID 1 announced the program, whose execve has not been completed */
	bool done;
	const char *end_reason;       /* why it ended early */
	struct guest_request request; /* output and input */
	size_t input_credit;
	bool input_over, input_watched;
	int epoll;
	int kick; /* an eventfd in it: there is something to be dispatched; -1: none */
};

/* --- follow_guest.c --- */
uint64_t guest_cr3(struct guest_follow *follow);
bool guest_now(struct guest_follow *follow, uint64_t *ns);
/* Waits for the stop of a machine that was interrupted, and takes in what it says meanwhile. */
struct error *guest_await_stop(struct guest_follow *follow, struct gdbstub_stop *stop);
/* Has guest_follow_dispatch called again. */
void guest_kick(struct guest_follow *follow);
/* Adds or takes back a breakpoint. Nothing is done where the machine is no more. */
void guest_breakpoint(struct guest_follow *follow, uint64_t address, bool on);
/* Has the machine stop where the tasks that there are can come by, and nowhere else. */
void guest_set_places(struct guest_follow *follow);

/* --- guest_task.c --- */
struct guest_task *guest_task_at(const struct guest_follow *follow, uint64_t sp);
struct guest_task *guest_task_add(struct guest_follow *follow, uint32_t stack_end);
void guest_task_remove(struct guest_follow *follow, struct guest_task *task);
void guest_task_name(const struct guest_task *task, struct task_name *name);
/* An exec is complete: `sp` is the new stack. */
void guest_task_exec(struct guest_follow *follow, const struct registers *registers);
/* do_exit begins. */
void guest_task_exit(struct guest_follow *follow, const struct registers *registers);
/* PID 1 has reaped the program: its end, where no stop has told it. `status` is wait's. */
void guest_task_root_ended(struct guest_follow *follow, uint32_t status);
void guest_tasks_destroy(struct guest_follow *follow);
/* Finds out where struct task_struct has the pid, and reads it of `child`, a new task of `parent`'s. */
void guest_task_identify(struct guest_follow *follow, struct guest_task *child, const struct guest_task *parent,
			 const struct fork_call *call);
/* The end of the kernel stack of the task whose task_struct this is, told by the user's registers at its top; 0: not
 * found. */
uint32_t guest_task_find_stack(struct guest_follow *follow, uint32_t task_struct, const struct guest_fork *fork);

/* --- guest_current.c --- */
/* The task_struct of the task on this kernel stack, which the processor is in; 0: not proven. */
uint32_t guest_current_find(struct guest_follow *follow, uint32_t stack);
/* The size of this kernel's stacks, from the address of a user's saved registers. */
uint32_t guest_stack_size_of(const struct guest_follow *follow, uint32_t saved);
/* The task that the stopped processor is in, wherever that stands; NULL: none of the traced program's. */
struct guest_task *guest_current(struct guest_follow *follow, const struct registers *registers);

/* --- guest_foreign.c --- */
/* A task that forks and was not known before, of a machine that is not ours. */
struct guest_task *guest_foreign_adopt(struct guest_follow *follow, const struct registers *registers);
/* The parent's call has returned `number`: which pid namespace it lives in. */
void guest_foreign_returned(struct guest_follow *follow, struct guest_fork *fork, int64_t number);
/* Lets the machine run on, without breakpoints, and closes the connection. */
void guest_foreign_leave(struct guest_follow *follow);

/* --- guest_start.c --- */
/* What follows from the symbols: the places to stop at, the kernel's memory and code. */
struct error *guest_learn_kernel(struct guest_follow *follow);

/* --- guest_stacks.c --- */
/* The kernel's stack of the stopped task, named, down to the border, and what stands there. NULL: see *reason. */
struct stack *guest_kernel_stack(struct guest_follow *follow, const struct registers *registers,
				 struct kernel_border *border, const char **reason);
/* On the writer's thread: files, lines and inlined functions, where there is debug information. */
void guest_kernel_name(const struct guest_follow *follow, struct fork_kernel *kernel);
/* The user's stack of the current address space; NULL: it was reported why. */
struct unwound *guest_user_stack(struct guest_follow *follow, struct guest_task *task,
				 const struct registers *registers, const struct guest_fork *fork, bool child);

/* --- guest_fork.c --- */
void guest_fork_enter(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers);
void guest_fork_step(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers);
void guest_fork_copy(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers);
void guest_fork_wake(struct guest_follow *follow, const struct guest_place *place, const struct registers *registers);
void guest_fork_child_first(struct guest_follow *follow, const struct guest_place *place,
			    const struct registers *registers);
/* The task will not return from what it is in. */
void guest_fork_lost(struct guest_follow *follow, struct guest_task *task, const char *reason);
void guest_forks_destroy(struct guest_follow *follow);
/* Sends the record on its way, and frees the fork, once both halves are there. */
void guest_fork_finish_if_complete(struct guest_follow *follow, struct guest_fork *fork);
/* The call failed: tells it and frees the fork. */
void guest_fork_failed(struct guest_follow *follow, struct guest_fork *fork, int error_number);

/* --- guest_return.c --- */
/* A stop in user mode: perhaps the return of one of the two. */
void guest_fork_user(struct guest_follow *follow, const struct registers *registers);

/* --- guest_walk.c --- */
/* Adds a step that was seen at `address`. */
void guest_walk_add(struct guest_follow *follow, struct guest_fork *fork, enum stage stage, bool child,
		    const char *function, uint64_t address);
/* The same with a time that was read before. */
void guest_walk_add_timed(struct guest_fork *fork, enum stage stage, bool child, const char *function, uint64_t address,
			  bool time_known, uint64_t time);
/* A step whose return address stands on the kernel's stack. */
void guest_walk_add_on_stack(struct guest_fork *fork, enum stage stage, const char *function, uint64_t address);
bool guest_walk_has(const struct guest_fork *fork, enum stage stage);
/* Adds the stages that were not seen, each with its reason. */
void guest_walk_complete(struct guest_follow *follow, struct guest_fork *fork);
/* On the writer's thread: the functions of the user's half, from the named stacks. */
void guest_walk_name(struct fork_walk *walk, const struct fork_record *record);

#endif
