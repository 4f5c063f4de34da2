/* The debug information of a kernel: an ELF vmlinux that names the inlined functions, files and lines of the addresses
 * of one boot. */
#ifndef FORKTRACE_SYMBOL_KERNEL_DEBUG_H
#define FORKTRACE_SYMBOL_KERNEL_DEBUG_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "symbol/kernel_symbols.h"
#include "symbol/lines.h"
#include "symbol/symbols.h"

struct kernel_debug;

/* Opens the vmlinux of an i386 kernel, and reads of it what kernel_debug_fit compares. *debug is the caller's. Errors
 * are sentences for the user: it cannot be read, is no ELF file, 64-bit, no whole kernel, stripped, or without debug
 * information. */
struct error *kernel_debug_open(const char *path, struct kernel_debug **debug);
void kernel_debug_destroy(struct kernel_debug *debug); /* accepts NULL */

/* Checks that the file is of the running kernel, and finds out by how much that one was moved (KASLR): both know where
 * _stext, or else _text, is. It is the kernel where the build ids are the same; where one of the two has none (`size`
 * 0), where the functions of the file begin where functions of the kernel do. `release` is for the error's sentence. */
struct error *kernel_debug_fit(struct kernel_debug *debug, struct kernel_symbols *symbols, const uint8_t *build_id,
			       size_t size, const char *release);

/* The functions at `address`, as the kernel has it at run time, innermost first, with the starts of their symbols as
 * kernel_debug_address takes them: see symbols_lookup. NULL: the address is not the kernel proper's. For after
 * kernel_debug_fit. The first question takes tens of milliseconds; any thread may ask. */
const struct name_list *kernel_debug_lookup(const struct kernel_debug *debug, uint64_t address);

/* The source line of such an address, as lines_at has it, of a file that starts at *start. False: it has none. */
bool kernel_debug_line(const struct kernel_debug *debug, uint64_t address, struct line_place *place, uint64_t *start);

/* The address at run time of what lies `start` bytes from the start of the file's first segment. */
uint64_t kernel_debug_address(const struct kernel_debug *debug, uint64_t start);

#endif
