/* Plans, and their steps of instructions and of frames: see step.h. */
#include "step/step.h"

#include "step/plan.h"

/* Behind a `ret n` the stack pointer lies up to that much above where the call left it. */
static const uint64_t arguments_max = UINT16_MAX;

void step_line_init(struct step_line *line, const struct line_place *place, uint64_t start)
{
	line->place = *place;
	line->place.start += start;
	line->place.end += start;
	line->place.function += start;
	line->place.body += start;
	for (unsigned i = 0; i < place->inlined_count; i++)
		line->place.inlined[i].entry += start;
}

/* --- looking ----------------------------------------------------------------------------------------------------- */

bool step_look(const struct step_view *view, struct step_look *look, struct step_action *action)
{
	struct registers registers;
	struct error *error = view->registers(view->context, &registers);

	if (error) {
		error_destroy(error);
		step_fail(action, "the task's registers cannot be read");
		return false;
	}
	look->pc = registers_pc(&registers);
	look->sp = registers_sp(&registers);
	look->abi = registers.abi;
	look->has_line = view->line(view->context, look->pc, &look->line);
	return true;
}

static struct disassembler *disassembler_for(struct step_plan *plan, enum abi abi)
{
	if (plan->disassembler && plan->abi == abi)
		return plan->disassembler;
	disassembler_destroy(plan->disassembler);
	error_destroy(disassembler_create(abi, &plan->disassembler));
	plan->abi = abi;
	return plan->disassembler;
}

bool step_decode(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		 struct instruction *instruction)
{
	uint8_t bytes[15]; /* the longest instruction */
	struct disassembler *disassembler = disassembler_for(plan, look->abi);

	if (!disassembler)
		return false;
	/* A page that is not there may begin behind a shorter instruction. */
	for (size_t size = sizeof(bytes); size > 0; size--) {
		struct error *error = view->read(view->context, look->pc, bytes, size);

		if (!error)
			return disassemble(disassembler, bytes, size, look->pc, instruction);
		error_destroy(error);
	}
	return false;
}

bool step_is_call(const struct instruction *instruction)
{
	return instruction->kind == INSTRUCTION_CALL &&
	       !(instruction->direct && instruction->target == instruction->address + instruction->length);
}

/* --- actions ----------------------------------------------------------------------------------------------------- */

void step_fail(struct step_action *action, const char *reason)
{
	*action = (struct step_action){.kind = STEP_FAILED, .reason = reason};
}

void step_done(struct step_plan *plan, const struct step_look *look, unsigned before_inlined,
	       struct step_action *action)
{
	plan->stand.pc = look->pc;
	plan->stand.sp = look->sp;
	plan->stand.before_inlined = before_inlined;
	*action = (struct step_action){.kind = STEP_DONE, .before_inlined = before_inlined};
}

void step_instruction(struct step_plan *plan, const struct step_look *look, struct step_action *action)
{
	plan->pc = look->pc;
	plan->sp = look->sp;
	plan->running = false;
	*action = (struct step_action){.kind = STEP_DO_INSTRUCTION};
}

void step_run(struct step_plan *plan, uint64_t until, uint64_t sp_low, uint64_t sp_high, enum step_goal goal,
	      struct step_action *action)
{
	plan->running = true;
	plan->until = until;
	plan->sp_low = sp_low;
	plan->sp_high = sp_high;
	plan->goal = goal;
	*action = (struct step_action){.kind = STEP_DO_RUN, .until = until};
}

void step_run_return(struct step_plan *plan, uint64_t until, uint64_t sp, enum step_goal goal,
		     struct step_action *action)
{
	step_run(plan, until, sp, sp > UINT64_MAX - arguments_max ? UINT64_MAX : sp + arguments_max, goal, action);
}

/* --- plans ------------------------------------------------------------------------------------------------------- */

void step_deinit(struct step_plan *plan)
{
	disassembler_destroy(plan->disassembler);
	*plan = (struct step_plan){0};
}

static void begin_over_instruction(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
				   struct step_action *action)
{
	struct instruction instruction;

	if (step_decode(plan, view, look, &instruction) && step_is_call(&instruction))
		step_run_return(plan, look->pc + instruction.length, look->sp, GOAL_END, action);
	else
		step_instruction(plan, look, action);
}

static void begin_finish(struct step_plan *plan, unsigned frame, const struct step_view *view,
			 struct step_action *action)
{
	uint64_t pc, sp;

	if (view->caller(view->context, frame, &pc, &sp))
		step_run_return(plan, pc, sp, GOAL_END, action);
	else
		step_fail(action,
			  "this frame cannot be finished: it is the outermost, or where it returns to is not known");
}

void step_begin(struct step_plan *plan, enum step_kind kind, unsigned frame, uint64_t address,
		const struct step_view *view, struct step_action *action)
{
	struct step_look look;

	plan->kind = kind;
	plan->call = false;
	plan->running = false;
	switch (kind) {
	case STEP_RUN_TO:
		step_run(plan, address, 0, UINT64_MAX, GOAL_END, action);
		return;
	case STEP_FINISH:
		begin_finish(plan, frame, view, action);
		return;
	case STEP_LINE:
	case STEP_OVER_LINE:
		step_line_begin(plan, view, action);
		return;
	case STEP_INSTRUCTION:
	case STEP_OVER_INSTRUCTION:
		break;
	}
	if (!step_look(view, &look, action))
		return;
	if (kind == STEP_OVER_INSTRUCTION)
		begin_over_instruction(plan, view, &look, action);
	else
		step_instruction(plan, &look, action);
}

/* The task is about to execute `until`: in the frame that is waited for? */
static void run_reached(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	struct step_look look;

	if (!step_look(view, &look, action))
		return;
	if (look.sp < plan->sp_low || look.sp > plan->sp_high)
		*action = (struct step_action){.kind = STEP_DO_RUN, .until = plan->until};
	else if (plan->goal == GOAL_END)
		step_done(plan, &look, 0, action);
	else
		step_line_reached(plan, view, action);
}

void step_next(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	struct step_look look;

	if (plan->running)
		run_reached(plan, view, action);
	else if (plan->kind == STEP_LINE || plan->kind == STEP_OVER_LINE)
		step_line_instruction(plan, view, action);
	else if (step_look(view, &look, action))
		step_done(plan, &look, 0, action);
}

void step_signal(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	struct step_look look;
	uint64_t pc = plan->pc, sp = plan->sp;

	if (plan->running) {
		*action = (struct step_action){.kind = STEP_DO_RUN, .until = plan->until};
	} else if (plan->kind == STEP_LINE || plan->kind == STEP_OVER_LINE) {
		/* Frame 1 is the trampoline's. A system call may have been interrupted behind its instruction. */
		if (!view->caller(view->context, 1, &pc, &sp)) {
			pc = plan->pc;
			sp = plan->sp;
		}
		step_run(plan, pc, sp, sp, GOAL_HANDLER, action);
	} else if (step_look(view, &look, action)) {
		step_done(plan, &look, 0, action);
	}
}
