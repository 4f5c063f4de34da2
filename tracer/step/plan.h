/* What the parts of a plan share: internal to step/. */
#ifndef FORKTRACE_STEP_PLAN_H
#define FORKTRACE_STEP_PLAN_H

#include "step/step.h"

/* What STEP_DO_RUN was for. */
enum step_goal {
	GOAL_END,     /* the step ends there */
	GOAL_RETURN,  /* a call was run over */
	GOAL_STUB,    /* the same, in a stub */
	GOAL_CALLER,  /* code without lines has returned, or a signal's trampoline */
	GOAL_HANDLER, /* a signal's handler has returned, to the instruction that was to be executed */
};

/* The task where it stands. */
struct step_look {
	uint64_t pc, sp;
	enum abi abi;
	bool has_line;
	struct step_line line;
};

/* False: it failed, and the action says so. */
bool step_look(const struct step_view *view, struct step_look *look, struct step_action *action);

/* The actions. */
void step_fail(struct step_action *action, const char *reason);
void step_done(struct step_plan *plan, const struct step_look *look, unsigned before_inlined,
	       struct step_action *action);
void step_instruction(struct step_plan *plan, const struct step_look *look, struct step_action *action);
/* Run until `until` is reached with a stack pointer from `sp_low` to `sp_high`. */
void step_run(struct step_plan *plan, uint64_t until, uint64_t sp_low, uint64_t sp_high, enum step_goal goal,
	      struct step_action *action);
/* Run until a return to `until` that leaves the stack pointer at `sp`, or above where the callee takes its arguments
 * off (a `ret n`: 64 KiB at most). */
void step_run_return(struct step_plan *plan, uint64_t until, uint64_t sp, enum step_goal goal,
		     struct step_action *action);

/* The instruction at the pc; false where it cannot be read or is none. */
bool step_decode(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		 struct instruction *instruction);

/* Is the instruction a call that returns behind itself? (Not `call .+5`, which finds out the pc.) */
bool step_is_call(const struct instruction *instruction);

/* Steps of lines: see line_step.c. */
void step_line_begin(struct step_plan *plan, const struct step_view *view, struct step_action *action);
void step_line_instruction(struct step_plan *plan, const struct step_view *view, struct step_action *action);
void step_line_reached(struct step_plan *plan, const struct step_view *view, struct step_action *action);

#endif
