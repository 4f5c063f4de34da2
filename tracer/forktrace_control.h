/* Stepping: a run whose tasks stop where they are told to, and what can be seen and done while they stand. For the
 * faces that step (ui/tui, ui/script); a report needs none of it.
 *
 * A controlled session (session_options.control) tells the same events and fork records as any other. Besides, each of
 * its tasks is either held or runs. A task is held at the start of the program (main, or the entry point where there is
 * no such symbol), when what it was asked to do is done, at a breakpoint, at a signal that would end the program, when
 * it was interrupted, and, a child, when its parent was being stepped or asked to run to the next fork. What is done to
 * one task leaves all others as they are.
 *
 * In a guest, which is one machine with one processor, a task that is held in the kernel keeps it: what other tasks are
 * asked for begins when that one has left the kernel, or runs. Signals are no stops there, and a task that sleeps in
 * the kernel is held, when it is interrupted, once it is back in user mode.
 *
 * Tasks are named by small numbers, given in order of appearance and never used twice. Whatever is asked of a task that
 * runs, has ended, or is not known gives an error whose sentence can be shown; no call but those that say so blocks.
 * All calls come from the thread of session_dispatch. */
#ifndef FORKTRACE_CONTROL_H
#define FORKTRACE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/abi.h"
#include "base/buffer.h"
#include "base/error.h"
#include "forktrace.h"
#include "unwind/stack.h"

struct control;
struct session;

/* The control of a controlled session; NULL for any other. */
struct control *session_control(struct session *session);

/* --- tasks --- */

enum control_state {
	CONTROL_HELD,
	CONTROL_RUNNING,
	CONTROL_ENDED, /* the task stays in the list, with how it ended */
	CONTROL_LET_GO,
};

enum control_stop {
	CONTROL_STOP_NONE,       /* it has not been held yet */
	CONTROL_STOP_START,      /* at main, or the entry point */
	CONTROL_STOP_STEP,       /* what was asked for is done */
	CONTROL_STOP_BREAKPOINT, /* `number` */
	CONTROL_STOP_WATCH,      /* `number`: behind the instruction that changed it */
	CONTROL_STOP_FORK,       /* the parent, behind its call: `ret` is the child's pid */
	CONTROL_STOP_BORN,       /* the child, behind the same call: `ret` is 0 */
	CONTROL_STOP_SIGNAL,     /* `number` is about to be delivered; it is when the task goes on */
	CONTROL_STOP_EXEC,       /* the first instruction of another program */
	CONTROL_STOP_INTERRUPT,  /* control_interrupt, or an attach */
};

struct control_task {
	unsigned id;
	unsigned parent; /* id; 0: none of ours */
	pid_t pid, tid;  /* of the process, of the thread; a guest's as the guest numbers them */
	bool thread;     /* not the first of its process */
	char comm[COMM_SIZE];
	enum abi abi;
	enum control_state state;
	enum control_stop stop; /* why it is held, or was held last */
	int number;             /* breakpoint, watchpoint or signal */
	bool ret_known;         /* `ret` is what its last call of the fork family returned */
	int64_t ret;
	bool in_kernel;         /* it stands in the kernel (a guest's): no other task goes on before it is out of it */
	bool in_vfork;          /* it runs, and does not go on before its child has executed a program or ended */
	unsigned kernel_frames; /* of control_stack, from the innermost on: the kernel's */
	enum entry_kind entry;  /* how it came there */
	bool signaled;          /* CONTROL_ENDED: `status` is a signal's number, else the exit status */
	int status;
	unsigned long stops; /* how often it was held: what was read of it is valid while this stays the same */
};

/* All tasks, by ascending id. The list is valid until the next call of session_dispatch or of a function that changes
 * something. */
const struct control_task *control_tasks(struct control *control, size_t *count);
/* NULL: there is none of this number. Valid as the list is. */
const struct control_task *control_task(const struct control *control, unsigned id);

/* Called whenever a task is held, goes on, appears, ends, or is let go: `id` is its number. From session_dispatch and
 * from the functions below; may not call any of them. */
void control_listen(struct control *control, void (*changed)(void *context, unsigned id), void *context);

/* From now on each program that a task executes is held at its start, as the first one is. */
void control_hold_programs(struct control *control);

/* --- what can be seen of a held task --- */

struct error *control_registers(struct control *control, unsigned id, struct registers *registers);

/* As much of `size` bytes at `address` as is readable, from its start on; *got tells how much. Breakpoints of ours are
 * not seen. */
struct error *control_read(struct control *control, unsigned id, uint64_t address, void *bytes, size_t size,
			   size_t *got);

/* The stack, innermost frame first. Borrowed until the task goes on. Of a task that stands in a guest's kernel: the
 * kernel's frames, as many as control_task.kernel_frames tells from then on, and the user's. */
