/* How a system call entered the kernel. */
#include <string.h>

#include "session/internal.h"

/* The outermost kernel frame is the entry's assembly: arch/x86/entry/entry_32.S, entry_64.S and entry_64_compat.S, 4.2
 * to 6.18; the C functions for kernels that enter int $0x80 through the interrupt table's common code. Up to 4.3 it is
 * mostly one of the assembly's labels (sysenter_do_call, syscall_call): arch/x86/kernel/entry_32.S, and
 * arch/x86/ia32/ia32entry.S for 32-bit programs on 64-bit kernels. */
static const struct {
	const char *prefix;
	enum entry_kind kind;
} entry_symbols[] = {
    {"entry_SYSENTER", ENTRY_SYSENTER},  {"ia32_sysenter_target", ENTRY_SYSENTER},
    {"sysenter_", ENTRY_SYSENTER},       {"entry_INT80", ENTRY_INT80},
    {"asm_int80", ENTRY_INT80},          {"int80_emulation", ENTRY_INT80},
    {"do_int80", ENTRY_INT80},           {"syscall_call", ENTRY_INT80},
    {"syscall_after_call", ENTRY_INT80}, {"ia32_do_call", ENTRY_INT80},
    {"entry_SYSCALL", ENTRY_SYSCALL},    {"cstar_", ENTRY_SYSCALL},
    {"system_call", ENTRY_SYSCALL}, /* of 32-bit kernels: int $0x80 */
};

static enum entry_kind kind_of_symbol(const char *symbol, enum abi kernel)
{
	for (size_t i = 0; symbol && i < sizeof(entry_symbols) / sizeof(entry_symbols[0]); i++) {
		enum entry_kind kind = entry_symbols[i].kind;

		if (!strncmp(symbol, entry_symbols[i].prefix, strlen(entry_symbols[i].prefix)))
			return kind == ENTRY_SYSCALL && kernel == ABI_I386 ? ENTRY_INT80 : kind;
	}
	return ENTRY_UNKNOWN;
}

static enum entry_kind kind_of_stack(const struct stack *stack, enum abi kernel)
{
	enum entry_kind kind = ENTRY_UNKNOWN;

	/* From the outermost frame inwards, as far as the entry's own C functions may lie. */
	for (size_t i = stack->count; i-- > 0 && stack->count - i <= 3 && kind == ENTRY_UNKNOWN;)
		kind = kind_of_symbol(stack->frames[i].symbol, kernel);
	return kind;
}

/* The vDSO's __kernel_vsyscall enters by sysenter or syscall and has an int $0x80 behind it, where every entry returns
 * to (2.6: a jump back to the beginning, for calls that are restarted); so the bytes before the pc are
 * int $0x80 or the jump in each case, and the fast instruction, if any, stands a few bytes further up. */
static enum entry_kind kind_of_bytes(const uint8_t *code, int size)
{
	enum { INT = 0xcd, SYSTEM_CALL = 0x80, TWO_BYTES = 0x0f, SYSENTER = 0x34, SYSCALL = 0x05, JUMP_SHORT = 0xeb };
	bool is_int80 = code[size - 2] == INT && code[size - 1] == SYSTEM_CALL;

	if (!is_int80 && code[size - 2] != JUMP_SHORT)
		return code[size - 2] == TWO_BYTES && code[size - 1] == SYSCALL ? ENTRY_SYSCALL : ENTRY_UNKNOWN;
	for (int i = size - 4; i >= 0; i--) {
		if (code[i] == TWO_BYTES && code[i + 1] == SYSENTER)
			return ENTRY_SYSENTER;
		if (is_int80 && code[i] == TWO_BYTES && code[i + 1] == SYSCALL)
			return ENTRY_SYSCALL;
	}
	return is_int80 ? ENTRY_INT80 : ENTRY_UNKNOWN;
}

static enum entry_kind kind_of_code(struct space *space, uint64_t pc)
{
	enum { BEFORE = 16 };
	uint8_t code[BEFORE];
	struct error *error = space_read(space, pc - BEFORE, code, sizeof(code));

	if (error) {
		error_destroy(error);
		return ENTRY_UNKNOWN;
	}
	return kind_of_bytes(code, BEFORE);
}

struct entry_fact entry_from_code(struct entry_memo *memo, const struct fork_call *call,
				  const struct registers *registers, struct space *space)
{
	uint64_t pc = registers_pc(registers), modules = space->modules ? space->modules->id : 0;

	/* The 64-bit tables are reached by the syscall instruction alone, the i386 table from 64-bit code by int $0x80.
	 */
	if (call->abi == ABI_X86_64 || call->abi == ABI_X32)
		return (struct entry_fact){.kind = ENTRY_SYSCALL, .certain = true};
	if (registers->abi == ABI_X86_64)
		return (struct entry_fact){.kind = ENTRY_INT80, .certain = true};
	/* Most calls come from the one place that the last came from. */
	if (!modules || memo->modules != modules || memo->pc != pc)
		*memo = (struct entry_memo){.modules = modules, .pc = pc, .kind = kind_of_code(space, pc)};
	return (struct entry_fact){.kind = memo->kind, .certain = false};
}

void entry_from_kernel(const struct stack *stack, enum abi kernel, struct entry_fact *fact)
{
	enum entry_kind kind = stack ? kind_of_stack(stack, kernel) : ENTRY_UNKNOWN;

	if (kind != ENTRY_UNKNOWN)
		*fact = (struct entry_fact){.kind = kind, .certain = true};
}
