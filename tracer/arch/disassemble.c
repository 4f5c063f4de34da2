/* Disassembling by capstone: see disassemble.h. */
#include "arch/disassemble.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

struct disassembler {
	const struct arch *arch;
	csh handle;
	cs_insn *decoded; /* reused by each decoding */
	bool att;
};

struct error *disassembler_create(enum abi abi, struct disassembler **disassembler)
{
	const struct arch *arch = arch_of(abi);

	*disassembler = NULL;
	if (!arch)
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "code of an unknown ABI cannot be disassembled");

	struct disassembler *made = memory_alloc(sizeof(*made));
	cs_err result = cs_open(CS_ARCH_X86, arch->word_size == 4 ? CS_MODE_32 : CS_MODE_64, &made->handle);

	made->arch = arch;
	if (result == CS_ERR_OK)
		result = cs_option(made->handle, CS_OPT_DETAIL, CS_OPT_ON);
	if (result != CS_ERR_OK) {
		disassembler_destroy(made);
		return error_create(ERROR_UNSUPPORTED, 0, NULL, "capstone cannot disassemble %s: %s", arch->name,
				    cs_strerror(result));
	}
	made->decoded = cs_malloc(made->handle);
	if (!made->decoded)
		abort(); /* as base/memory.h does */
	*disassembler = made;
	return NULL;
}

void disassembler_destroy(struct disassembler *disassembler)
{
	if (!disassembler)
		return;
	if (disassembler->decoded)
		cs_free(disassembler->decoded, 1);
	if (disassembler->handle)
		cs_close(&disassembler->handle);
	free(disassembler);
}

void disassembler_syntax(struct disassembler *disassembler, bool att)
{
	disassembler->att = att;
}

static bool decode(struct disassembler *disassembler, const void *bytes, size_t size, uint64_t address)
{
	const uint8_t *code = bytes;

	return cs_disasm_iter(disassembler->handle, &code, &size, &address, disassembler->decoded);
}

unsigned disassemble_text(struct disassembler *disassembler, const void *bytes, size_t size, uint64_t address,
			  char *text, size_t text_size)
{
	/* What is decoded for its meaning counts the operands Intel's way. */
	if (disassembler->att)
		cs_option(disassembler->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);

	bool decoded = decode(disassembler, bytes, size, address);

	if (disassembler->att)
		cs_option(disassembler->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_INTEL);
	if (!decoded)
		return 0;

	const cs_insn *insn = disassembler->decoded;

	if (insn->op_str[0])
		snprintf(text, text_size, "%-6s %s", insn->mnemonic, insn->op_str);
	else
		snprintf(text, text_size, "%s", insn->mnemonic);
	return insn->size;
}

/* --- registers: DWARF numbers, System V ABI supplements of Intel386 (table 2.14) and AMD64 (figure 3.36) ----- */

struct names {
	x86_reg word, rest[4]; /* the whole register, and its parts */
	int narrow, wide;      /* the number in i386 and in x86_64; "i386" is a macro where it is compiled for that */
};

