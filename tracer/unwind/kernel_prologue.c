/* A kernel function analysed from its start to the pc: where the return address is, and what the function saved. Sound
 * for code without frame pointers, and the proof of a frame pointer where there is one.
 *
 * Compilers keep the depth of the stack at an instruction the same on all ways to it. Where two ways disagree, one of
 * them goes through a call that does not return (panic, do_exit): the way behind it is then no way at all. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "unwind/kernel_walk.h"

/* Each finds one more call that does not return. */
enum { ROUNDS_MAX = 64, VISITS_MAX = 200000 };

/* A state that comes to a leader by falling through a call: believed only when all others have been followed. */
struct doubted {
	int index, call;
	struct kernel_state state;
};

struct analysis {
	struct kernel_flow flow;
	VECTOR(int) queue;
	VECTOR(struct doubted) doubted;
	int wanted; /* the point whose state is asked for */
	bool found;
	struct kernel_state state; /* of `wanted` */
	bool again;                /* a call that does not return was found: all begins anew */
	unsigned visits;

	/* What is being followed by a jump. */
	const struct kernel_state *jump_state;
	int jump_doubt;
};

static void enqueue(struct analysis *analysis, int index)
{
	struct flow_point *point = &analysis->flow.points.items[index];

	if (point->queued)
		return;
	point->queued = true;
	vector_push(&analysis->queue, index);
}

/* The state comes to the leader `index`. `doubt`: the last call on its way that it fell through to a leader and that
 * may not return; NO_POINT: none. */
static void arrive(struct analysis *analysis, int index, const struct kernel_state *state, int doubt)
{
	struct flow_point *points = analysis->flow.points.items, *point = &points[index];

	if (!point->state) {
		point->state = memory_alloc(sizeof(*point->state));
		*point->state = *state;
		point->doubt = doubt;
		enqueue(analysis, index);
		return;
	}
	if (kernel_state_conflict(point->state, state)) {
		int culprit = doubt != NO_POINT ? doubt : point->doubt;

		if (culprit != NO_POINT) {
			points[culprit].no_return = true;
			analysis->again = true;
			return;
		}
	}

	bool cleared = doubt == NO_POINT && point->doubt != NO_POINT;

	if (cleared)
		point->doubt = NO_POINT;
	if (kernel_state_merge(point->state, state) || cleared)
		enqueue(analysis, index);
}

static void arrive_by_table(void *context, uint64_t target)
{
	struct analysis *analysis = context;
	int index = kernel_flow_point(&analysis->flow, target);

	if (index != NO_POINT)
		arrive(analysis, index, analysis->jump_state, analysis->jump_doubt);
}

static void arrive_by_jump(struct analysis *analysis, const struct instruction *instruction,
			   const struct kernel_state *state, int doubt)
{
	analysis->jump_state = state;
	analysis->jump_doubt = doubt;
	if (instruction->direct)
		arrive_by_table(analysis, instruction->target);
	else
		kernel_flow_table(&analysis->flow, instruction, arrive_by_table, analysis);
}

static void arrive_by_call(struct analysis *analysis, const struct instruction *instruction,
			   const struct kernel_state *state, int doubt)
{
	struct kernel_state pushed = *state;
	int index = instruction->direct ? kernel_flow_point(&analysis->flow, instruction->target) : NO_POINT;

	if (index == NO_POINT || instruction->target == analysis->flow.function.start)
		return;
	kernel_state_push(&pushed);
	arrive(analysis, index, &pushed, doubt);
}

/* Follows the ways that leave the instruction; false: none goes to the next one. */
static bool leave(struct analysis *analysis, const struct flow_point *point, struct kernel_state *state, int doubt)
{
	const struct instruction *instruction = &point->instruction;

	switch (instruction->kind) {
	case INSTRUCTION_RETURN:
	case INSTRUCTION_STOP:
		return false;
	case INSTRUCTION_JUMP:
	case INSTRUCTION_BRANCH:
		kernel_state_apply(state, instruction);
		arrive_by_jump(analysis, instruction, state, doubt);
		return instruction->kind == INSTRUCTION_BRANCH;
	case INSTRUCTION_CALL:
		arrive_by_call(analysis, instruction, state, doubt);
		kernel_state_apply(state, instruction);
		return !point->no_return;
	default:
		kernel_state_apply(state, instruction);
		return true;
	}
}

