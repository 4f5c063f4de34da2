/* A copy of /proc/kallsyms on disk: the kernel takes over 20 ms to write its own, for each program that asks. Internal
 * to kernel/.
 *
 * The copy is good for one boot and one set of loaded modules, which its name tells. It holds what the kernel shows
 * root alone, so it lies in a directory and a file that nobody else can read, and is taken only from such. */
#ifndef FORKTRACE_KERNEL_KALLSYMS_CACHE_H
#define FORKTRACE_KERNEL_KALLSYMS_CACHE_H

#include <stdbool.h>

#include "base/buffer.h"

/* Replaces *text, which holds the first bytes of /proc/kallsyms, by the copy of all of it, if there is one in
 * `directory` that begins with them. Returns false, and leaves *text, where there is none to be had (`directory` may be
 * NULL). */
bool kallsyms_cache_load(const char *directory, struct buffer *text);

/* Puts the copy there, in place of those of other boots and modules: under another name first, so that nobody finds
 * half of it. What cannot be written is no loss. */
void kallsyms_cache_store(const char *directory, const struct buffer *text);

#endif
