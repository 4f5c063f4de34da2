/* An unwind of a kernel's stack in progress: what the methods share. Internal to unwind/kernel_*.c. */
#ifndef FORKTRACE_UNWIND_KERNEL_WALK_H
#define FORKTRACE_UNWIND_KERNEL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/disassemble.h"
#include "base/map.h"
#include "unwind/kernel_stack.h"

/* i386 in DWARF's order, and what its ABI says of them. */
enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI, EIP };
enum { WORD = 4, GENERAL_REGISTERS = 8, STACK_SIZE_MAX = 8192, STACK_SIZE_MIN = 4096 };

static inline uint32_t register_bit(unsigned number)
{
	return UINT32_C(1) << number;
}

struct kernel_walk {
	const struct space *space;
	const struct kernel_code *code;
	struct disassembler *disassembler;
	struct map code_pages; /* page number -> struct code_page: each is read once */
	struct map tails;      /* function's start -> struct kernel_tails (kernel_scan.c) */

	/* The stack from the pc's frame to its end, read in one go. */
	uint8_t *stack;
	uint64_t stack_start, stack_end;

	struct kernel_border candidates[2]; /* what the rule of the stack's end gives: the nearest end first */
	size_t candidate_count;

	struct error *error; /* the machine is gone: the first such error */
};

/* --- memory (kernel_memory.c) -------------------------------------------------------------------------------- */

/* Reads exactly `size` bytes. False: they are not readable; or the machine is gone, which walk->error then tells. */
bool kernel_read(struct kernel_walk *walk, uint64_t address, void *bytes, size_t size);

/* The same of code, which is read in pages that are kept. */
bool kernel_read_code(struct kernel_walk *walk, uint64_t address, void *bytes, size_t size);

/* The word at `address` of the stack. False: it lies outside, or is not aligned. */
bool kernel_stack_word(const struct kernel_walk *walk, uint64_t address, uint32_t *word);

/* Reads the stack that `sp` lies in. */
void kernel_stack_read(struct kernel_walk *walk, uint64_t sp);

/* The function that a frame's pc lies in; `exact`: frame 0, else the pc is a return address, and a call that does not
 * return may be its function's last instruction. */
bool kernel_function_at(const struct kernel_walk *walk, uint64_t pc, bool exact, struct kernel_function *function);

/* The call instruction that returns to `address`, which lies in a function. */
bool kernel_call_before(struct kernel_walk *walk, uint64_t address, struct instruction *call);

/* The target is not what is called, but jumps to what a register says: gcc's and the kernel's retpolines. */
bool kernel_is_thunk(const char *name);

/* Is `name` the part of `function` that gcc moved away as unlikely ("copy_process.cold")? */
bool kernel_is_cold_part(const char *name, const char *function);

void kernel_memory_deinit(struct kernel_walk *walk);

/* --- the flow of a function (kernel_flow.c) ------------------------------------------------------------------ */

enum { NO_POINT = -1, FLOW_REGIONS = 3 };

struct kernel_value {
	enum {
		VALUE_UNKNOWN,
		VALUE_ENTRY,   /* what the register `number` held at the function's entry */
		VALUE_FRAME,   /* the address of the return address, plus offset */
		VALUE_ALIGNED, /* what the sp was rounded down to by the instruction at `number`, plus offset */
	} kind;
	uint32_t number;
	int32_t offset;
};

/* What the stack holds, as far as it is of use. */
struct kernel_slot {
	struct kernel_value place, value;
};

enum { SLOTS_MAX = 24 };

/* What is known before an instruction. */
struct kernel_state {
	struct kernel_value registers[GENERAL_REGISTERS];
	size_t slot_count;
	struct kernel_slot slots[SLOTS_MAX];
};

/* An instruction that can be reached. */
struct flow_point {
	struct instruction instruction;
	bool leader;    /* something jumps here */
	bool no_return; /* a call behind which the stack does not fit */
	bool queued;
	int doubt;                  /* the call that `state` came through and that may not return; NO_POINT: none */
	struct kernel_state *state; /* of leaders */
};

