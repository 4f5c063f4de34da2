/* From a stopped task's registers to a named stack: the one entry that the rest of the engine uses.
 *
 * Costs are kept off the fork's path in three ways: one Dwfl for a module map, kept across forks; names cached per file
 * and relative address, kept across execs; and a memo of whole stacks: an unwind is a pure function of the registers,
 * the modules and the memory words it read, so where all three are unchanged the result is the same and is shared (the
 * words are read again and compared, in one system call). */
#ifndef FORKTRACE_UNWIND_CAPTURE_H
#define FORKTRACE_UNWIND_CAPTURE_H

#include "arch/abi.h"
#include "base/error.h"
#include "base/intern.h"
#include "base/log.h"
#include "target/space.h"
#include "unwind/stack.h"

enum unwinder_kind { UNWINDER_AUTO, UNWINDER_LIBDW, UNWINDER_LIBUNWIND, UNWINDER_FRAME_POINTER };

struct capture_options {
	enum unwinder_kind unwinder;
	size_t max_frames; /* physical frames a stack at most; the rest is cut and marked truncated */
	bool memo;         /* false: unwind anew each time (for tests and measurements) */
};

struct capture;

/* `pool` and `log` must outlive it. */
struct capture *capture_create(const struct capture_options *options, struct string_pool *pool, const struct log *log);
void capture_destroy(struct capture *capture); /* accepts NULL */

/* What the caller knows of the place. */
struct capture_hint {
	bool in_syscall;  /* the pc stands behind a system-call instruction: where it has no CFI, try libc's clone stubs
			   */
	bool fresh_stack; /* a new task on a stack of its own (clone with a stack): nothing is above the first frame */
};

/* A stack of addresses, by reference. Names cost more than the unwind, and can wait until the task runs again. */
struct unwound;
void unwound_unref(struct unwound *unwound); /* accepts NULL */

/* Unwinds the stack of a task that is stopped with `registers` in `space` (space->tid set to it). Always gives at least
 * the first frame. Returns an error only when the process is gone. The caller owns one reference to *unwound. */
struct error *capture_unwind(struct capture *capture, struct space *space, const struct registers *registers,
			     const struct capture_hint *hint, struct unwound **unwound);

/* Its names, found once; needs no process any more. Where the stack ends early, stack->reason says why. The caller owns
 * one reference to what is returned. */
struct stack *capture_name(struct capture *capture, struct unwound *unwound);

/* Where physical frame `frame` (0: the innermost) returns to, and the stack pointer that its caller then has. False:
 * there is nothing above it, or it is not known. Unwinds anew. */
bool capture_caller(struct capture *capture, struct space *space, const struct registers *registers,
		    const struct capture_hint *hint, size_t frame, uint64_t *pc, uint64_t *sp);

/* Both at once. The caller owns one reference to *stack. */
struct error *capture_stack(struct capture *capture, struct space *space, const struct registers *registers,
			    const struct capture_hint *hint, struct stack **stack);

#endif
