/* Remembers which bytes (a raw call chain, the text of a stack file) gave which stack, so that a program's second fork
 * from the same place costs a look-up, and equal stacks are one object. */
#ifndef FORKTRACE_KERNEL_STACK_MEMO_H
#define FORKTRACE_KERNEL_STACK_MEMO_H

#include <stddef.h>

#include "base/map.h"
#include "unwind/stack.h"

struct stack_memo {
	struct map by_hash;
};

void stack_memo_deinit(struct stack_memo *memo);

/* The stack that these bytes gave, or NULL; borrowed. */
struct stack *stack_memo_find(const struct stack_memo *memo, const void *bytes, size_t size);

/* Remembers it, with a reference and a copy of the bytes. Forgets all others where there are too many. */
void stack_memo_add(struct stack_memo *memo, const void *bytes, size_t size, struct stack *stack);

#endif