/* Goes through the instructions from the leader `index` to the next leader. */
static void run(struct analysis *analysis, int index)
{
	const struct flow_point *points = analysis->flow.points.items;
	struct kernel_state state = *points[index].state;
	int call = NO_POINT, doubt = points[index].doubt;

	while (!analysis->again && analysis->visits++ < VISITS_MAX) {
		const struct flow_point *point = &points[index];

		if (index == analysis->wanted) {
			analysis->state = state;
			analysis->found = true;
		}
		if (!leave(analysis, point, &state, doubt))
			return;

		/* Padding may stand behind a call that does not return. */
		if (point->instruction.kind == INSTRUCTION_CALL)
			call = index;
		else if (point->instruction.kind != INSTRUCTION_NOTHING)
			call = NO_POINT;
		index = kernel_flow_point(&analysis->flow, point->instruction.address + point->instruction.length);
		if (index == NO_POINT)
			return;
		if (!points[index].leader)
			continue;
		if (call == NO_POINT)
			arrive(analysis, index, &state, doubt);
		else
			vector_push(&analysis->doubted, (struct doubted){index, call, state});
		return;
	}
}

static void start_round(struct analysis *analysis)
{
	struct kernel_state entry;

	for (size_t i = 0; i < analysis->flow.points.count; i++) {
		struct flow_point *point = &analysis->flow.points.items[i];

		free(point->state);
		point->state = NULL;
		point->queued = false;
		point->doubt = NO_POINT;
	}
	analysis->queue.count = 0;
	analysis->doubted.count = 0;
	analysis->again = false;
	analysis->found = false;
	kernel_state_enter(&entry);
	arrive(analysis, kernel_flow_point(&analysis->flow, analysis->flow.function.start), &entry, NO_POINT);
}

/* Follows one more way; false: there is none. */
static bool follow_one(struct analysis *analysis)
{
	if (analysis->queue.count) {
		int index = analysis->queue.items[--analysis->queue.count];

		analysis->flow.points.items[index].queued = false;
		run(analysis, index);
		return true;
	}
	if (analysis->doubted.count) {
		struct doubted doubted = analysis->doubted.items[--analysis->doubted.count];

		arrive(analysis, doubted.index, &doubted.state, doubted.call);
		return true;
	}
	return false;
}

static bool solve(struct analysis *analysis)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		start_round(analysis);
		while (!analysis->again && analysis->visits < VISITS_MAX && follow_one(analysis))
			;
		if (!analysis->again)
			return analysis->found && analysis->visits < VISITS_MAX;
	}
	return false;
}

/* The point at the pc, or of the call that returns to it. */
static int find_wanted(const struct kernel_flow *flow, uint64_t pc, bool exact)
{
	if (exact)
		return kernel_flow_point(flow, pc);
	for (unsigned length = 2; length <= 8; length++) {
		int index = kernel_flow_point(flow, pc - length);

		if (index != NO_POINT && flow->points.items[index].instruction.length == length &&
		    flow->points.items[index].instruction.kind == INSTRUCTION_CALL)
			return index;
	}
	return NO_POINT;
}

/* The cold part's function: it jumps back there. */
static bool find_home(struct kernel_walk *walk, const struct kernel_function *part, struct kernel_function *home)
{
	struct instruction instruction;
	uint8_t bytes[15];

	for (uint64_t address = part->start; address < part->end; address += instruction.length) {
		if (!kernel_read_code(walk, address, bytes, sizeof(bytes)) ||
		    !disassemble(walk->disassembler, bytes, sizeof(bytes), address, &instruction))
			return false;
		if ((instruction.kind == INSTRUCTION_JUMP || instruction.kind == INSTRUCTION_BRANCH) &&
		    instruction.direct && walk->code->find(walk->code->context, instruction.target, home) &&
		    kernel_is_cold_part(part->name, home->name))
			return true;
	}
	return false;
}

bool kernel_state_at(struct kernel_walk *walk, const struct kernel_function *function, uint64_t pc, bool exact,
		     struct kernel_state *state)
{
	struct analysis analysis = {0};
	struct kernel_function home = *function;
	bool solved = false;

	if (strstr(function->name, ".cold") && !find_home(walk, function, &home))
		return false;
	if (kernel_flow_init(&analysis.flow, walk, &home) && analysis.flow.points.count) {
		analysis.wanted = find_wanted(&analysis.flow, pc, exact);
		solved = analysis.wanted != NO_POINT && solve(&analysis);
	}
	*state = analysis.state;
	kernel_flow_deinit(&analysis.flow);
	vector_deinit(&analysis.queue);
	vector_deinit(&analysis.doubted);
	return solved;
}
