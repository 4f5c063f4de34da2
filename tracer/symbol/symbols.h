/* What is known of one file's code, by address relative to the start of the module: names, source lines, and the call
 * frame information's rules. Each address is asked once and remembered with the file, so that an exec of the same file
 * at another address costs nothing. */
#ifndef FORKTRACE_SYMBOL_SYMBOLS_H
#define FORKTRACE_SYMBOL_SYMBOLS_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/intern.h"
#include "base/map.h"
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

/* Internal to symbol/. */
struct symbols {
	Elf *elf; /* that all Dwfls share; NULL: not needed yet, or the file is an image */
	Dwfl *dwfl;
	Dwfl_Module *module; /* NULL: not to be had */
	uint64_t start;      /* where the module lies in this Dwfl */
	struct map names;    /* relative address -> struct name_list */
	struct map rules;    /* relative address -> struct cfi */
	struct string_pool *strings;
};
struct symbols *symbols_of(struct module_file *file);

/* The functions at `address` (relative to the module's start): at least one entry. Names are those that gdb shows: the
 * debug information's where there is some, else the symbol table's. Borrowed from the file. */
const struct name_list *symbols_lookup(struct module_file *file, uint64_t address);

#endif
