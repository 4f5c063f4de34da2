/* The code of a held task, disassembled: see forktrace_control.h. */
#include <stdio.h>
#include <string.h>

#include "session/control_internal.h"

static struct error *disassembler_of(struct control *control, enum abi abi, struct disassembler **disassembler)
{
	struct disassembler **known = &control->disassemblers[abi != ABI_I386];

	struct error *error = *known ? NULL : disassembler_create(abi == ABI_I386 ? ABI_I386 : ABI_X86_64, known);

	*disassembler = *known;
	return error;
}

/* What a run of code is read as. */
struct code {
	struct control *control;
	unsigned id;
	struct disassembler *disassembler;
	uint64_t start;
	size_t size;
	uint8_t bytes[4096];
};

static void name_target(const struct code *code, const struct instruction *decoded,
			struct control_instruction *instruction)
{
	struct control_place place;

	if (!decoded->direct)
		return;

	struct error *error = control_place(code->control, code->id, decoded->target, &place);

	if (!error && place.symbol && place.offset)
		snprintf(instruction->target, sizeof(instruction->target), "%.100s+0x%llx", place.symbol,
			 (unsigned long long)place.offset);
	else if (!error && place.symbol)
		snprintf(instruction->target, sizeof(instruction->target), "%.120s", place.symbol);
	error_destroy(error);
}

static void decode(const struct code *code, uint64_t address, struct control_instruction *instruction)
{
	size_t offset = (size_t)(address - code->start);
	struct instruction decoded;

	*instruction = (struct control_instruction){.address = address, .length = 1};
	instruction->bytes[0] = code->bytes[offset];
	if (!disassemble(code->disassembler, code->bytes + offset, code->size - offset, address, &decoded))
		return;
	disassemble_text(code->disassembler, code->bytes + offset, code->size - offset, address, instruction->text,
			 sizeof(instruction->text));
	instruction->length = decoded.length;
	memcpy(instruction->bytes, code->bytes + offset,
	       decoded.length < sizeof(instruction->bytes) ? decoded.length : sizeof(instruction->bytes));
	instruction->call = decoded.kind == INSTRUCTION_CALL;
	instruction->jump = decoded.kind == INSTRUCTION_JUMP || decoded.kind == INSTRUCTION_BRANCH;
	instruction->ret = decoded.kind == INSTRUCTION_RETURN;
	instruction->syscall = decoded.length == SYSTEM_CALL_SIZE && is_system_call_instruction(instruction->bytes);
	name_target(code, &decoded, instruction);
}

/* Where to begin, so that up to `before` instructions stand in front of `address`: found by going through the code from
 * the start of its symbol. */
static uint64_t begin_before(struct code *code, uint64_t address, size_t before)
{
	enum { RING = 256, REACH = 2048 };
	uint64_t ring[RING];
	struct control_place place;
	struct instruction decoded;
	struct error *error = control_place(code->control, code->id, address, &place);

	if (error || !place.symbol || place.offset > REACH || !before) {
		error_destroy(error);
		return address;
	}

	size_t count = 0, got = 0;

	code->start = address - place.offset;
	error_destroy(control_read(code->control, code->id, code->start, code->bytes, sizeof(code->bytes), &got));
	code->size = got;
	for (uint64_t at = code->start; at < address && at - code->start < got; count++) {
		size_t offset = (size_t)(at - code->start);

		ring[count % RING] = at;
		at += disassemble(code->disassembler, code->bytes + offset, got - offset, at, &decoded) ? decoded.length
													: 1;
		/* Data in between, or a symbol that is none: what was gone through does not lead here. */
		if (at > address)
			return address;
	}
	if (before > RING)
		before = RING;
	return count ? ring[(count - (before < count ? before : count)) % RING] : address;
}

struct error *control_disassemble(struct control *control, unsigned id, uint64_t address, size_t before, size_t count,
				  enum control_syntax syntax, struct control_instruction *instructions, size_t *got,
				  size_t *index)
{
	struct code code = {.control = control, .id = id};
	struct controlled *task;
	struct registers registers;
	struct error *error = control_held(control, id, &task);

	*got = *index = 0;
	if (!error)
		error = control_task_registers(task, &registers);
	if (!error)
		error = disassembler_of(control, registers.abi, &code.disassembler);
	if (error)
		return error;
	disassembler_syntax(code.disassembler, syntax == CONTROL_SYNTAX_ATT);

	uint64_t at = begin_before(&code, address, before);

	code.start = at;
	error = control_read(control, id, at, code.bytes, sizeof(code.bytes), &code.size);
	for (size_t n = 0; !error && n < count && at - code.start < code.size; n++) {
		decode(&code, at, &instructions[n]);
		if (at == address)
			*index = n;
		at += instructions[n].length;
		*got = n + 1;
	}
	return error;
}
