/* Return addresses found by looking through the stack: the last resort, and a guess.
 *
 * The stack of a running kernel is full of old return addresses. What tells the right ones: each follows a call
 * instruction that leads, directly or by tail calls, into the function of the frame below it, and together they form a
 * chain up to the entry. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "unwind/kernel_walk.h"

/* How many functions may hand on a call by jumping to the next: a static call's trampoline is one. */
enum { TAIL_DEPTH = 3, TAIL_SIZE_MAX = 16384, CODE_BYTES = 15 };

struct kernel_tails {
	VECTOR(uint64_t) targets; /* starts of the functions that a function ends in */
};

static void collect_tails(struct kernel_walk *walk, const struct kernel_function *function, struct kernel_tails *tails)
{
	uint64_t end =
	    function->end - function->start > TAIL_SIZE_MAX ? function->start + TAIL_SIZE_MAX : function->end;
	struct instruction instruction;
	struct kernel_function other;
	uint8_t bytes[CODE_BYTES];

	for (uint64_t address = function->start; address < end; address += instruction.length) {
		if (!kernel_read_code(walk, address, bytes, sizeof(bytes)) ||
		    !disassemble(walk->disassembler, bytes, sizeof(bytes), address, &instruction))
			return;
		if ((instruction.kind != INSTRUCTION_JUMP && instruction.kind != INSTRUCTION_BRANCH) ||
		    !instruction.direct ||
		    (instruction.target >= function->start && instruction.target < function->end))
			continue;
		if (walk->code->find(walk->code->context, instruction.target, &other) &&
		    other.start == instruction.target)
			vector_push(&tails->targets, other.start);
	}
}

static const struct kernel_tails *tails_of(struct kernel_walk *walk, const struct kernel_function *function)
{
	struct kernel_tails *tails = map_get(&walk->tails, function->start);

	if (!tails) {
		tails = memory_alloc(sizeof(*tails));
		collect_tails(walk, function, tails);
		map_put(&walk->tails, function->start, tails);
	}
	return tails;
}

static bool tail_leads(struct kernel_walk *walk, const struct kernel_function *from,
		       const struct kernel_function *function, unsigned depth)
{
	const struct kernel_tails *tails = tails_of(walk, from);
	struct kernel_function next;

	for (size_t i = 0; i < tails->targets.count; i++) {
		if (tails->targets.items[i] == function->start)
			return true;
	}
	for (size_t i = 0; depth && i < tails->targets.count; i++) {
		if (walk->code->find(walk->code->context, tails->targets.items[i], &next) &&
		    tail_leads(walk, &next, function, depth - 1))
			return true;
	}
	return false;
}

enum kernel_call_fit kernel_call_fits(struct kernel_walk *walk, const struct instruction *call,
				      const struct kernel_function *function)
{
	struct kernel_function target;

	if (!call->direct)
		return CALL_INDIRECT;
	if (!walk->code->find(walk->code->context, call->target, &target))
		return CALL_ELSEWHERE;
	if (kernel_is_thunk(target.name))
		return target.start == function->start ? CALL_FITS : CALL_INDIRECT;
	if (target.start == function->start || kernel_is_cold_part(function->name, target.name) ||
	    tail_leads(walk, &target, function, TAIL_DEPTH - 1))
		return CALL_FITS;
	return CALL_ELSEWHERE;
}

void kernel_scan_deinit(struct kernel_walk *walk)
{
	struct kernel_tails *tails;

	for (size_t i = 0; (tails = map_next(&walk->tails, &i));) {
		vector_deinit(&tails->targets);
		free(tails);
	}
	map_deinit(&walk->tails);
}

/* A word of the stack that is a return address. */
struct candidate {
	uint64_t slot;
	uint32_t pc;
	struct instruction call;
	struct kernel_function function; /* that the call is in */
	bool ends;                       /* a chain goes on from here to the entry */
};

typedef VECTOR(struct candidate) candidates;

static bool is_end(const struct kernel_walk *walk, const struct candidate *candidate)
{
	for (size_t i = 0; i < walk->candidate_count; i++) {
		if (candidate->slot + WORD == walk->candidates[i].address)
			return true;
	}
	return kernel_is_entry(candidate->function.name) || !strcmp(candidate->function.name, "ret_from_fork");
}

/* The nearest caller of `function` among the candidates from `first` on; one whose call names it goes before one whose
 * call is indirect. */
static const struct candidate *find_caller(struct kernel_walk *walk, const candidates *list, size_t first,
					   const struct kernel_function *function, bool must_end)
{
	const struct candidate *indirect = NULL;

	for (size_t i = first; i < list->count; i++) {
		const struct candidate *candidate = &list->items[i];

		if (must_end && !candidate->ends)
			continue;
		switch (kernel_call_fits(walk, &candidate->call, function)) {
		case CALL_FITS:
			return candidate;
		case CALL_INDIRECT:
			if (!indirect)
				indirect = candidate;
			break;
		case CALL_ELSEWHERE:
			break;
		}
	}
	return indirect;
}

static void collect(struct kernel_walk *walk, uint64_t sp, candidates *list)
{
	uint64_t end = walk->candidate_count ? walk->candidates[0].address : walk->stack_end;
	struct candidate candidate = {.slot = sp};

	for (; candidate.slot < end && kernel_stack_word(walk, candidate.slot, &candidate.pc); candidate.slot += WORD) {
		if (kernel_function_at(walk, candidate.pc, false, &candidate.function) &&
		    kernel_call_before(walk, candidate.pc, &candidate.call))
			vector_push(list, candidate);
	}
	for (size_t i = list->count; i-- > 0;) {
		struct candidate *one = &list->items[i];

		one->ends = is_end(walk, one) || find_caller(walk, list, i + 1, &one->function, true);
	}
}

bool kernel_step_by_scan(struct kernel_walk *walk, const struct kernel_function *function, uint64_t sp,
			 struct kernel_step *step)
{
	candidates list = {0};
	const struct candidate *caller;

	collect(walk, sp, &list);
	caller = find_caller(walk, &list, 0, function, true);
	if (!caller)
		caller = find_caller(walk, &list, 0, function, false);
	if (caller)
		*step = (struct kernel_step){.slot = caller->slot, .pc = caller->pc, .method = METHOD_SCAN};
	vector_deinit(&list);
	return caller;
}
