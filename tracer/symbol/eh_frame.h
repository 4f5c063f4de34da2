/* Finds an entry of .eh_frame where a file has no sorted index of it: static programs are linked without
 * PT_GNU_EH_FRAME. */
#ifndef FORKTRACE_SYMBOL_EH_FRAME_H
#define FORKTRACE_SYMBOL_EH_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "target/space.h"

/* Where a frame description entry lies and where its code starts, relative to the start of the module. */
struct eh_frame_entry {
	uint64_t address, code_start;
};

/* The entry for the code at `address`, relative to the start of the module. Goes through the whole section. */
bool eh_frame_find(struct module_file *file, uint64_t address, struct eh_frame_entry *entry);

#endif
