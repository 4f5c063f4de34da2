/* Steps of lines: which instruction ends one follows gdb (infrun.c, process_event_stop_test). */
#include <string.h>

#include "step/plan.h"

/* --- frames and inlined bodies ----------------------------------------------------------------------------------- */

/* The canonical frame address of the innermost frame; 0: not known. */
static uint64_t frame_of(const struct step_view *view)
{
	uint64_t pc, sp;

	return view->caller(view->context, 0, &pc, &sp) ? sp : 0;
}

/* How many bodies, from the innermost outwards, begin at the pc. */
static unsigned beginning_bodies(const struct line_place *place)
{
	unsigned count = 0;

	while (count < place->inlined_count && place->inlined[place->inlined_count - 1 - count].begins)
		count++;
	return count;
}

/* Takes the line of the look for the one to be left; `before_inlined` bodies begin there and are not entered: then the
 * line is that of the call which the outermost of them replaces. */
static void set_from(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		     unsigned before_inlined)
{
	const struct line_place *place = &look->line.place;

	memset(&plan->from, 0, sizeof(plan->from));
	plan->from.frame = frame_of(view);
	if (!look->has_line)
		return;
	plan->from.file = place->file;
	plan->from.line = place->line;
	plan->from.start = place->start;
	plan->from.end = place->end;
	plan->from.function = place->function;
	if (before_inlined > place->inlined_count)
		before_inlined = place->inlined_count;
	plan->from.depth = place->inlined_count - before_inlined;
	for (unsigned i = 0; i < plan->from.depth; i++)
		plan->from.bodies[i] = place->inlined[i].body;
	if (before_inlined) {
		plan->from.file = place->inlined[plan->from.depth].call_file;
		plan->from.line = place->inlined[plan->from.depth].call_line;
	}
}

/* Is the task in the physical frame of the line that is to be left? */
static bool in_same_frame(const struct step_plan *plan, const struct step_view *view, const struct line_place *place)
{
	uint64_t frame;

	if (place->function != plan->from.function)
		return false;
	frame = frame_of(view);
	return !frame || !plan->from.frame || frame == plan->from.frame;
}

/* Are the bodies that are to be left among those around the pc? */
static bool in_same_bodies(const struct step_plan *plan, const struct line_place *place)
{
	if (place->inlined_count < plan->from.depth)
		return false;
	for (unsigned i = 0; i < plan->from.depth; i++) {
		if (place->inlined[i].body != plan->from.bodies[i])
			return false;
	}
	return true;
}

/* --- going on --------------------------------------------------------------------------------------------------------
 */

/* The next instruction of the line. Calls are entered to see where they lead, or run over. */
static void go_on(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		  struct step_action *action)
{
	struct instruction instruction;

	plan->stub = 0;
	plan->call = step_decode(plan, view, look, &instruction) && step_is_call(&instruction);
	if (plan->call) {
		plan->returns = look->pc + instruction.length;
		plan->call_sp = look->sp;
	}
	if (plan->call && plan->kind == STEP_OVER_LINE)
		step_run_return(plan, plan->returns, plan->call_sp, GOAL_RETURN, action);
	else
		step_instruction(plan, look, action);
}

static void end(struct step_plan *plan, const struct step_look *look, struct step_action *action)
{
	unsigned before = plan->kind == STEP_OVER_LINE && look->has_line ? beginning_bodies(&look->line.place) : 0;

	step_done(plan, look, before, action);
}

/* --- calls -----------------------------------------------------------------------------------------------------------
 */

/* From a call to its function through the PLT: endbr, a jump through the function's slot, and, at the first call, a
 * push and jumps into the dynamic loader, which finds the function, writes the slot and goes there with the stack as it
 * was (its calls are run over). More instructions than this are something else. */
enum { STUB_INSTRUCTIONS_MAX = 500 };

static bool is_endbr(const struct step_view *view, uint64_t pc)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e};
	uint8_t bytes[sizeof(endbr)];
	struct error *error = view->read(view->context, pc, bytes, sizeof(bytes));
	bool found = !error && !memcmp(bytes, endbr, sizeof(bytes));

	error_destroy(error);
	return found;
}

/* Is the instruction at the function's place, with the stack as the call left it, one of a stub? */
static bool is_stub(const struct step_view *view, const struct instruction *instruction)
{
	switch (instruction->kind) {
	case INSTRUCTION_JUMP:
		return true;
	case INSTRUCTION_PUSH: /* of a constant: no function begins with that */
		return instruction->source == REGISTER_NONE && !instruction->memory.used;
	default:
		return is_endbr(view, instruction->address);
	}
}

/* Goes on in the stub that the task stands in. False: it stands in a function. */
static bool follow_stub(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
			struct step_action *action)
{
	struct instruction instruction;
	uint64_t entry_sp = plan->call_sp - arch_of(look->abi)->word_size;

	if (plan->kind != STEP_LINE || look->sp > entry_sp || plan->stub++ >= STUB_INSTRUCTIONS_MAX ||
	    !step_decode(plan, view, look, &instruction))
		return false;
	if (look->sp == entry_sp && !is_stub(view, &instruction))
		return false;
	if (step_is_call(&instruction))
		step_run_return(plan, look->pc + instruction.length, look->sp, GOAL_STUB, action);
	else
		step_instruction(plan, look, action);
	return true;
}

/* A call was executed: into a function with lines behind its prologue, over any other. */
static void entered(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		    struct step_action *action)
{
	const struct line_place *place = &look->line.place;

	if (look->has_line && look->pc == place->function && place->body != look->pc)
		step_run(plan, place->body, 0, look->sp, GOAL_END, action);
	else if (look->has_line)
		end(plan, look, action);
	else if (!follow_stub(plan, view, look, action))
		step_run_return(plan, plan->returns, plan->call_sp, GOAL_RETURN, action);
}

