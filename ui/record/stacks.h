/* Stacks read from JSON. Equal ones are one stack, as in the run that wrote them: a report tells them apart, and keeps
 * what it drew of them, by their identity. */
#ifndef FORKTRACE_UI_RECORD_STACKS_H
#define FORKTRACE_UI_RECORD_STACKS_H

#include "base/intern.h"
#include "ui/record/fields.h"
#include "unwind/stack.h"

/* How many different ones are known at once; of those with one hash the last stays. */
enum { STACK_POOL_SLOTS = 1024 };

struct stack_pool {
	struct string_pool *strings; /* borrowed: what the frames' texts point into */
	struct stack *slots[STACK_POOL_SLOTS];
};

void stack_pool_deinit(struct stack_pool *pool);

/* The stack in the members `key`, `key`_truncated and `key`_reason of `object`; the caller owns the reference. NULL for
 * null, and where it is wrong. */
struct stack *stack_pool_read(struct stack_pool *pool, struct fields *fields, const json_t *object, const char *key);

#endif