struct error *control_stack(struct control *control, unsigned id, const struct stack **stack);

/* Where an address lies. Strings live as long as the session. */
struct control_place {
	uint64_t address;
	const char *module;    /* path as the process names it; NULL: none, or the kernel */
	const char *symbol;    /* NULL: none */
	uint64_t offset;       /* in the symbol */
	const char *file;      /* of the source, as the debug information has it; NULL: none */
	const char *directory; /* of its compilation, which a relative `file` starts from; NULL: not known */
	int line;
	bool variable; /* found by the name of a variable: there is no code */
};
struct error *control_place(struct control *control, unsigned id, uint64_t address, struct control_place *place);

/* Finds what a user calls "main", "libc.so.6:fork" or "fork" (a symbol; the program's own first, and variables where no
 * function is called so), "0x8049166", "*pc+4" or "test_fork.c:21" (the first instruction of that line, or of the next
 * one that has code: place->line tells). ERROR_NOT_FOUND with a sentence. */
struct error *control_find(struct control *control, unsigned id, const char *what, struct control_place *place);

enum control_syntax { CONTROL_SYNTAX_ATT, CONTROL_SYNTAX_INTEL };

struct control_instruction {
	uint64_t address;
	unsigned length; /* bytes; 1 with an empty text where they are no instruction */
	uint8_t bytes[16];
	char text[96];    /* escaped: printable ASCII */
	char target[128]; /* what an operand's address is called, "fork+0x12", or "" */
	bool call, jump, ret, syscall;
};

/* Up to `count` instructions from `address` on, of which as many as possible, at most `before`, lie before it (found
 * from the start of its symbol: empty where there is no symbol). *got tells how many there are, *index which one begins
 * at `address`. */
struct error *control_disassemble(struct control *control, unsigned id, uint64_t address, size_t before, size_t count,
				  enum control_syntax syntax, struct control_instruction *instructions, size_t *got,
				  size_t *index);

/* --- going on --- */

enum control_step {
	CONTROL_STEP_INSTRUCTION, /* one, into a call; a system call is one, but in a guest, where it leads into it */
	CONTROL_NEXT_INSTRUCTION, /* one, over a call */
	CONTROL_STEP_LINE,        /* to the start of another source line, into a call whose function has lines */
	CONTROL_NEXT_LINE,        /* the same, over calls */
	CONTROL_FINISH,           /* until the selected frame's function has returned; `frame` counts physical frames */
	CONTROL_RUN_TO,           /* to `address`, in this task */
	CONTROL_INTO_KERNEL,      /* to the kernel's first instruction, of the next system call: in a guest alone */
	CONTROL_RUN_TO_FORK,      /* until a fork of this task's process has returned: both are held then */
};

struct control_request {
	enum control_step step;
	unsigned frame;   /* CONTROL_FINISH; 0: the innermost */
	uint64_t address; /* CONTROL_RUN_TO */
};

/* Lets a held task go as far as `request` says. What it is about to do is told by control_listen; that it is done, or
 * that something came in between (a breakpoint, a signal, its end), by its next stop. */
struct error *control_go(struct control *control, unsigned id, const struct control_request *request);
struct error *control_continue(struct control *control, unsigned id);
void control_continue_all(struct control *control);
/* Holds a task that runs, as soon as it can be held (not before a vfork is over). */
struct error *control_interrupt(struct control *control, unsigned id);
/* Lets a process with all its threads go for good, without a trace of ours in it. Those of ours that share its memory
 * (vfork) go with it. */
struct error *control_detach(struct control *control, unsigned id);
void control_detach_all(struct control *control);
/* Ends the started programs, and their descendants, with SIGKILL; lets attached ones go. */
void control_kill_all(struct control *control);

/* --- breakpoints and watchpoints --- */

struct control_breakpoint {
	int number;
	uint64_t address;
	const char *where; /* as it was asked for */
	unsigned task;     /* whose address space it was set in; descendants inherit it */
	unsigned long hits;
	bool watch;
	unsigned size; /* a watchpoint's bytes: 1, 2, 4 or 8 */
};

/* Sets one, or takes it back where there is one. `*number`: its number, negative when it was taken back. */
struct error *control_breakpoint_toggle(struct control *control, unsigned id, const char *what, int *number);
/* Stops when `size` bytes at `address` (a multiple of it) are changed; hardware, in this task and those it creates from
 * then on; there are four. */
struct error *control_watch(struct control *control, unsigned id, uint64_t address, unsigned size, int *number);
struct error *control_breakpoint_delete(struct control *control, int number);
const struct control_breakpoint *control_breakpoints(const struct control *control, size_t *count);
/* Is there one at this address of the task's? 0: no; else its number. */
int control_breakpoint_at(const struct control *control, unsigned id, uint64_t address);

#endif
