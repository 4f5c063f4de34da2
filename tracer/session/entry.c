/* How a system call entered the kernel. */
#include <string.h>

#include "session/internal.h"

/* The outermost kernel frame is the entry's assembly: arch/x86/entry/entry_64.S and entry_64_compat.S, 4.2 to 6.18; the
 * C functions for kernels that enter int $0x80 through the interrupt table's common code. */
static const struct {
	const char *prefix;
	enum entry_kind kind;
} entry_symbols[] = {
    {"entry_SYSENTER", ENTRY_SYSENTER}, {"ia32_sysenter_target", ENTRY_SYSENTER}, {"entry_INT80", ENTRY_INT80},
    {"asm_int80", ENTRY_INT80},         {"int80_emulation", ENTRY_INT80},         {"do_int80", ENTRY_INT80},
    {"entry_SYSCALL", ENTRY_SYSCALL},   {"system_call", ENTRY_SYSCALL},
};

static enum entry_kind kind_of_symbol(const char *symbol)
{
	for (size_t i = 0; symbol && i < sizeof(entry_symbols) / sizeof(entry_symbols[0]); i++) {
		if (!strncmp(symbol, entry_symbols[i].prefix, strlen(entry_symbols[i].prefix)))
			return entry_symbols[i].kind;
	}
	return ENTRY_UNKNOWN;
}

static enum entry_kind kind_of_stack(const struct stack *kernel)
{
	enum entry_kind kind = ENTRY_UNKNOWN;

	/* From the outermost frame inwards, as far as the entry's own C functions may lie. */
	for (size_t i = kernel->count; i-- > 0 && kernel->count - i <= 3 && kind == ENTRY_UNKNOWN;)
		kind = kind_of_symbol(kernel->frames[i].symbol);
	return kind;
}

/* The vDSO's __kernel_vsyscall enters by sysenter or syscall and has an int $0x80 behind it, where every entry returns
 * to; so the bytes before the pc are int $0x80 in each case, and the fast instruction, if any, stands a few bytes
 * further up. */
static enum entry_kind kind_of_code(struct space *space, uint64_t pc)
{
	enum { BEFORE = 16 };
	uint8_t code[BEFORE];
	struct error *error = space_read(space, pc - BEFORE, code, sizeof(code));

	if (error) {
		error_destroy(error);
		return ENTRY_UNKNOWN;
	}
	if (code[BEFORE - 2] != 0xcd || code[BEFORE - 1] != 0x80)
		return code[BEFORE - 2] == 0x0f && code[BEFORE - 1] == 0x05 ? ENTRY_SYSCALL : ENTRY_UNKNOWN;
	for (int i = BEFORE - 4; i >= 0; i--) {
		if (code[i] == 0x0f && code[i + 1] == 0x34)
			return ENTRY_SYSENTER;
		if (code[i] == 0x0f && code[i + 1] == 0x05)
			return ENTRY_SYSCALL;
	}
	return ENTRY_INT80;
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

void entry_from_kernel(const struct stack *kernel, struct entry_fact *fact)
{
	enum entry_kind kind = kernel ? kind_of_stack(kernel) : ENTRY_UNKNOWN;

	if (kind != ENTRY_UNKNOWN)
		*fact = (struct entry_fact){.kind = kind, .certain = true};
}
