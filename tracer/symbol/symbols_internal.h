/* What is known of one file's names and lines: internal to symbols.c, lines.c and what belongs to them. */
#ifndef FORKTRACE_SYMBOL_SYMBOLS_INTERNAL_H
#define FORKTRACE_SYMBOL_SYMBOLS_INTERNAL_H

#include <elfutils/libdw.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/intern.h"
#include "base/map.h"
#include "symbol/file_view.h"

struct symbols {
	struct file_view view;
	struct map names;  /* relative address -> struct name_list */
	struct map places; /* relative address -> struct line_place */
	struct map tables; /* a unit's place in the debug information -> struct line_table */
	struct string_pool *strings;
};

/* Of all names and lines of all files: whoever calls or uses what follows holds it. */
extern pthread_mutex_t symbols_lock;

/* The file's own, made at the first call. */
struct symbols *symbols_of(struct module_file *file);

/* The compilation unit of an address in the Dwfl; *bias: what is to be taken off the address for libdw. NULL: none. */
Dwarf_Die *symbols_unit(const struct symbols *symbols, uint64_t address, Dwarf_Addr *bias);

/* The functions at `address` (libdw's) of the unit: the innermost inlined body first, then what it was inlined into, up
 * to the function that has the frame. `*functions` is the caller's to free. Returns their number. */
size_t symbols_functions(Dwarf_Die *unit, Dwarf_Addr address, Dwarf_Die **functions);

/* The file and line of the call that an inlined body replaces; NULL and 0 where unknown. */
const char *symbols_call_file(Dwarf_Die *unit, Dwarf_Die *inlined, int *line);

/* How much a name is one for users: the lower the better (`fork` before `__fork`, global before local). */
int symbols_name_rank(const char *name, const GElf_Sym *symbol);

#endif
