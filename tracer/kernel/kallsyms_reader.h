/* Reads /proc/kallsyms on a thread of its own: the kernel takes some 30 ms to write it, in which the program starts. */
#ifndef FORKTRACE_KERNEL_KALLSYMS_READER_H
#define FORKTRACE_KERNEL_KALLSYMS_READER_H

#include <stdbool.h>

#include "symbol/kernel_symbols.h"

struct kallsyms_reader;

/* Starts reading; from the copy in directory `cache` where there is one (NULL: never). The thread blocks all signals,
 * reads the one file and tells of its end through the descriptor. */
struct kallsyms_reader *kallsyms_reader_create(const char *cache);

/* Stops the thread within one read of 64 KiB (under a millisecond), waits for it and frees. Accepts NULL. */
void kallsyms_reader_destroy(struct kallsyms_reader *reader);

/* Why there are no names, one sentence naming the knob, known from the start; NULL: there are. Owned by the reader. */
const char *kallsyms_reader_reason(const struct kallsyms_reader *reader);

/* The symbols, borrowed from the reader; waits for the thread to end. NULL where there is a reason for it. */
const struct kernel_symbols *kallsyms_reader_symbols(struct kallsyms_reader *reader);

#endif
