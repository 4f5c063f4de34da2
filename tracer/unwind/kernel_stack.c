/* The stack of a stopped kernel: see kernel_stack.h. */
#include "unwind/kernel_stack.h"

#include <string.h>

#include "unwind/kernel_walk.h"

struct unwind {
	struct kernel_walk walk;
	enum kernel_unwinder unwinder;
	size_t max_frames;
	struct registers registers; /* of the last frame */
	kernel_frames *frames;
	size_t first; /* of `frames`, that this unwind added */
	bool entry;   /* the last frame is the entry function's */
};

static const struct kernel_frame *last_frame(const struct unwind *unwind)
{
	return &unwind->frames->items[unwind->frames->count - 1];
}

static bool is_innermost(const struct unwind *unwind)
{
	return unwind->frames->count == unwind->first + 1;
}

/* A step is believed where it leads up the stack, behind a call instruction of the kernel. */
static bool is_believable(struct unwind *unwind, const struct kernel_step *step, struct instruction *call)
{
	return step->slot >= last_frame(unwind)->sp && kernel_call_before(&unwind->walk, step->pc, call);
}

static bool step_by_analysis(struct unwind *unwind, const struct kernel_function *function, struct kernel_step *step)
{
	struct kernel_walk *walk = &unwind->walk;
	const struct registers *registers = &unwind->registers;
	struct kernel_state state;
	struct instruction call;

	if (!kernel_state_at(walk, function, last_frame(unwind)->pc, is_innermost(unwind), &state))
		return false;
	if (unwind->unwinder != KERNEL_UNWINDER_PROLOGUE && kernel_step_by_state(walk, &state, registers, true, step) &&
	    is_believable(unwind, step, &call))
		return true;
	/* The frame is not there yet, or not any more; in the middle of a stack that is so in calls of __fentry__. */
	if (unwind->unwinder == KERNEL_UNWINDER_FRAME_POINTER && !is_innermost(unwind) &&
	    (state.registers[ESP].kind != VALUE_FRAME || state.registers[ESP].offset))
		return false;
	return kernel_step_by_state(walk, &state, registers, false, step) && is_believable(unwind, step, &call);
}

static bool step_by_frame(struct unwind *unwind, const struct kernel_function *function, struct kernel_step *step)
{
	struct instruction call;

	if (!kernel_step_by_frame(&unwind->walk, &unwind->registers, step) || !is_believable(unwind, step, &call))
		return false;
	step->certain = kernel_call_fits(&unwind->walk, &call, function) == CALL_FITS;
	return true;
}

static bool find_step(struct unwind *unwind, const struct kernel_function *function, struct kernel_step *step)
{
	enum kernel_unwinder unwinder = unwind->unwinder;

	if (unwinder != KERNEL_UNWINDER_SCAN && step_by_analysis(unwind, function, step))
		return true;
	if ((unwinder == KERNEL_UNWINDER_AUTO || unwinder == KERNEL_UNWINDER_FRAME_POINTER) &&
	    step_by_frame(unwind, function, step))
		return true;
	return (unwinder == KERNEL_UNWINDER_AUTO || unwinder == KERNEL_UNWINDER_SCAN) &&
	       kernel_step_by_scan(&unwind->walk, function, last_frame(unwind)->sp, step);
}

static void take_step(struct unwind *unwind, const struct kernel_step *step)
{
	struct registers *registers = &unwind->registers;
	struct kernel_frame frame = {
	    .pc = step->pc,
	    .sp = step->slot + WORD,
	    .method = step->method,
	    .certain = step->certain && last_frame(unwind)->certain,
	};

	registers->known = register_bit(EIP) | register_bit(ESP) | step->known;
	for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
		registers->value[i] = step->value[i];
	registers->value[EIP] = frame.pc;
	registers->value[ESP] = frame.sp;
	vector_push(unwind->frames, frame);
}

/* The user's registers lie right above: whatever the function is called, it is the entry. */
static bool is_below_border(const struct unwind *unwind)
{
	for (size_t i = 0; i < unwind->walk.candidate_count; i++) {
		if (last_frame(unwind)->sp == unwind->walk.candidates[i].address)
			return true;
	}
	return false;
}

/* ret_from_fork is C since Linux 6.5, called by ret_from_fork_asm; before that it is the entry itself. */
static bool is_entry(struct unwind *unwind, const struct kernel_function *function)
{
	struct kernel_function caller;
	struct kernel_step step;

	if (kernel_is_entry(function->name))
		return true;
	return !strcmp(function->name, "ret_from_fork") &&
	       !(step_by_analysis(unwind, function, &step) &&
		 kernel_function_at(&unwind->walk, step.pc, false, &caller) && kernel_is_entry(caller.name));
}

static void walk_frames(struct unwind *unwind)
{
	struct kernel_function function;
	struct kernel_step step;

	while (!unwind->walk.error) {
		if (!kernel_function_at(&unwind->walk, last_frame(unwind)->pc, is_innermost(unwind), &function))
			return;
		unwind->entry = (!is_innermost(unwind) && is_below_border(unwind)) || is_entry(unwind, &function);
		if (unwind->entry || unwind->frames->count - unwind->first >= unwind->max_frames ||
		    !find_step(unwind, &function, &step))
			return;
		take_step(unwind, &step);
	}
}

struct error *kernel_stack_unwind(const struct space *space, const struct kernel_code *code,
				  enum kernel_unwinder unwinder, const struct registers *registers, size_t max_frames,
				  kernel_frames *frames, struct kernel_border *border)
{
	struct unwind unwind = {
	    .walk = {.space = space, .code = code},
	    .unwinder = unwinder,
	    .max_frames = max_frames,
	    .registers = *registers,
	    .frames = frames,
	    .first = frames->count,
	};
	struct kernel_walk *walk = &unwind.walk;
	struct kernel_frame innermost = {
	    .pc = registers->value[EIP], .sp = registers->value[ESP], .method = METHOD_PT_REGS, .certain = true};
	struct error *error = disassembler_create(ABI_I386, &walk->disassembler);

	*border = (struct kernel_border){.reason = "the stack was not unwound"};
	if (error)
		return error;
	kernel_border_candidates(walk, innermost.sp, 0);
	kernel_stack_read(walk, innermost.sp);
	if (max_frames) {
		vector_push(frames, innermost);
		walk_frames(&unwind);
	}
	kernel_border_decide(walk, max_frames ? last_frame(&unwind) : &innermost, unwind.entry, border);
	disassembler_destroy(walk->disassembler);
	kernel_scan_deinit(walk);
	kernel_memory_deinit(walk);
	return walk->error;
}
