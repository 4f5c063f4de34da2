/* From a finished walk to a stack with names. Internal to unwind/. */
#ifndef FORKTRACE_UNWIND_NAMING_H
#define FORKTRACE_UNWIND_NAMING_H

#include "base/intern.h"
#include "unwind/stack.h"
#include "unwind/walk.h"

/* A new stack (one reference, the caller's) of the walk's frames, inlined functions as frames of their own. */
struct stack *naming_stack(const struct walk *walk, struct string_pool *pool);

#endif
