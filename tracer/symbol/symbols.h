/* The names and source lines of one file's code, by address relative to the start of the module. Each address is asked
 * once and remembered with the file, so that an exec of the same file at another address costs nothing. */
#ifndef FORKTRACE_SYMBOL_SYMBOLS_H
#define FORKTRACE_SYMBOL_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/space.h"

/* A function that an address lies in. Strings belong to the file's symbols. */
struct name {
	const char *symbol; /* NULL: no symbol */
	uint64_t start;     /* the symbol's, relative to the start of the module; meaningless without symbol */
	const char *file;   /* NULL: no line information */
	int line;           /* 0: unknown */
	bool inlined;       /* into the next one of the list */
};

/* Innermost first; the last is the function that has the frame. */
struct name_list {
	size_t count;
	struct name names[];
};

/* The functions at `address` (relative to the module's start): at least one entry. Names are those that gdb shows: the
 * debug information's where there is some, else the symbol table's. Borrowed from the file.
 *
 * Loading debug information takes tens of milliseconds. Any thread may ask: names have an Elf and a Dwfl of their own,
 * and one thread at a time uses them. */
const struct name_list *symbols_lookup(struct module_file *file, uint64_t address);

#endif