static const struct names register_names[] = {
    {X86_REG_EAX, {X86_REG_AX, X86_REG_AL, X86_REG_AH, X86_REG_RAX}, 0, 0},
    {X86_REG_ECX, {X86_REG_CX, X86_REG_CL, X86_REG_CH, X86_REG_RCX}, 1, 2},
    {X86_REG_EDX, {X86_REG_DX, X86_REG_DL, X86_REG_DH, X86_REG_RDX}, 2, 1},
    {X86_REG_EBX, {X86_REG_BX, X86_REG_BL, X86_REG_BH, X86_REG_RBX}, 3, 3},
    {X86_REG_ESP, {X86_REG_SP, X86_REG_SPL, 0, X86_REG_RSP}, 4, 7},
    {X86_REG_EBP, {X86_REG_BP, X86_REG_BPL, 0, X86_REG_RBP}, 5, 6},
    {X86_REG_ESI, {X86_REG_SI, X86_REG_SIL, 0, X86_REG_RSI}, 6, 4},
    {X86_REG_EDI, {X86_REG_DI, X86_REG_DIL, 0, X86_REG_RDI}, 7, 5},
    {X86_REG_R8D, {X86_REG_R8W, X86_REG_R8B, 0, X86_REG_R8}, REGISTER_NONE, 8},
    {X86_REG_R9D, {X86_REG_R9W, X86_REG_R9B, 0, X86_REG_R9}, REGISTER_NONE, 9},
    {X86_REG_R10D, {X86_REG_R10W, X86_REG_R10B, 0, X86_REG_R10}, REGISTER_NONE, 10},
    {X86_REG_R11D, {X86_REG_R11W, X86_REG_R11B, 0, X86_REG_R11}, REGISTER_NONE, 11},
    {X86_REG_R12D, {X86_REG_R12W, X86_REG_R12B, 0, X86_REG_R12}, REGISTER_NONE, 12},
    {X86_REG_R13D, {X86_REG_R13W, X86_REG_R13B, 0, X86_REG_R13}, REGISTER_NONE, 13},
    {X86_REG_R14D, {X86_REG_R14W, X86_REG_R14B, 0, X86_REG_R14}, REGISTER_NONE, 14},
    {X86_REG_R15D, {X86_REG_R15W, X86_REG_R15B, 0, X86_REG_R15}, REGISTER_NONE, 15},
};

static const struct names *find_names(unsigned reg)
{
	for (size_t i = 0; i < sizeof(register_names) / sizeof(*register_names); i++) {
		const struct names *names = &register_names[i];

		if (reg == names->word)
			return names;
		for (size_t part = 0; part < 4; part++) {
			if (reg && reg == names->rest[part])
				return names;
		}
	}
	return NULL;
}

/* The register that `reg` is, or is a part of. */
static int register_part(const struct disassembler *disassembler, unsigned reg)
{
	const struct names *names = find_names(reg);

	if (!names)
		return REGISTER_NONE;
	return disassembler->arch->word_size == 4 ? names->narrow : names->wide;
}

/* The register that `operand` is the whole of. */
static int register_of(const struct disassembler *disassembler, const cs_x86_op *operand)
{
	if (operand->type != X86_OP_REG || operand->size != disassembler->arch->word_size)
		return REGISTER_NONE;
	return register_part(disassembler, operand->reg);
}

static uint32_t registers_written(const struct disassembler *disassembler)
{
	cs_regs read, written;
	uint8_t read_count, written_count;
	uint32_t set = 0;

	if (cs_regs_access(disassembler->handle, disassembler->decoded, read, &read_count, written, &written_count) !=
	    CS_ERR_OK)
		return UINT32_MAX;
	for (unsigned i = 0; i < written_count; i++) {
		int number = register_part(disassembler, written[i]);

		if (number >= 0)
			set |= UINT32_C(1) << number;
	}
	return set;
}

/* --- kinds --------------------------------------------------------------------------------------------------- */

static void take_memory(const struct disassembler *disassembler, const cs_x86_op *operand,
			struct instruction *instruction)
{
	const x86_op_mem *mem = &operand->mem;

	if (operand->type != X86_OP_MEM || operand->size != disassembler->arch->word_size ||
	    mem->segment == X86_REG_FS || mem->segment == X86_REG_GS || mem->base == X86_REG_RIP)
		return;
	instruction->memory.used = true;
	instruction->memory.base = register_part(disassembler, mem->base);
	instruction->memory.index = register_part(disassembler, mem->index);
	instruction->memory.scale = (unsigned)mem->scale;
	instruction->memory.displacement = mem->disp;
}

