/* A stopped kernel's functions as an ELF file for gdb: bounds, from which it analyses prologues, and no unwind
 * information.
 *
 * gdb's analysis knows nothing of the nop that stands before a traceable function's `push %ebp` (gcc's -mfentry): it
 * then takes the function for one without a frame. So such a function has a second symbol, behind the nop. At its first
 * instruction, where no frame is set up yet, gdb finds the first one, and is right again. */
#ifndef FORKTRACE_TESTS_UNIT_GDB_KERNEL_FILE_H
#define FORKTRACE_TESTS_UNIT_GDB_KERNEL_FILE_H

#include "guest_stops.h"

#include "parse/kallsyms.h"

enum { NOP_SIZE = 5 };

struct kernel_text {
	uint64_t start, end;
	uint8_t *bytes;
};

static inline void kernel_text_read(struct kernel_text *text)
{
	size_t size;

	assert_true(kernel_symbols_by_name(symbols, "_stext", &text->start, NULL));
	assert_true(kernel_symbols_by_name(symbols, "_etext", &text->end, NULL));
	size = text->end - text->start;
	text->bytes = memory_alloc(size);
	assert_null(gdbstub_read(stub, text->start, text->bytes, size));
}

static inline void write_symbol(FILE *file, const struct kernel_text *text, uint64_t address, const char *name)
{
	unsigned long long place = address, offset = address - text->start;

	/* Names occur more than once. */
	fprintf(file, ".org %llu\n.globl \"%s.%llx\"\n.type \"%s.%llx\",@function\n\"%s.%llx\":\n", offset, name, place,
		name, place, name, place);
}

static inline void write_function(FILE *file, const struct kernel_text *text, uint64_t address, const char *name)
{
	/* asm/nops.h: what 32-bit kernels take, and what they took on newer processors up to 5.12. */
	static const uint8_t nops[][NOP_SIZE] = {{0x3e, 0x8d, 0x74, 0x26, 0x00}, {0x0f, 0x1f, 0x44, 0x00, 0x00}};

	if (address < text->start || address + NOP_SIZE >= text->end)
		return;
	write_symbol(file, text, address, name);
	for (size_t i = 0; i < sizeof(nops) / sizeof(*nops); i++) {
		if (!memcmp(text->bytes + (address - text->start), nops[i], NOP_SIZE))
			write_symbol(file, text, address + NOP_SIZE, name);
	}
}

/* Makes `path`, of the guest that `stub` stands for. */
static inline void gdb_kernel_file(const struct guest *guest, const char *path)
{
	struct kernel_text text = {0};
	struct kallsyms kallsyms;
	char command[256];
	size_t size;
	const char *listing = guest_kallsyms(guest, &size);

	kernel_text_read(&text);
	kallsyms_parse(listing, size, &kallsyms);
	snprintf(command, sizeof(command),
		 "cc -m32 -nostdlib -static -Wl,--build-id=none,-e0,--section-start=.kernel=0x%llx -o %s -xassembler -",
		 (unsigned long long)text.start, path);

	FILE *assembler = popen(command, "we");

	assert_non_null(assembler);
	fprintf(assembler, ".section .kernel,\"ax\",@nobits\n");
	for (size_t i = 0; i < kallsyms.count; i++) {
		const struct kallsyms_symbol *symbol = &kallsyms.symbols[i];

		if (symbol->name && !symbol->module)
			write_function(assembler, &text, symbol->address, kallsyms.names + symbol->name);
	}
	fprintf(assembler, ".org %llu\n", (unsigned long long)(text.end - text.start));
	assert_int_equal(pclose(assembler), 0);
	kallsyms_deinit(&kallsyms);
	free(text.bytes);
}

#endif
