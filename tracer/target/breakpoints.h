/* The breakpoint instructions in an address space: counted by who wants them, hidden from readers, inherited by fork.
 *
 * All calls are about tasks that are stopped or, where a task runs in the space, about single bytes that are written
 * whole. space->tid names a task of the space that lives. */
#ifndef FORKTRACE_TARGET_BREAKPOINTS_H
#define FORKTRACE_TARGET_BREAKPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vector.h"

struct space;

/* Whose a breakpoint is: a user's stays until it is taken back, and children inherit it; a passing one serves a step
 * under way, and a child's copy of it is taken out. */
enum breakpoint_owner { BREAKPOINT_USER, BREAKPOINT_PASSING };

struct breakpoint {
	uint64_t address;
	uint8_t original;
	bool inserted;      /* the instruction stands there now */
	unsigned owners[2]; /* by enum breakpoint_owner */
};

struct breakpoint_table {
	VECTOR(struct breakpoint) items;
};

/* Counted: each add wants its remove. error_fault: nothing can be written there. */
struct error *space_breakpoint_add(struct space *space, uint64_t address, enum breakpoint_owner owner);
/* Memory that is not there any more, or a process that died, is no error. */
void space_breakpoint_remove(struct space *space, uint64_t address, enum breakpoint_owner owner);

/* Does the instruction of ours stand there now? */
bool space_breakpoint_inserted(const struct space *space, uint64_t address);

/* Takes the instruction out so that the one beneath can be executed, and puts it back. */
struct error *space_breakpoint_lift(struct space *space, uint64_t address);
void space_breakpoint_drop(struct space *space, uint64_t address);

/* Forgets those whose memory is not what it was: unmapped, or mapped anew. */
void space_breakpoints_verify(struct space *space);

/* A forked space before its first instruction: passing ones are taken out, lifted ones put back. */
void space_breakpoints_settle(struct space *space);

/* Takes all out of the memory, for a process that is let go. */
void space_breakpoints_lift_all(struct space *space);

/* Puts the original bytes over what was read from `address` on. */
void space_breakpoints_hide(const struct space *space, uint64_t address, void *bytes, size_t size);

/* For space.c. */
struct breakpoint_table *breakpoint_table_copy(const struct breakpoint_table *table); /* NULL for NULL */
void breakpoint_table_destroy(struct breakpoint_table *table);                        /* accepts NULL */

#endif
