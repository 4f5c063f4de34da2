/* One step out of a system-call stub without call frame information.
 *
 * glibc's clone and clone3 end their CFI at the system call, because the child could not unwind by it. What follows the
 * call in the parent is a few instructions up to the return: they tell how much the stub had pushed. */
#include <string.h>

#include "unwind/walk.h"

enum {
	STUB_BYTES_MAX = 64, /* from the system call to the return */
	STUB_STEPS_MAX = 16, /* instructions */
	STUB_JUMP_MAX = 64,  /* bytes that a jump over the child's path skips */
};

/* The way through the stub. */
struct stub {
	struct walk *walk;
	const uint8_t *at, *end; /* code left to look at */
	struct registers registers;
	uint32_t restored;
};

static bool take_byte(struct stub *stub, uint8_t *byte)
{
	if (stub->at >= stub->end)
		return false;
	*byte = *stub->at++;
	return true;
}

/* The DWARF number of the register that an instruction numbers `number`. */
static unsigned dwarf_number(const struct arch *arch, unsigned number)
{
	/* x86_64 ABI, figure 3.36: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi are 0, 2, 1, 3, 7, 6, 4, 5; i386 keeps the
	 * processor's order. */
	static const uint8_t x86_64[] = {0, 2, 1, 3, 7, 6, 4, 5};

	return arch->abi == ABI_X86_64 && number < sizeof(x86_64) ? x86_64[number] : number;
}

static bool pop(struct stub *stub, unsigned number)
{
	const struct arch *arch = stub->walk->arch;
	uint64_t *sp = &stub->registers.value[arch->sp];

	if (!page_cache_word(stub->walk->memory, *sp, stub->walk->frames.count - 1, &stub->registers.value[number]))
		return false;
	stub->restored |= UINT32_C(1) << number;
	*sp += stub->walk->memory->word_size;
	return true;
}

/* Jumps where the result of the system call is positive: the parent's path. The conditions are those of
 * `test result, result`. */
static bool take_jump(struct stub *stub, unsigned condition, int32_t distance)
{
	enum { NOT_EQUAL = 0x5, NOT_SIGN = 0x9, GREATER_EQUAL = 0xd, GREATER = 0xf };

	if (condition != NOT_EQUAL && condition != NOT_SIGN && condition != GREATER_EQUAL && condition != GREATER)
		return true; /* for an error, or the child */
	if (distance < 0 || distance > STUB_JUMP_MAX || distance > stub->end - stub->at)
		return false;
	stub->at += distance;
	return true;
}

static bool take_long_jump(struct stub *stub)
{
	uint8_t opcode;
	int32_t distance;

	if (!take_byte(stub, &opcode) || (opcode & 0xf0) != 0x80 || stub->end - stub->at < (ptrdiff_t)sizeof(distance))
		return false;
	memcpy(&distance, stub->at, sizeof(distance));
	stub->at += sizeof(distance);
	return take_jump(stub, opcode & 0xf, distance);
}

/* test eax, eax or cmp $0, eax: these decide the jumps. */
static bool take_test(struct stub *stub, uint8_t opcode)
{
	uint8_t operand, zero;

	if (!take_byte(stub, &operand))
		return false;
	if (opcode == 0x85)
		return operand == 0xc0;
	return operand == 0xf8 && take_byte(stub, &zero) && zero == 0;
}

/* Follows one instruction. Sets *returned at the return; false: something else than a stub has. */
static bool take_instruction(struct stub *stub, bool *returned)
{
	const struct arch *arch = stub->walk->arch;
	unsigned high = 0;
	uint8_t opcode, distance;

	if (!take_byte(stub, &opcode))
		return false;
	if (arch->abi == ABI_X86_64 && (opcode & 0xf0) == 0x40) { /* REX */
		high = opcode & 1 ? 8 : 0;
		if (!take_byte(stub, &opcode))
			return false;
	}
	if (opcode >= 0x58 && opcode <= 0x5f)
		return pop(stub, dwarf_number(arch, (opcode - 0x58u) + high));
	if (opcode == 0x85 || opcode == 0x83)
		return take_test(stub, opcode);
	if ((opcode & 0xf0) == 0x70)
		return take_byte(stub, &distance) && take_jump(stub, opcode & 0xf, (int8_t)distance);
	if (opcode == 0x0f)
		return take_long_jump(stub);
	*returned = opcode == 0xc3;
	return *returned && pop(stub, arch->pc);
}

bool walk_syscall_stub(struct walk *walk)
{
	uint8_t code[SYSTEM_CALL_SIZE + STUB_BYTES_MAX];
	uint64_t pc = walk_last(walk)->pc;
	bool returned = false;

	if (!page_cache_bytes(walk->memory, pc - SYSTEM_CALL_SIZE, code, sizeof(code)) ||
	    !is_system_call_instruction(code))
		return false;

	struct stub stub = {
	    .walk = walk, .at = code + SYSTEM_CALL_SIZE, .end = code + sizeof(code), .registers = walk->registers};

	for (int i = 0; i < STUB_STEPS_MAX && !returned; i++) {
		if (!take_instruction(&stub, &returned))
			return false;
	}
	if (!returned || !walk_is_return_address(walk, stub.registers.value[walk->arch->pc]))
		return false;
	walk->registers = stub.registers;
	walk_last(walk)->restored = stub.restored;
	return true;
}
