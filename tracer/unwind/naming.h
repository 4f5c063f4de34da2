/* From an unwound stack to one with names. Internal to unwind/. */
#ifndef FORKTRACE_UNWIND_NAMING_H
#define FORKTRACE_UNWIND_NAMING_H

#include "base/intern.h"
#include "unwind/stack.h"
#include "unwind/unwound.h"

/* A new stack (one reference, the caller's), inlined functions as frames of their own. */
struct stack *naming_stack(const struct unwound *unwound, struct string_pool *pool);

#endif
