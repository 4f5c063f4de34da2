/* An unwind in progress: what the methods share. Internal to unwind/. */
#ifndef FORKTRACE_UNWIND_WALK_H
#define FORKTRACE_UNWIND_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/abi.h"
#include "base/vector.h"
#include "symbol/cfi.h"
#include "target/space.h"
#include "unwind/capture.h"
#include "unwind/page_cache.h"
#include "unwind/stack.h"

/* A frame without its name. */
struct walk_frame {
	uint64_t pc;
	uint64_t sp;
	bool
	    exact; /* the pc is where it will go on, not behind a call: it is looked up as it is, not one byte before */
	bool certain;
	enum frame_method method;
	const struct module *module; /* NULL: the pc lies in none */
	const struct cfi *cfi;       /* the rules at the pc; NULL without module */
	uint32_t restored;           /* bit n: the hand-made step to the NEXT frame took register n from memory */
};

/* Why a method stopped. */
enum walk_end {
	WALK_OUTERMOST, /* it says so: the return address is marked undefined, or is 0 */
	WALK_NO_CFI,    /* the last frame's code has none */
	WALK_NO_MODULE, /* the last frame's pc lies in no module */
	WALK_MEMORY,    /* memory that the step needs is not readable */
	WALK_LOOP,      /* the stack pointer does not rise */
	WALK_LIMIT,     /* as many frames as are wanted */
	WALK_FAILED,    /* the library gave up */
	WALK_ASTRAY,    /* after a guess, the next frame's pc is no return address */
	WALK_FROM_HERE, /* it has to begin anew with the last frame, whose address the library would look up wrongly */
};

struct walk {
	struct page_cache *memory;
	struct module_map *modules;
	const struct arch *arch;
	size_t max_frames;
	struct registers registers; /* of the last frame: where the next method goes on */
	VECTOR(struct walk_frame) frames;
};

/* Adds the frame at `pc` and finds out what is known there; on top of a guess it is a guess itself. Returns WALK_LIMIT,
 * WALK_LOOP or WALK_ASTRAY where it does not belong on the stack (nothing is added), WALK_NO_MODULE or WALK_NO_CFI or
 * WALK_OUTERMOST where the call frame information does not lead on (it is added); WALK_FROM_HERE or WALK_GOES_ON else.
 */
enum { WALK_GOES_ON = -1 };
int walk_add(struct walk *walk, uint64_t pc, uint64_t sp, enum frame_method method, bool certain);

/* The address at which a frame's pc is looked up: in the call, not behind it. */
static inline uint64_t walk_lookup_address(const struct walk_frame *frame)
{
	return frame->exact ? frame->pc : frame->pc - 1;
}

static inline struct walk_frame *walk_last(const struct walk *walk)
{
	return &walk->frames.items[walk->frames.count - 1];
}

/* How CFI found the frame above `frame`. */
enum frame_method walk_cfi_method(const struct walk_frame *frame);

/* Is `pc` a return address: in a module, and behind a call instruction? */
bool walk_is_return_address(struct walk *walk, uint64_t pc);

/* The methods. Each goes on from the last frame with walk->registers and adds what it finds. */
enum walk_end walk_libdw(struct walk *walk);
enum walk_end walk_libunwind(struct walk *walk);

/* One step each; false: not possible here. */
bool walk_frame_pointer(struct walk *walk);
bool walk_syscall_stub(struct walk *walk);

/* Does walk_libunwind know the ABI? Only that of forktrace itself. */
bool walk_libunwind_knows(enum abi abi);

#endif
