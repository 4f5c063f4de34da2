/* Files, lines and inlined functions for a kernel's stack. */
#ifndef FORKTRACE_UNWIND_KERNEL_NAMING_H
#define FORKTRACE_UNWIND_KERNEL_NAMING_H

#include "base/intern.h"
#include "symbol/kernel_debug.h"
#include "unwind/stack.h"

/* A new stack (one reference, the caller's) with what the debug information knows of the frames of `stack`, which has
 * its symbols: the source line, and inlined functions as frames of their own. A function that has a frame keeps the
 * name that the kernel's symbols have. Frame 0 is where the kernel stopped, all others go on behind a call. */
struct stack *kernel_naming_stack(const struct stack *stack, const struct kernel_debug *debug,
				  struct string_pool *pool);

/* The source line of the function that has the frame at `address`, or, where `returns`, of the call before it. *file is
 * NULL where it is not known. */
void kernel_naming_line(const struct kernel_debug *debug, uint64_t address, bool returns, struct string_pool *pool,
			const char **file, int *line);

#endif
