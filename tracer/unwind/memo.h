/* Remembers stacks: an unwind is a pure function of some registers, the modules and some words of memory, so where
 * these are what they were the stack is the same. Internal to unwind/. */
#ifndef FORKTRACE_UNWIND_MEMO_H
#define FORKTRACE_UNWIND_MEMO_H

#include "unwind/unwound.h"

struct memo;

struct memo *memo_create(void);
void memo_destroy(struct memo *memo); /* accepts NULL */

/* The stack that this task has, with a reference for the caller; NULL: not remembered, or something changed. */
struct unwound *memo_find(struct memo *memo, const struct space *space, const struct registers *registers,
			  const struct capture_hint *hint);

/* Remembers what `walk` found for `registers`. Takes a reference of its own. */
void memo_add(struct memo *memo, const struct walk *walk, const struct registers *registers,
	      const struct capture_hint *hint, struct unwound *unwound);

#endif