/* --- arriving --------------------------------------------------------------------------------------------------------
 */

/* Is this what a signal's handler returns to: mov $NR_rt_sigreturn,%rax; syscall, or its kind? (gdb knows it by the
 * same bytes: amd64-linux-tdep.c, i386-linux-tdep.c.) */
static bool at_trampoline(const struct step_view *view, const struct step_look *look)
{
	static const struct {
		size_t size;
		uint8_t bytes[9];
	} trampolines[] = {
	    {9, {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05}},
	    {8, {0x58, 0xb8, 0x77, 0x00, 0x00, 0x00, 0xcd, 0x80}},
	    {7, {0xb8, 0xad, 0x00, 0x00, 0x00, 0xcd, 0x80}},
	};
	uint8_t bytes[9];

	for (size_t i = 0; i < sizeof(trampolines) / sizeof(*trampolines); i++) {
		struct error *error = view->read(view->context, look->pc, bytes, trampolines[i].size);

		if (!error && !memcmp(bytes, trampolines[i].bytes, trampolines[i].size))
			return true;
		error_destroy(error);
	}
	return false;
}

/* In code without lines: what the line jumped to is run to its end; where it returned to, the step ends. */
static void arrived_without_line(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
				 struct step_action *action)
{
	bool returned = plan->from.frame && look->sp >= plan->from.frame;
	uint64_t pc, sp;

	if ((returned && !at_trampoline(view, look)) || !plan->from.file || !view->caller(view->context, 0, &pc, &sp))
		end(plan, look, action);
	else if (returned)
		step_run(plan, pc, sp, sp, GOAL_CALLER, action);
	else
		step_run_return(plan, pc, sp, GOAL_CALLER, action);
}

/* In an inlined body that is deeper than the line to be left. */
static void arrived_in_body(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
			    struct step_action *action)
{
	const struct line_place *place = &look->line.place;
	unsigned visible = place->inlined_count - beginning_bodies(place);
	const struct line_inlined *next = &place->inlined[plan->from.depth];
	bool other_line = next->call_line != plan->from.line || next->call_file != plan->from.file;

	if (plan->kind == STEP_LINE || (visible == plan->from.depth && other_line))
		end(plan, look, action);
	else
		go_on(plan, view, look, action);
}

/* In the middle of another line: that is now the one to be left. What is no statement has a frame, and no line. */
static void goes_on_in(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		       bool same_bodies)
{
	const struct line_place *place = &look->line.place;

	if (!place->within_statement && same_bodies)
		return;
	set_from(plan, view, look, beginning_bodies(place));
	if (!place->within_statement)
		plan->from.line = 0;
	if (!place->within_statement)
		plan->from.start = plan->from.end = 0;
}

/* The step has left the instruction that it was at, by whatever way. */
static void arrived(struct step_plan *plan, const struct step_view *view, const struct step_look *look,
		    struct step_action *action)
{
	const struct line_place *place = &look->line.place;

	if (!look->has_line) {
		arrived_without_line(plan, view, look, action);
		return;
	}
	if (look->pc >= plan->from.start && look->pc < plan->from.end && in_same_bodies(plan, place) &&
	    place->inlined_count == plan->from.depth) {
		go_on(plan, view, look, action);
		return;
	}

	bool same_frame = plan->from.file && in_same_frame(plan, view, place);
	bool same_bodies = same_frame && in_same_bodies(plan, place);
	bool other_line = place->line != plan->from.line || place->file != plan->from.file;

	if (same_bodies && place->inlined_count > plan->from.depth) {
		arrived_in_body(plan, view, look, action);
	} else if (other_line && place->statement) {
		end(plan, look, action);
	} else {
		goes_on_in(plan, view, look, same_bodies);
		go_on(plan, view, look, action);
	}
}

/* --- the plan's entries ------------------------------------------------------------------------------------------- */

/* Code without lines is left as by STEP_FINISH, and then the line that it returns to. */
static void begin_without_line(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	uint64_t pc, sp;

	if (view->caller(view->context, 0, &pc, &sp))
		step_run_return(plan, pc, sp, GOAL_CALLER, action);
	else
		step_fail(action, "this code has no line information, and where it returns to is not known: step by "
				  "instructions");
}

void step_line_begin(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	struct step_look look;
	unsigned before = 0;

	if (!step_look(view, &look, action))
		return;
	if (plan->stand.pc == look.pc && plan->stand.sp == look.sp)
		before = plan->stand.before_inlined;
	if (before && plan->kind == STEP_LINE) {
		/* It enters the body whose code begins where the task stands: nothing is to be executed. */
		step_done(plan, &look, before - 1, action);
		return;
	}
	set_from(plan, view, &look, before);
	if (look.has_line)
		go_on(plan, view, &look, action);
	else
		begin_without_line(plan, view, action);
}

void step_line_instruction(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	struct step_look look;

	if (!step_look(view, &look, action))
		return;
	if (plan->call)
		entered(plan, view, &look, action);
	else
		arrived(plan, view, &look, action);
}

void step_line_reached(struct step_plan *plan, const struct step_view *view, struct step_action *action)
{
	struct step_look look;

	if (!step_look(view, &look, action))
		return;
	if (plan->goal == GOAL_HANDLER && look.pc == plan->pc)
		step_instruction(plan, &look, action); /* what the signal came before */
	else if (plan->goal == GOAL_STUB)
		entered(plan, view, &look, action);
	else
		arrived(plan, view, &look, action);
}