static void take_transfer(const struct disassembler *disassembler, const cs_x86 *x86, enum instruction_kind kind,
			  struct instruction *instruction)
{
	instruction->kind = kind;
	if (x86->op_count != 1)
		return;
	instruction->direct = x86->operands[0].type == X86_OP_IMM;
	if (instruction->direct)
		instruction->target = disassembler->arch->word_size == 4 ? (uint32_t)x86->operands[0].imm
									 : (uint64_t)x86->operands[0].imm;
	instruction->source = register_of(disassembler, &x86->operands[0]);
	take_memory(disassembler, &x86->operands[0], instruction);
}

static void take_move(const struct disassembler *disassembler, const cs_x86 *x86, struct instruction *instruction)
{
	int to = register_of(disassembler, &x86->operands[0]), from = register_of(disassembler, &x86->operands[1]);
	const cs_x86_op *value = &x86->operands[1];

	if (to >= 0 && from >= 0) {
		instruction->kind = INSTRUCTION_SET;
	} else if (to >= 0 && value->type == X86_OP_MEM) {
		take_memory(disassembler, value, instruction);
		instruction->kind = instruction->memory.used ? INSTRUCTION_LOAD : INSTRUCTION_OTHER;
	} else if (x86->operands[0].type == X86_OP_MEM) {
		take_memory(disassembler, &x86->operands[0], instruction);
		instruction->kind = instruction->memory.used ? INSTRUCTION_STORE : INSTRUCTION_OTHER;
	}
	instruction->destination = to;
	instruction->source = from;
}

/* add, sub, and: of a constant to a register. */
static void take_arithmetic(const struct disassembler *disassembler, const cs_x86 *x86, enum instruction_kind kind,
			    int64_t sign, struct instruction *instruction)
{
	int to = register_of(disassembler, &x86->operands[0]);

	if (to < 0 || (x86->op_count > 1 && x86->operands[1].type != X86_OP_IMM))
		return;
	instruction->kind = kind;
	instruction->destination = instruction->source = to;
	instruction->immediate = sign * (x86->op_count > 1 ? x86->operands[1].imm : 1);
	if (disassembler->arch->word_size == 4)
		instruction->immediate = (int32_t)instruction->immediate;
}

static void take_address(const struct disassembler *disassembler, const cs_x86 *x86, struct instruction *instruction)
{
	int to = register_of(disassembler, &x86->operands[0]);
	const x86_op_mem *mem = &x86->operands[1].mem;
	int base = register_part(disassembler, mem->base);

	if (to < 0 || base < 0 || register_part(disassembler, mem->index) >= 0)
		return;
	instruction->kind = INSTRUCTION_SET;
	instruction->destination = to;
	instruction->source = base;
	instruction->immediate = mem->disp;
}

static void take_stack(const struct disassembler *disassembler, const cs_x86 *x86, enum instruction_kind kind,
		       struct instruction *instruction)
{
	int number = register_of(disassembler, &x86->operands[0]);

	instruction->kind = kind;
	if (kind == INSTRUCTION_PUSH)
		instruction->source = number;
	else
		instruction->destination = number;
	take_memory(disassembler, &x86->operands[0], instruction);
}

static bool is_branch(const cs_insn *insn)
{
	for (unsigned i = 0; i < insn->detail->groups_count; i++) {
		if (insn->detail->groups[i] == CS_GRP_JUMP)
			return true;
	}
	return false;
}

/* What the instruction is by its name alone. */
static const struct {
	x86_insn id;
	enum instruction_kind kind;
} plain_kinds[] = {
    {X86_INS_UD2, INSTRUCTION_STOP},          {X86_INS_HLT, INSTRUCTION_STOP},
    {X86_INS_INT3, INSTRUCTION_STOP},         {X86_INS_IRET, INSTRUCTION_STOP},
    {X86_INS_IRETD, INSTRUCTION_STOP},        {X86_INS_IRETQ, INSTRUCTION_STOP},
    {X86_INS_SYSEXIT, INSTRUCTION_STOP},      {X86_INS_SYSRET, INSTRUCTION_STOP},
    {X86_INS_LJMP, INSTRUCTION_STOP},         {X86_INS_RETF, INSTRUCTION_STOP},
    {X86_INS_PUSHFD, INSTRUCTION_PUSH_FLAGS}, {X86_INS_PUSHFQ, INSTRUCTION_PUSH_FLAGS},
    {X86_INS_POPFD, INSTRUCTION_POP_FLAGS},   {X86_INS_POPFQ, INSTRUCTION_POP_FLAGS},
    {X86_INS_PUSHAL, INSTRUCTION_PUSH_ALL},   {X86_INS_POPAL, INSTRUCTION_POP_ALL},
    {X86_INS_LEAVE, INSTRUCTION_LEAVE},       {X86_INS_NOP, INSTRUCTION_NOTHING},
};

