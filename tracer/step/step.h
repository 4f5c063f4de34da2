/* Stepping: from what is seen of a stopped task to what is to be done next, once for every backend. A plan knows no
 * ptrace, no stub and no pid: it looks at the task through a view, says one action, and is told when that was carried
 * out. Where a step ends follows gdb (infrun.c, process_event_stop_test); what differs stands with step_kind. */
#ifndef FORKTRACE_STEP_STEP_H
#define FORKTRACE_STEP_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"
#include "arch/disassemble.h"
#include "base/error.h"
#include "symbol/lines.h"

enum step_kind {
	/* One instruction, into a call. A system call is one; so is each repetition of a `rep`, as in gdb. Where a
	 * signal is delivered: to the first instruction of its handler. */
	STEP_INSTRUCTION,
	/* The same, but a call is run until it has returned to this frame: what it calls again, or what recurses, does
	 * not end it. */
	STEP_OVER_INSTRUCTION,
	/* To the begin of a statement of another line, or of this line in another frame. Into a call whose function has
	 * lines (behind its prologue), through the PLT too, also where the dynamic loader binds the call; over
	 * all other calls and over signal handlers. From a return into the middle of the caller's line it goes on to
	 * the next statement. Unlike gdb's it enters a call within one line (a recursive function written in one line),
	 * and it does not stop in code with the line number 0. */
	STEP_LINE,
	/* The same, over all calls, and over inlined bodies deeper than the one it begins in. */
	STEP_OVER_LINE,
	/* Until frame `frame`, a physical one, has returned. */
	STEP_FINISH,
	/* To `address`, in this task. */
	STEP_RUN_TO,
};

/* The line of an address, as lines_at gives it but with absolute addresses. */
struct step_line {
	struct line_place place; /* start, end, function, body and inlined[].entry: absolute */
};

/* What lines_at said of a file whose module starts at `start`. */
void step_line_init(struct step_line *line, const struct line_place *place, uint64_t start);

/* How the plan looks at the stopped task; context is the caller's. */
struct step_view {
	void *context;
	struct error *(*registers)(void *context, struct registers *registers);
	/* Exactly `size` bytes, without breakpoints of ours. */
	struct error *(*read)(void *context, uint64_t address, void *bytes, size_t size);
	/* False: the address has no line. */
	bool (*line)(void *context, uint64_t address, struct step_line *line);
	/* Where physical frame `frame` (0: the innermost) returns to, and the stack pointer behind its call, as it is
	 * once it has returned (the canonical frame address of frame `frame`). Of a signal's trampoline: where it was
	 * interrupted. False: it is the outermost, or it is not known. */
	bool (*caller)(void *context, unsigned frame, uint64_t *pc, uint64_t *sp);
};

enum step_action_kind {
	STEP_DO_INSTRUCTION, /* execute one instruction */
	STEP_DO_RUN,         /* let the task run until it is about to execute `until` (at least one instruction) */
	STEP_DONE,
	STEP_FAILED, /* `reason` */
};

struct step_action {
	enum step_action_kind kind;
	uint64_t until;
	const char *reason; /* a sentence without a final full stop; lives as long as the program */
	/* STEP_DONE: how many inlined bodies begin at the pc and were not entered by the step: the task stands at the
	 * line of the call that the outermost of them replaces, in the frame around it. Where a body begins, both
	 * places have one address. */
	unsigned before_inlined;
};

/* One step in progress, a plain struct: zero it before the first step of a task and keep it between them, so that a
 * step knows in front of which inlined bodies the last one ended. What is in it is the plan's own. */
struct step_plan {
	enum step_kind kind;

	/* Where the last step ended: see step_action.before_inlined. */
	struct {
		uint64_t pc, sp;
		unsigned before_inlined;
	} stand;

	/* The line that is to be left: where the step began, or went on in the middle of another one. */
	struct {
		const char *file; /* NULL: code without lines */
		int line;
		uint64_t start, end;      /* of its code there */
		uint64_t function, frame; /* `frame`: the canonical frame address; 0: not known */
		unsigned depth;           /* of inlined bodies, those in `bodies` */
		uint64_t bodies[LINE_INLINED_MAX];
	} from;

	/* STEP_DO_INSTRUCTION: where it was asked for. */
	uint64_t pc, sp;
	bool call;        /* it is a call, or what a stub does in place of the function that was called */
	uint64_t returns; /* where that call returns to, with a stack pointer not below `call_sp` */
	uint64_t call_sp;
	unsigned stub; /* instructions executed in a stub */

	/* STEP_DO_RUN: the stop counts where the stack pointer lies in [sp_low, sp_high]. */
	bool running;
	uint64_t until, sp_low, sp_high;
	int goal; /* what is reached with it */

	enum abi abi;
	struct disassembler *disassembler; /* owned; of `abi` */
};

/* Frees what the plan owns and zeroes it: the task has ended, or goes on otherwise (a step in progress may be abandoned
 * by beginning another one, too). */
void step_deinit(struct step_plan *plan);

/* Begins a step of the stopped task: `frame` of STEP_FINISH, `address` of STEP_RUN_TO. Errors of the view end it in
 * STEP_FAILED. */
void step_begin(struct step_plan *plan, enum step_kind kind, unsigned frame, uint64_t address,
		const struct step_view *view, struct step_action *action);

/* The action was carried out: the instruction was executed, or THIS task is about to execute `until`, in whatever
 * frame: the plan compares stack pointers. */
void step_next(struct step_plan *plan, const struct step_view *view, struct step_action *action);

/* In place of step_next: the task has not executed the instruction, but was given a signal and stands at the first
 * instruction of its handler. Steps of instructions end there, all others run to the handler's end. */
void step_signal(struct step_plan *plan, const struct step_view *view, struct step_action *action);

#endif
