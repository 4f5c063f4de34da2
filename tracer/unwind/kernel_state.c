/* What each instruction does to the stack and to the registers that a callee keeps: see kernel_walk.h. */
#include <string.h>

#include "unwind/kernel_walk.h"

/* Bytes that pushal pushes. */
enum { ALL_REGISTERS = WORD * GENERAL_REGISTERS };

static const struct kernel_value unknown = {.kind = VALUE_UNKNOWN};

static bool equal(const struct kernel_value *one, const struct kernel_value *other)
{
	return one->kind == other->kind && one->number == other->number && one->offset == other->offset;
}

static bool is_place(const struct kernel_value *value)
{
	return value->kind == VALUE_FRAME || value->kind == VALUE_ALIGNED;
}

static struct kernel_value value_plus(struct kernel_value value, int64_t bytes)
{
	int64_t sum = value.offset + bytes;

	if (!bytes)
		return value;
	if (!is_place(&value) || sum != (int32_t)sum)
		return unknown;
	value.offset = (int32_t)sum;
	return value;
}

static struct kernel_value load(const struct kernel_state *state, struct kernel_value place)
{
	for (size_t i = 0; i < state->slot_count; i++) {
		if (equal(&state->slots[i].place, &place))
			return state->slots[i].value;
	}
	return unknown;
}

/* Slots that hold nothing of use are not kept. */
static void store(struct kernel_state *state, struct kernel_value place, struct kernel_value value)
{
	size_t i = 0;

	if (!is_place(&place))
		return;
	while (i < state->slot_count && !equal(&state->slots[i].place, &place))
		i++;
	if (value.kind == VALUE_UNKNOWN) {
		if (i < state->slot_count)
			state->slots[i] = state->slots[--state->slot_count];
	} else if (i < SLOTS_MAX) {
		state->slots[i] = (struct kernel_slot){place, value};
		if (i == state->slot_count)
			state->slot_count++;
	}
}

/* What lies below the sp is anybody's. */
static void set_sp(struct kernel_state *state, struct kernel_value sp)
{
	state->registers[ESP] = sp;
	if (!is_place(&sp))
		return;
	for (size_t i = 0; i < state->slot_count;) {
		const struct kernel_value *place = &state->slots[i].place;

		if (place->kind == sp.kind && place->number == sp.number && place->offset < sp.offset)
			state->slots[i] = state->slots[--state->slot_count];
		else
			i++;
	}
}

static void set_register(struct kernel_state *state, int number, struct kernel_value value)
{
	if (number == ESP)
		set_sp(state, value);
	else if (number >= 0 && number < GENERAL_REGISTERS)
		state->registers[number] = value;
}

static struct kernel_value register_value(const struct kernel_state *state, int number)
{
	return number >= 0 && number < GENERAL_REGISTERS ? state->registers[number] : unknown;
}

static struct kernel_value memory_place(const struct kernel_state *state, const struct instruction *instruction)
{
	if (!instruction->memory.used || instruction->memory.index != REGISTER_NONE)
		return unknown;

	struct kernel_value base = register_value(state, instruction->memory.base);

	return is_place(&base) ? value_plus(base, instruction->memory.displacement) : unknown;
}

void kernel_state_enter(struct kernel_state *state)
{
	*state = (struct kernel_state){0};
	for (unsigned i = 0; i < GENERAL_REGISTERS; i++)
		state->registers[i] = (struct kernel_value){.kind = VALUE_ENTRY, .number = i};
	state->registers[ESP] = (struct kernel_value){.kind = VALUE_FRAME};
}

static void move_sp(struct kernel_state *state, int64_t bytes)
{
	set_sp(state, value_plus(state->registers[ESP], bytes));
}

void kernel_state_push(struct kernel_state *state)
{
	move_sp(state, -WORD);
	store(state, state->registers[ESP], unknown);
}

