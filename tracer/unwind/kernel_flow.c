/* The instructions of a kernel function that can be reached from its start: see kernel_walk.h. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "unwind/kernel_walk.h"

/* The largest function of Linux 6.1 for i386 has 50 KiB. */
enum { REGION_SIZE_MAX = 128 * 1024, POINTS_MAX = 50000, TABLE_MAX = 1024, INSTRUCTION_BYTES = 15 };

static const struct flow_region *region_of(const struct kernel_flow *flow, uint64_t address)
{
	for (size_t i = 0; i < flow->region_count; i++) {
		const struct flow_region *region = &flow->regions[i];

		if (address >= region->start && address < region->end)
			return region;
	}
	return NULL;
}

static bool add_region(struct kernel_flow *flow, uint64_t start, uint64_t end)
{
	size_t size = end - start;

	if (flow->region_count == FLOW_REGIONS || size > REGION_SIZE_MAX)
		return false;

	_cleanup_free_ uint8_t *bytes = memory_alloc(size);

	if (!kernel_read_code(flow->walk, start, bytes, size))
		return false;

	struct flow_region *region = &flow->regions[flow->region_count++];

	*region = (struct flow_region){
	    .start = start,
	    .end = end,
	    .bytes = no_cleanup_pointer(bytes),
	    .points = memory_calloc(size, sizeof(*region->points)),
	};
	for (size_t i = 0; i < size; i++)
		region->points[i] = NO_POINT;
	return true;
}

int kernel_flow_point(const struct kernel_flow *flow, uint64_t address)
{
	const struct flow_region *region = region_of(flow, address);

	return region ? region->points[address - region->start] : NO_POINT;
}

/* A jump out of the function goes to its cold part, or it ends the function: a tail call. */
static void add_target(void *context, uint64_t target)
{
	struct kernel_flow *flow = context;
	struct kernel_function function;

	if (!region_of(flow, target)) {
		if (!flow->walk->code->find(flow->walk->code->context, target, &function) ||
		    !kernel_is_cold_part(function.name, flow->function.name) ||
		    !add_region(flow, function.start, function.end) || !region_of(flow, target))
			return;
	}
	vector_push(&flow->pending, target);
}

void kernel_flow_table(struct kernel_flow *flow, const struct instruction *jump,
		       void (*visit)(void *context, uint64_t target), void *context)
{
	uint32_t target;

	if (!jump->memory.used || jump->memory.base != REGISTER_NONE || jump->memory.index == REGISTER_NONE ||
	    jump->memory.scale != WORD)
		return;
	for (unsigned i = 0; i < TABLE_MAX; i++) {
		uint64_t entry = (uint32_t)jump->memory.displacement + (uint64_t)i * WORD;

		if (!kernel_read_code(flow->walk, entry, &target, sizeof(target)) || !region_of(flow, target))
			return;
		visit(context, target);
	}
}

/* Takes what the instruction leads to; false: not to the next one. */
static bool follow(struct kernel_flow *flow, const struct instruction *instruction)
{
	switch (instruction->kind) {
	case INSTRUCTION_RETURN:
	case INSTRUCTION_STOP:
		return false;
	case INSTRUCTION_JUMP:
	case INSTRUCTION_BRANCH:
		if (instruction->direct)
			add_target(flow, instruction->target);
		else
			kernel_flow_table(flow, instruction, add_target, flow);
		return instruction->kind == INSTRUCTION_BRANCH;
	case INSTRUCTION_CALL:
		/* Within the function, but not of itself: a retpoline. */
		if (instruction->direct && instruction->target != flow->function.start &&
		    region_of(flow, instruction->target))
			vector_push(&flow->pending, instruction->target);
		return true;
	default:
		return true;
	}
}

/* Takes the instructions from `address` on, up to one that is known. */
static bool take_run(struct kernel_flow *flow, uint64_t address)
{
	int known = kernel_flow_point(flow, address);
	bool leader = true;

	if (known != NO_POINT) {
		flow->points.items[known].leader = true;
		return true;
	}
	for (;;) {
		const struct flow_region *region = region_of(flow, address);
		struct flow_point point = {.leader = leader, .doubt = NO_POINT};

		if (!region || region->points[address - region->start] != NO_POINT)
			return true;
		if (flow->points.count == POINTS_MAX)
			return false;
		if (!disassemble(flow->walk->disassembler, region->bytes + (address - region->start),
				 region->end - address < INSTRUCTION_BYTES ? region->end - address : INSTRUCTION_BYTES,
				 address, &point.instruction))
			return true;
		region->points[address - region->start] = (int)flow->points.count;
		vector_push(&flow->points, point);
		if (!follow(flow, &point.instruction))
			return true;
		address += point.instruction.length;
		leader = false;
	}
}

bool kernel_flow_init(struct kernel_flow *flow, struct kernel_walk *walk, const struct kernel_function *function)
{
	*flow = (struct kernel_flow){.walk = walk, .function = *function};
	if (!add_region(flow, function->start, function->end))
		return false;
	vector_push(&flow->pending, function->start);
	while (flow->pending.count) {
		if (!take_run(flow, flow->pending.items[--flow->pending.count]))
			return false;
	}
	return true;
}

void kernel_flow_deinit(struct kernel_flow *flow)
{
	for (size_t i = 0; i < flow->points.count; i++)
		free(flow->points.items[i].state);
	for (size_t i = 0; i < flow->region_count; i++) {
		free(flow->regions[i].bytes);
		free(flow->regions[i].points);
	}
	vector_deinit(&flow->points);
	vector_deinit(&flow->pending);
}
