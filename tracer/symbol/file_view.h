/* One file in a Dwfl of its own, at any address: what names and rules are asked of. Internal to symbol/. */
#ifndef FORKTRACE_SYMBOL_FILE_VIEW_H
#define FORKTRACE_SYMBOL_FILE_VIEW_H

#include <elfutils/libdwfl.h>
#include <stdint.h>

#include "symbol/elf_file.h"
#include "target/space.h"

struct file_view {
	Dwfl *dwfl;
	Dwfl_Module *module; /* NULL: not to be had */
	uint64_t start;      /* where the module lies in this Dwfl */
};

void file_view_init(struct file_view *view, struct module_file *file, enum elf_user user);
void file_view_deinit(struct file_view *view);

#endif
