/* One step to a caller in a kernel's stack, from what the analysis of the function says, or from the frame pointer:
 * see kernel_walk.h. */
#include "unwind/kernel_walk.h"

static bool is_known(const struct registers *registers, unsigned number)
{
	return registers->known & register_bit(number);
}

/* The address of the return address, from a register that points into the frame. */
static bool slot_by_register(const struct kernel_state *state, const struct registers *registers, unsigned number,
			     uint64_t *slot)
{
	const struct kernel_value *value = &state->registers[number];

	if (value->kind != VALUE_FRAME || !is_known(registers, number))
		return false;
	*slot = (uint32_t)(registers->value[number] - (uint64_t)(int64_t)value->offset);
	return true;
}

/* Where `place` is in a realigned frame, from a register that points into that. */
static bool aligned_address(const struct kernel_state *state, const struct registers *registers,
			    const struct kernel_value *place, uint64_t *address)
{
	static const unsigned pointers[] = {EBP, ESP};

	for (size_t i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
		const struct kernel_value *value = &state->registers[pointers[i]];

		if (value->kind != VALUE_ALIGNED || value->number != place->number || !is_known(registers, pointers[i]))
			continue;
		*address =
		    (uint32_t)(registers->value[pointers[i]] + (uint64_t)((int64_t)place->offset - value->offset));
		return true;
	}
	return false;
}

/* A function that realigns the sp keeps what it was in a register that it then pushes. */
static bool slot_by_alignment(const struct kernel_walk *walk, const struct kernel_state *state,
			      const struct registers *registers, uint64_t *slot)
{
	for (size_t i = 0; i < state->slot_count; i++) {
		const struct kernel_slot *saved = &state->slots[i];
		uint64_t address;
		uint32_t word;

		if (saved->place.kind != VALUE_ALIGNED || saved->value.kind != VALUE_FRAME ||
		    !aligned_address(state, registers, &saved->place, &address) ||
		    !kernel_stack_word(walk, address, &word))
			continue;
		*slot = word - (uint32_t)saved->value.offset;
		return true;
	}
	return false;
}

/* The caller's value of a register that the callee keeps. */
static bool caller_register(const struct kernel_walk *walk, const struct kernel_state *state,
			    const struct registers *registers, unsigned number, uint64_t slot, uint32_t *word)
{
	const struct kernel_value *value = &state->registers[number];

	if (value->kind == VALUE_ENTRY && value->number == number && is_known(registers, number)) {
		*word = (uint32_t)registers->value[number];
		return true;
	}
	for (size_t i = 0; i < state->slot_count; i++) {
		const struct kernel_slot *saved = &state->slots[i];
		uint64_t address = slot + (uint64_t)(int64_t)saved->place.offset;

		if (saved->value.kind != VALUE_ENTRY || saved->value.number != number)
			continue;
		if (saved->place.kind == VALUE_ALIGNED && !aligned_address(state, registers, &saved->place, &address))
			continue;
		return kernel_stack_word(walk, address, word);
	}
	return false;
}

/* The method's slot; where both can be had and differ, the registers are not what the analysis thinks. */
static bool find_slot(const struct kernel_walk *walk, const struct kernel_state *state,
		      const struct registers *registers, bool by_frame, struct kernel_step *step)
{
	static const unsigned kept[] = {EBX, ESI, EDI};
	uint64_t by_ebp = 0, by_esp = 0;
	bool ebp = slot_by_register(state, registers, EBP, &by_ebp);
	bool esp = slot_by_register(state, registers, ESP, &by_esp);

	if (ebp && esp && by_ebp != by_esp)
		ebp = step->certain = false;
	if (by_frame) {
		step->slot = by_ebp;
		step->method = METHOD_FRAME_POINTER;
		return ebp || (state->registers[EBP].kind == VALUE_ALIGNED &&
			       slot_by_alignment(walk, state, registers, &step->slot));
	}
	step->method = METHOD_PROLOGUE;
	step->slot = esp ? by_esp : by_ebp;
	if (esp || ebp)
		return true;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (slot_by_register(state, registers, kept[i], &step->slot))
			return true;
	}
	return slot_by_alignment(walk, state, registers, &step->slot);
}

bool kernel_step_by_state(struct kernel_walk *walk, const struct kernel_state *state, const struct registers *registers,
			  bool by_frame, struct kernel_step *step)
{
	static const unsigned kept[] = {EBX, EBP, ESI, EDI};
	uint32_t pc;

	*step = (struct kernel_step){.certain = true};
	if (!find_slot(walk, state, registers, by_frame, step) || !kernel_stack_word(walk, step->slot, &pc))
		return false;
	step->pc = pc;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (caller_register(walk, state, registers, kept[i], step->slot, &step->value[kept[i]]))
			step->known |= register_bit(kept[i]);
	}
	return true;
}

bool kernel_step_by_frame(struct kernel_walk *walk, const struct registers *registers, struct kernel_step *step)
{
	uint64_t frame = registers->value[EBP];
	uint32_t pc;

	*step = (struct kernel_step){.method = METHOD_FRAME_POINTER, .slot = frame + WORD};
	if (!is_known(registers, EBP) || frame < registers->value[ESP] ||
	    !kernel_stack_word(walk, frame, &step->value[EBP]) || !kernel_stack_word(walk, step->slot, &pc))
		return false;
	step->pc = pc;
	step->known = register_bit(EBP);
	return true;
}
