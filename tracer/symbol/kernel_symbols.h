/* Names for a kernel's addresses, from its kallsyms. Knows no machine: the live host and a guest use it alike. */
#ifndef FORKTRACE_SYMBOL_KERNEL_SYMBOLS_H
#define FORKTRACE_SYMBOL_KERNEL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel_symbols;

struct kernel_symbol {
	const char *name;   /* lives as long as the kernel_symbols */
	const char *module; /* likewise; NULL: the kernel proper */
	uint64_t offset;    /* bytes from the symbol's start */
};

/* Parses the text of a /proc/kallsyms, which is not needed any more afterwards. Owned by the caller. */
struct kernel_symbols *kernel_symbols_create(const char *text, size_t size);
void kernel_symbols_destroy(struct kernel_symbols *symbols); /* accepts NULL */

/* True where kernel.kptr_restrict, or a missing CAP_SYSLOG, made all addresses 0: nothing can be found then. */
bool kernel_symbols_hidden(const struct kernel_symbols *symbols);

/* The function that `address` lies in: from its symbol to the next one. False before the first and after the last. */
bool kernel_symbols_find(const struct kernel_symbols *symbols, uint64_t address, struct kernel_symbol *symbol);

/* The same for a return address, which may lie behind the last instruction of its function (a call that does not
 * return): the function is that of the byte before it, as the kernel's own %pB has it (lib/vsprintf.c). */
bool kernel_symbols_find_caller(const struct kernel_symbols *symbols, uint64_t address, struct kernel_symbol *symbol);

/* Where the function that `address` lies in starts, and where the next symbol does. */
bool kernel_symbols_bounds(const struct kernel_symbols *symbols, uint64_t address, uint64_t *start, uint64_t *end);

/* The function of that name, else the one that the compiler made of it: with a suffix of gcc's (.part.N, .isra.N,
 * .constprop.N, in any combination; .cold is another place of the same function and does not count). Of several the one
 * that stands first in the text. `found` (may be NULL) is what the kernel calls it, and lives as long as the symbols.
 * The first call makes an index, unless kernel_symbols_index has done so; one thread at a time. */
void kernel_symbols_index(struct kernel_symbols *symbols);
bool kernel_symbols_by_name(struct kernel_symbols *symbols, const char *name, uint64_t *address, const char **found);

#endif