/* A function, with the part that gcc moved away. */
struct flow_region {
	uint64_t start, end;
	uint8_t *bytes;
	int *points; /* by offset: the point there */
};

struct kernel_flow {
	struct kernel_walk *walk;
	struct kernel_function function;
	struct flow_region regions[FLOW_REGIONS];
	size_t region_count;
	VECTOR(struct flow_point) points;
	VECTOR(uint64_t) pending;
};

/* Finds the instructions of `function` that can be reached from its start. False: not readable, or too large. */
bool kernel_flow_init(struct kernel_flow *flow, struct kernel_walk *walk, const struct kernel_function *function);
void kernel_flow_deinit(struct kernel_flow *flow);

/* The point at `address`, or NO_POINT. */
int kernel_flow_point(const struct kernel_flow *flow, uint64_t address);

/* Calls `visit` for each target of a jump through a table of addresses (a switch). */
void kernel_flow_table(struct kernel_flow *flow, const struct instruction *jump,
		       void (*visit)(void *context, uint64_t target), void *context);

/* --- states (kernel_state.c) --------------------------------------------------------------------------------- */

void kernel_state_enter(struct kernel_state *state);
void kernel_state_apply(struct kernel_state *state, const struct instruction *instruction);
/* The push of a return address by a call within the function. */
void kernel_state_push(struct kernel_state *state);

/* Do the stack's depths of the two, or their frame pointers, exclude one another? */
bool kernel_state_conflict(const struct kernel_state *one, const struct kernel_state *other);

/* Keeps in `state` what both know; false: nothing changed. */
bool kernel_state_merge(struct kernel_state *state, const struct kernel_state *other);

/* --- the methods --------------------------------------------------------------------------------------------- */

/* Where a frame's return address is, and the caller's registers. */
struct kernel_step {
	uint64_t slot; /* address of the return address */
	uint64_t pc;
	uint32_t known; /* of the registers that the callee keeps */
	uint32_t value[GENERAL_REGISTERS];
	enum frame_method method;
	bool certain;
};

/* The state before the instruction at `pc`, or, not exact, before the call that returns to it. False: not found out. */
bool kernel_state_at(struct kernel_walk *walk, const struct kernel_function *function, uint64_t pc, bool exact,
		     struct kernel_state *state);

/* The step that the state allows; `by_frame`: by the frame pointer, else by the stack pointer first. */
bool kernel_step_by_state(struct kernel_walk *walk, const struct kernel_state *state, const struct registers *registers,
			  bool by_frame, struct kernel_step *step);

/* The step by a frame pointer that no analysis proves. */
bool kernel_step_by_frame(struct kernel_walk *walk, const struct registers *registers, struct kernel_step *step);

/* The step by a scan of the stack from `sp` upwards, for a frame in `function`. */
bool kernel_step_by_scan(struct kernel_walk *walk, const struct kernel_function *function, uint64_t sp,
			 struct kernel_step *step);

/* How sure a call instruction can lead into `function`. */
enum kernel_call_fit { CALL_ELSEWHERE, CALL_INDIRECT, CALL_FITS };
enum kernel_call_fit kernel_call_fits(struct kernel_walk *walk, const struct instruction *call,
				      const struct kernel_function *function);
void kernel_scan_deinit(struct kernel_walk *walk);

/* --- the border (kernel_border.c) ---------------------------------------------------------------------------- */

/* Is the function the kernel's entry, whose caller is no function? */
bool kernel_is_entry(const char *name);

/* Reads what may be the user's registers at `address`. */
bool kernel_border_at(struct kernel_walk *walk, uint64_t address, struct kernel_border *border);

/* Fills in walk->candidates. */
void kernel_border_candidates(struct kernel_walk *walk, uint64_t sp, size_t stack_size);

/* Decides: `frame` is the last that was found; `entry`: it is the entry function's. */
void kernel_border_decide(struct kernel_walk *walk, const struct kernel_frame *frame, bool entry,
			  struct kernel_border *border);

#endif
