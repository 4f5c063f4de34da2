/* The walk of a fork through the guest's kernel: which stage was seen where, in the order observed. */
#include <string.h>

#include "session/guest_internal.h"

static struct walk_step *next_step(struct guest_fork *fork, enum stage stage, bool child)
{
	if (fork->seen == STAGE_COUNT || guest_walk_has(fork, stage))
		return NULL;

	struct walk_step *step = &fork->walk->steps[fork->seen++];

	*step = (struct walk_step){.stage = stage, .child = child};
	return step;
}

bool guest_walk_has(const struct guest_fork *fork, enum stage stage)
{
	for (size_t i = 0; i < fork->seen; i++) {
		if (fork->walk->steps[i].stage == stage)
			return true;
	}
	return false;
}

void guest_walk_add_timed(struct guest_fork *fork, enum stage stage, bool child, const char *function, uint64_t address,
			  bool time_known, uint64_t time)
{
	struct walk_step *step = next_step(fork, stage, child);

	if (!step)
		return;
	step->function = function;
	step->address = address;
	step->time_known = time_known;
	if (!time_known)
		return;
	if (!fork->first_time_known) {
		fork->first_time_known = true;
		fork->first_time = time;
	}
	step->time_ns = time - fork->first_time;
}

void guest_walk_add(struct guest_follow *follow, struct guest_fork *fork, enum stage stage, bool child,
		    const char *function, uint64_t address)
{
	uint64_t time = 0;
	bool time_known;

	/* Asking for the time costs more than the stop itself. */
	if (guest_walk_has(fork, stage))
		return;
	time_known = guest_now(follow, &time);
	guest_walk_add_timed(fork, stage, child, function, address, time_known, time);
}

void guest_walk_add_on_stack(struct guest_fork *fork, enum stage stage, const char *function, uint64_t address)
{
	struct walk_step *step = next_step(fork, stage, false);

	if (!step)
		return;
	step->function = function;
	step->address = address;
	step->on_stack = true;
}

static const char *missing_reason(const struct guest_follow *follow, const struct guest_fork *fork, enum stage stage)
{
	enum stage_entry entry = fork->record->entry == ENTRY_INT80 ? STAGE_ENTRY_INT80 : STAGE_ENTRY_SYSENTER;
	uint64_t address;
	const char *name;

	if (stage == STAGE_RETURN_CHILD && fork->record->child.ret_reason)
		return fork->record->child.ret_reason;
	if (stage == STAGE_RETURN_PARENT && fork->record->parent.ret_reason)
		return fork->record->parent.ret_reason;
	if (stage >= STAGE_RETURN_CHILD)
		return "the process was not seen to return";
	if (stage == STAGE_CHILD_FIRST && fork->record->child.ret_reason)
		return "the child was killed before it ran";
	if (!lineage_find(follow->symbols, stage, entry, (unsigned)fork->record->call.number, &address, &name))
		return "this kernel has no function of that name: it does not exist in this version, or was inlined";
	return "it was not passed on this way";
}

void guest_walk_complete(struct guest_follow *follow, struct guest_fork *fork)
{
	size_t seen = fork->seen;

	for (enum stage stage = 0; stage < STAGE_COUNT; stage++) {
		bool child = stage == STAGE_CHILD_FIRST || stage == STAGE_RETURN_CHILD, known = false;

		for (size_t i = 0; i < seen; i++)
			known = known || fork->walk->steps[i].stage == stage;
		if (known)
			continue;
		fork->walk->steps[fork->seen++] =
		    (struct walk_step){.stage = stage, .child = child, .reason = missing_reason(follow, fork, stage)};
	}
}

/* --- the user's half --- */

static bool is_wrapper(const struct frame *frame)
{
	const char *const *names = stage_info(STAGE_WRAPPER)->names;

	for (size_t i = 0; frame->symbol && names[i]; i++) {
		if (!strcmp(frame->symbol, names[i]))
			return true;
	}
	return false;
}

static const struct frame *find_vsyscall(const struct stack *stack)
{
	const struct frame *first = stack && stack->count ? &stack->frames[0] : NULL;

	return first && first->module && !strcmp(first->module, "[vdso]") ? first : NULL;
}

/* The outermost of the frames that are known as libc's, among the innermost ones: fork calls _Fork. All of them lie in
 * the file that made the system call: a program may have a function of such a name too. */
static const struct frame *find_wrapper(const struct stack *stack)
{
	enum { WRAPPERS_DEEP = 8 };
	const struct frame *found = NULL;
	size_t first = find_vsyscall(stack) ? 1 : 0;
	const char *module = stack && first < stack->count ? stack->frames[first].module : NULL;

	for (size_t i = first; module && i < stack->count && i < WRAPPERS_DEEP; i++) {
		if (stack->frames[i].module == module && is_wrapper(&stack->frames[i]))
			found = &stack->frames[i];
	}
	return found;
}

static void name_step(struct walk_step *step, const struct frame *frame, const char *reason)
{
	if (frame && frame->symbol) {
		step->function = frame->symbol;
		step->address = frame->pc;
		step->file = frame->file;
		step->line = frame->line;
		return;
	}
	step->on_stack = false;
	step->address = frame ? frame->pc : 0;
	step->reason = frame ? "the code there has no symbol" : reason;
}

static const struct frame *innermost(const struct stack *stack)
{
	return stack && stack->count ? &stack->frames[0] : NULL;
}

void guest_walk_name(struct fork_walk *walk, const struct fork_record *record)
{
	for (size_t i = 0; i < STAGE_COUNT; i++) {
		struct walk_step *step = &walk->steps[i];

		if (step->stage == STAGE_WRAPPER)
			name_step(step, find_wrapper(record->parent.frames),
				  "no function of libc's that forks is on the stack: the program made the call itself");
		else if (step->stage == STAGE_VSYSCALL)
			name_step(step, find_vsyscall(record->parent.frames), "the call was not made through the vDSO");
		else if (step->stage == STAGE_RETURN_PARENT && step->address)
			name_step(step, innermost(record->parent.frames), "its stack could not be read");
		else if (step->stage == STAGE_RETURN_CHILD && step->address)
			name_step(step, innermost(record->child.frames), "its stack could not be read");
	}
}
