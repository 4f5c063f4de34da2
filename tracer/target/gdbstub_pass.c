/* Passing the instruction under a breakpoint without a step; see gdbstub_internal.h.
 *
 * QEMU's TCG throws away all that it has translated when it begins to step and when it ends (softmmu/cpus.c and
 * cpu_single_step of 7.2): a guest that is stepped at each breakpoint runs thirty times slower. The first instruction
 * of a function is nearly always one that is done by hand as well: nothing, a push or a pop; or a call. */
#include <string.h>

#include "arch/disassemble.h"
#include "base/memory.h"
#include "target/gdbstub_internal.h"

enum { INSTRUCTION_SIZE_MAX = 15, PAGE = 4096 };

static void forget_error(struct error *error)
{
	error_destroy(error);
}

/* The bytes at the end of a page may be all there are; a child's page may not be there yet at all. */
static size_t read_code(struct gdbstub *stub, uint64_t pc, uint8_t code[INSTRUCTION_SIZE_MAX])
{
	size_t in_page = PAGE - pc % PAGE;
	struct error *error = gdbstub_read(stub, pc, code, INSTRUCTION_SIZE_MAX);

	if (!error)
		return INSTRUCTION_SIZE_MAX;
	forget_error(error);
	if (in_page >= INSTRUCTION_SIZE_MAX)
		return 0;
	error = gdbstub_read(stub, pc, code, in_page);
	forget_error(error);
	return error ? 0 : in_page;
}

static bool is_by_hand(const struct instruction *instruction)
{
	switch (instruction->kind) {
	case INSTRUCTION_NOTHING:
	case INSTRUCTION_PUSH_FLAGS:
		return true;
	case INSTRUCTION_PUSH:
		return instruction->source != REGISTER_NONE && !instruction->memory.used;
	case INSTRUCTION_POP:
		return instruction->destination != REGISTER_NONE && !instruction->memory.used;
	case INSTRUCTION_CALL:
		return instruction->direct;
	default:
		return false;
	}
}

static bool decode(struct gdbstub *stub, uint64_t pc, struct instruction *instruction)
{
	uint8_t code[INSTRUCTION_SIZE_MAX];
	size_t size;

	if (!stub->disassembler) {
		struct error *error = disassembler_create(gdbstub_abi(stub), &stub->disassembler);

		forget_error(error);
		if (error)
			return false;
	}
	size = read_code(stub, pc, code);
	return size && disassemble(stub->disassembler, code, size, pc, instruction) && is_by_hand(instruction);
}

/* From the breakpoint, where its code is known to be the same in all address spaces; else from memory. */
static bool find_instruction(struct gdbstub *stub, uint64_t pc, struct instruction *instruction)
{
	struct gdbstub_breakpoint *breakpoint = gdbstub_find_breakpoint(stub, pc);

	if (!breakpoint || !breakpoint->same_code)
		return decode(stub, pc, instruction);
	if (!breakpoint->decoded) {
		breakpoint->by_hand = decode(stub, pc, &breakpoint->instruction);
		breakpoint->decoded = true;
	}
	*instruction = breakpoint->instruction;
	return breakpoint->by_hand;
}

/* What an instruction does, worked out before anything is changed. */
struct effect {
	uint64_t sp, value, next; /* next: the pc then */
	int destination;          /* a register that takes `value`; REGISTER_NONE: memory at sp does, if `pushed` */
	bool pushed;
};

static struct error *work_out(struct gdbstub *stub, const struct instruction *instruction,
			      const struct registers *registers, struct effect *effect)
{
	/* Pushed flags have neither RF nor VM (Intel's manual, PUSHF). */
	const uint64_t never_pushed = 0x30000;
	const struct arch *arch = arch_of(registers->abi);

	*effect = (struct effect){.sp = registers_sp(registers),
				  .next = instruction->address + instruction->length,
				  .destination = REGISTER_NONE};
	switch (instruction->kind) {
	case INSTRUCTION_CALL:
		effect->value = effect->next;
		effect->next = instruction->target;
		effect->sp -= arch->word_size;
		effect->pushed = true;
		return NULL;
	case INSTRUCTION_PUSH:
	case INSTRUCTION_PUSH_FLAGS:
		effect->value = instruction->kind == INSTRUCTION_PUSH ? registers->value[instruction->source]
								      : registers->flags & ~never_pushed;
		effect->sp -= arch->word_size;
		effect->pushed = true;
		return NULL;
	case INSTRUCTION_POP:
		effect->destination = instruction->destination;
		effect->sp += arch->word_size;
		return gdbstub_read(stub, registers_sp(registers), &effect->value, arch->word_size);
	default:
		return NULL;
	}
}

/* What is pushed lies where the instruction would put it too, should it come to be executed after all. */
static struct error *apply(struct gdbstub *stub, const struct effect *effect, const struct registers *registers)
{
	const struct arch *arch = arch_of(registers->abi);
	struct gdbstub_write writes[GDBSTUB_WRITES_MAX];
	size_t count = 0;
	struct error *error = NULL;

	if (effect->pushed)
		error = gdbstub_write(stub, effect->sp, &effect->value, arch->word_size);
	if (error)
		return error;
	if (effect->sp != registers_sp(registers))
		writes[count++] = (struct gdbstub_write){arch->sp, effect->sp};
	if (effect->destination != REGISTER_NONE)
		writes[count++] = (struct gdbstub_write){(unsigned)effect->destination, effect->value};
	writes[count++] = (struct gdbstub_write){arch->pc, effect->next};
	return gdbstub_set_registers(stub, writes, count);
}

/* With protection off the code is of 16 bits. Whether a program or a machine is at the other end: that has cr0. */
static bool is_protected(struct gdbstub *stub)
{
	enum { PROTECTION_ENABLE = 1 };
	uint64_t cr0 = 0;

	forget_error(gdbstub_register(stub, "cr0", &cr0));
	return cr0 & PROTECTION_ENABLE;
}

struct error *gdbstub_pass_by_hand(struct gdbstub *stub, uint64_t pc, bool *passed)
{
	struct instruction instruction;
	struct registers registers;
	struct effect effect;

	*passed = false;
	/* A program's step is cheap, and what is written by hand is not watched. */
	if (!stub->is_machine || stub->watches || !is_protected(stub) || !stub->write_register ||
	    !find_instruction(stub, pc, &instruction))
		return NULL;

	struct error *error = gdbstub_registers(stub, &registers);

	if (error)
		return error;
	/* A pop of the stack pointer is left to the machine. */
	if (instruction.destination == (int)arch_of(registers.abi)->sp)
		return NULL;
	error = work_out(stub, &instruction, &registers, &effect);
	if (error) {
		/* Not readable: the instruction shall fault as it would. */
		if (error->code != ERROR_FAULT)
			return error;
		return NULL;
	}
	/* Two breakpoints side by side: the second is to be hit. */
	if (gdbstub_breakpoint_at(stub, effect.next))
		return NULL;
	error = apply(stub, &effect, &registers);
	if (error && error->code == ERROR_UNSUPPORTED) {
		forget_error(error);
		return NULL;
	}
	*passed = !error;
	return error;
}
