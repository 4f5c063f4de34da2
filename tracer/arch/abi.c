/* ABIs and register sets: see abi.h. */
#include "arch/abi.h"

#include <string.h>

#include "arch/tables.h"

const struct arch *arch_of(enum abi abi)
{
	switch (abi) {
	case ABI_I386:
		return &arch_i386;
	case ABI_X86_64:
	case ABI_X32:
		return &arch_x86_64;
	case ABI_UNKNOWN:
		break;
	}
	return NULL;
}

const char *abi_name(enum abi abi)
{
	/* x32 has no table of its own to take the name from. */
	if (abi == ABI_X32)
		return "x32";

	const struct arch *arch = arch_of(abi);

	return arch ? arch->name : "unknown";
}

/* Word `index` of an array of little-endian words, zero-extended. */
static uint64_t word_at(const void *bytes, unsigned word_size, unsigned index)
{
	uint64_t word = 0;

	memcpy(&word, (const char *)bytes + (size_t)index * word_size, word_size);
	return word;
}

static int64_t sign_extend(uint64_t word, unsigned word_size)
{
	return word_size == sizeof(uint32_t) ? (int32_t)word : (int64_t)word;
}

static void decode(const void *bytes, const struct arch *arch, const struct prstatus_layout *layout,
		   struct registers *registers)
{
	unsigned word_size = arch->word_size;

	*registers = (struct registers){
	    .abi = arch->abi,
	    .known = (1U << arch->register_count) - 1,
	    .flags = word_at(bytes, word_size, layout->flags_at),
	    .cs = word_at(bytes, word_size, layout->cs_at),
	    .original_result = word_at(bytes, word_size, layout->original_result_at),
	};
	for (unsigned i = 0; i < arch->register_count; i++)
		registers->value[i] = word_at(bytes, word_size, layout->register_at[i]);

	/* "No system call" is -1 in every ABI; numbers stay as they are. */
	if (sign_extend(registers->original_result, word_size) == -1)
		registers->original_result = UINT64_MAX;
}

bool registers_decode_prstatus(const void *bytes, size_t size, struct registers *registers)
{
	if (size == arch_i386.prstatus_size)
		decode(bytes, &arch_i386, &prstatus_i386, registers);
	else if (size == arch_x86_64.prstatus_size)
		decode(bytes, &arch_x86_64, &prstatus_x86_64, registers);
	else
		return false;
	return true;
}

uint64_t registers_pc(const struct registers *registers)
{
	const struct arch *arch = arch_of(registers->abi);

	return arch ? registers->value[arch->pc] : 0;
}

uint64_t registers_sp(const struct registers *registers)
{
	const struct arch *arch = arch_of(registers->abi);

	return arch ? registers->value[arch->sp] : 0;
}

int64_t registers_result(const struct registers *registers)
{
	const struct arch *arch = arch_of(registers->abi);

	return arch ? sign_extend(registers->value[arch->result], arch->word_size) : 0;
}

bool is_system_call_instruction(const uint8_t code[SYSTEM_CALL_SIZE])
{
	static const uint8_t calls[][SYSTEM_CALL_SIZE] = {{0x0f, 0x05}, {0x0f, 0x34}, {0xcd, 0x80}};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (!memcmp(code, calls[i], SYSTEM_CALL_SIZE))
			return true;
	}
	return false;
}

/* arch/x86/entry/vdso/vdso32/sysenter.S of 2.6.29 (seven nops and a jump back) to system_call.S of today (int $0x80).
 */
size_t system_call_length(const uint8_t *code, size_t size)
{
	enum { SYSENTER = 0x34, NOP = 0x90, INT = 0xcd, JUMP = 0xeb };
	size_t at = SYSTEM_CALL_SIZE;

	if (size < SYSTEM_CALL_SIZE || !is_system_call_instruction(code))
		return 0;
	if (code[1] != SYSENTER)
		return SYSTEM_CALL_SIZE;
	while (at < size && code[at] == NOP)
		at++;
	return at + SYSTEM_CALL_SIZE <= size && (code[at] == INT || code[at] == JUMP) ? at + SYSTEM_CALL_SIZE : 0;
}
