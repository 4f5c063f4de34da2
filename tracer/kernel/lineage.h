/* Where the stages of a fork are in one kernel. */
#ifndef FORKTRACE_KERNEL_LINEAGE_H
#define FORKTRACE_KERNEL_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/stage.h"
#include "symbol/kernel_symbols.h"

/* The stage's function in this kernel: the first of stage_names that the symbols have, compiler suffixes (".part.3",
 * ".isra.0", ".constprop.1") included. False: none of the kernel's. *name is what the kernel calls it, suffix included,
 * and lives as long as the symbols. Symbols change as in kernel_symbols_by_name. */
bool lineage_find(struct kernel_symbols *symbols, enum stage stage, enum stage_entry entry, unsigned nr,
		  uint64_t *address, const char **name);

#endif