static void push(struct kernel_state *state, const struct instruction *instruction)
{
	struct kernel_value value = instruction->memory.used ? load(state, memory_place(state, instruction))
							     : register_value(state, instruction->source);

	move_sp(state, -WORD);
	store(state, state->registers[ESP], value);
}

static void pop(struct kernel_state *state, const struct instruction *instruction)
{
	struct kernel_value value = load(state, state->registers[ESP]);

	move_sp(state, WORD);
	if (instruction->memory.used)
		store(state, memory_place(state, instruction), value);
	else
		set_register(state, instruction->destination, value);
}

static void forget(struct kernel_state *state, uint32_t registers)
{
	for (unsigned i = 0; i < GENERAL_REGISTERS; i++) {
		if (registers & register_bit(i))
			state->registers[i] = unknown;
	}
}

static void align(struct kernel_state *state, const struct instruction *instruction)
{
	struct kernel_value aligned = {.kind = VALUE_ALIGNED, .number = (uint32_t)instruction->address};
	bool stack = instruction->destination == ESP && is_place(&state->registers[ESP]) && instruction->immediate < 0;

	set_register(state, instruction->destination, stack ? aligned : unknown);
}

void kernel_state_apply(struct kernel_state *state, const struct instruction *instruction)
{
	switch (instruction->kind) {
	case INSTRUCTION_PUSH:
		push(state, instruction);
		break;
	case INSTRUCTION_POP:
		pop(state, instruction);
		break;
	case INSTRUCTION_PUSH_FLAGS:
		kernel_state_push(state);
		break;
	case INSTRUCTION_POP_FLAGS:
		move_sp(state, WORD);
		break;
	case INSTRUCTION_PUSH_ALL:
		move_sp(state, -(int64_t)ALL_REGISTERS);
		break;
	case INSTRUCTION_POP_ALL:
		move_sp(state, ALL_REGISTERS);
		forget(state, UINT32_MAX & ~register_bit(ESP));
		break;
	case INSTRUCTION_SET:
		set_register(state, instruction->destination,
			     value_plus(register_value(state, instruction->source), instruction->immediate));
		break;
	case INSTRUCTION_AND:
		align(state, instruction);
		break;
	case INSTRUCTION_LOAD:
		set_register(state, instruction->destination, load(state, memory_place(state, instruction)));
		break;
	case INSTRUCTION_STORE:
		store(state, memory_place(state, instruction), register_value(state, instruction->source));
		break;
	case INSTRUCTION_LEAVE:
		set_sp(state, state->registers[EBP]);
		state->registers[EBP] = load(state, state->registers[ESP]);
		move_sp(state, WORD);
		break;
	case INSTRUCTION_CALL:
		forget(state, register_bit(EAX) | register_bit(ECX) | register_bit(EDX));
		break;
	case INSTRUCTION_NOTHING:
		break;
	default:
		forget(state, instruction->written);
		break;
	}
}

static bool excludes(const struct kernel_value *one, const struct kernel_value *other)
{
	return one->kind != VALUE_UNKNOWN && other->kind != VALUE_UNKNOWN && !equal(one, other);
}

bool kernel_state_conflict(const struct kernel_state *one, const struct kernel_state *other)
{
	return excludes(&one->registers[ESP], &other->registers[ESP]) ||
	       excludes(&one->registers[EBP], &other->registers[EBP]);
}

bool kernel_state_merge(struct kernel_state *state, const struct kernel_state *other)
{
	bool changed = false;

	for (unsigned i = 0; i < GENERAL_REGISTERS; i++) {
		if (state->registers[i].kind != VALUE_UNKNOWN && !equal(&state->registers[i], &other->registers[i])) {
			state->registers[i] = unknown;
			changed = true;
		}
	}
	for (size_t i = 0; i < state->slot_count;) {
		struct kernel_value value = load(other, state->slots[i].place);

		if (equal(&value, &state->slots[i].value)) {
			i++;
			continue;
		}
		state->slots[i] = state->slots[--state->slot_count];
		changed = true;
	}
	return changed;
}