/* Calls, jumps and returns; false: it is none. */
static bool take_flow(const struct disassembler *disassembler, const cs_insn *insn, struct instruction *instruction)
{
	const cs_x86 *x86 = &insn->detail->x86;

	if (insn->id == X86_INS_CALL) {
		take_transfer(disassembler, x86, INSTRUCTION_CALL, instruction);
	} else if (insn->id == X86_INS_JMP) {
		take_transfer(disassembler, x86, INSTRUCTION_JUMP, instruction);
	} else if (insn->id == X86_INS_RET) {
		instruction->kind = INSTRUCTION_RETURN;
		instruction->immediate = x86->op_count ? x86->operands[0].imm : 0;
	} else if (is_branch(insn)) {
		take_transfer(disassembler, x86, INSTRUCTION_BRANCH, instruction);
	} else {
		return false;
	}
	return true;
}

static void take_data(const struct disassembler *disassembler, const cs_insn *insn, struct instruction *instruction)
{
	const cs_x86 *x86 = &insn->detail->x86;

	switch (insn->id) {
	case X86_INS_PUSH:
		take_stack(disassembler, x86, INSTRUCTION_PUSH, instruction);
		break;
	case X86_INS_POP:
		take_stack(disassembler, x86, INSTRUCTION_POP, instruction);
		break;
	case X86_INS_MOV:
		take_move(disassembler, x86, instruction);
		break;
	case X86_INS_LEA:
		take_address(disassembler, x86, instruction);
		break;
	case X86_INS_ADD:
	case X86_INS_INC:
		take_arithmetic(disassembler, x86, INSTRUCTION_SET, 1, instruction);
		break;
	case X86_INS_SUB:
	case X86_INS_DEC:
		take_arithmetic(disassembler, x86, INSTRUCTION_SET, -1, instruction);
		break;
	case X86_INS_AND:
		take_arithmetic(disassembler, x86, INSTRUCTION_AND, 1, instruction);
		break;
	default:
		break;
	}
	if (instruction->kind == INSTRUCTION_SET && instruction->destination == instruction->source &&
	    !instruction->immediate)
		instruction->kind = INSTRUCTION_NOTHING;
}

static void take_kind(const struct disassembler *disassembler, const cs_insn *insn, struct instruction *instruction)
{
	for (size_t i = 0; i < sizeof(plain_kinds) / sizeof(*plain_kinds); i++) {
		if (insn->id == plain_kinds[i].id) {
			instruction->kind = plain_kinds[i].kind;
			return;
		}
	}
	if (!take_flow(disassembler, insn, instruction))
		take_data(disassembler, insn, instruction);
}

bool disassemble(struct disassembler *disassembler, const void *bytes, size_t size, uint64_t address,
		 struct instruction *instruction)
{
	if (!decode(disassembler, bytes, size, address))
		return false;

	const cs_insn *insn = disassembler->decoded;

	*instruction = (struct instruction){
	    .address = address,
	    .length = insn->size,
	    .destination = REGISTER_NONE,
	    .source = REGISTER_NONE,
	    .memory = {.base = REGISTER_NONE, .index = REGISTER_NONE},
	    .written = registers_written(disassembler),
	};
	take_kind(disassembler, insn, instruction);
	return true;
}
