/* The 32-bit kernel of a machine that somebody else runs: what is known of it is a copy of its /proc/kallsyms and its
 * memory. */
#ifndef FORKTRACE_KERNEL_FOREIGN_KERNEL_H
#define FORKTRACE_KERNEL_FOREIGN_KERNEL_H

#include <stddef.h>

#include "base/error.h"
#include "symbol/kernel_symbols.h"
#include "target/space.h"

/* Reads the copy at `path` (a pipe will do), which is the caller's. Errors, each a sentence that says how to get it:
 * missing, not readable, no kallsyms at all, addresses that are all 0, a 64-bit kernel's. */
struct error *foreign_kernel_load(const char *path, struct kernel_symbols **symbols);

/* Whether the symbols are those of the kernel in memory: the direct calls in its functions must lead to functions. */
enum foreign_kernel_fit {
	FOREIGN_KERNEL_FITS,
	FOREIGN_KERNEL_DIFFERS,    /* another version, or another boot of a kernel that chooses its place at random */
	FOREIGN_KERNEL_UNREADABLE, /* the memory is not mapped there */
};
enum foreign_kernel_fit foreign_kernel_check(const struct space *space, struct kernel_symbols *symbols);

/* The release, as uname -r has it, from the kernel's banner behind its code; false: not found. */
bool foreign_kernel_release(const struct space *space, struct kernel_symbols *symbols, char *release, size_t size);

#endif
