/* An unwind in progress: see walk.h. */
#include "unwind/walk.h"

#include <string.h>

/* Stacks grow down, so that each caller's stack pointer lies above. The innermost function may have taken its return
 * address off the stack already, as vfork does. A signal handler, which this is not asked for, may run on a stack of
 * its own, above or below. */
static bool rises(const struct walk *walk, uint64_t sp)
{
	const struct walk_frame *below = walk_last(walk);

	return sp > below->sp || (sp == below->sp && walk->frames.count == 1);
}

/* Is it a signal's trampoline whose rules begin with its first instruction, and not one byte early? So it is in the
 * i386 vDSO of Linux 7.2, where nothing covers the byte before. */
static bool begins_trampoline(const struct walk *walk, struct walk_frame *frame)
{
	const struct module *module = module_map_find(walk->modules, frame->pc);
	const struct cfi *cfi = module ? cfi_lookup(module->file, frame->pc - module->start) : NULL;

	if ((frame->cfi && frame->cfi->covered) || !cfi || !cfi->covered || !cfi->signal_frame)
		return false;
	frame->module = module;
	frame->cfi = cfi;
	return frame->exact = true;
}

int walk_add(struct walk *walk, uint64_t pc, uint64_t sp, enum frame_method method, bool certain)
{
	bool innermost = !walk->frames.count;
	const struct walk_frame *below = innermost ? NULL : walk_last(walk);
	bool after_signal = !innermost && below->cfi && below->cfi->signal_frame;
	bool again = false;

	if (walk->frames.count >= walk->max_frames)
		return WALK_LIMIT;
	if (!innermost && !after_signal && !rises(walk, sp))
		return WALK_LOOP;

	struct walk_frame frame = {
	    .pc = pc,
	    .sp = sp,
	    .exact = innermost || after_signal,
	    .certain = certain && (innermost || below->certain),
	    .method = method,
	};
	uint64_t address = walk_lookup_address(&frame);

	frame.module = module_map_find(walk->modules, address);
	if (frame.module)
		frame.cfi = cfi_lookup(frame.module->file, address - frame.module->start);
	/* The kernel put the trampoline's first instruction there as the return address, without a call; its rules
	 * begin one byte early for that reason. */
	if (frame.cfi && frame.cfi->covered && frame.cfi->signal_frame)
		frame.exact = true;
	else if (!frame.exact)
		again = begins_trampoline(walk, &frame);
	/* What rests on a guess may be led astray by true rules, from a wrong stack pointer. */
	if (!frame.certain && !frame.exact && !walk_is_return_address(walk, pc))
		return WALK_ASTRAY;
	vector_push(&walk->frames, frame);
	if (!frame.module || !frame.cfi)
		return WALK_NO_MODULE;
	if (!frame.cfi->covered)
		return WALK_NO_CFI;
	if (frame.cfi->registers[walk->arch->pc].place == CFI_UNDEFINED)
		return WALK_OUTERMOST;
	return again ? WALK_FROM_HERE : WALK_GOES_ON;
}

enum frame_method walk_cfi_method(const struct walk_frame *frame)
{
	const struct module_file *file = frame->module->file;

	return file->image && !file->open_error ? METHOD_VDSO_CFI : METHOD_DWARF;
}

/* Bytes of a near indirect call, FF /2, with the ModRM byte `modrm` (Intel SDM volume 2, tables 2-2 and 2-3); 0: it is
 * not one. */
static unsigned indirect_call_size(uint8_t modrm, uint8_t sib)
{
	unsigned mode = modrm >> 6, base = modrm & 7;
	bool has_sib = mode != 3 && base == 4;
	unsigned size = 2 + has_sib;

	if (((modrm >> 3) & 7) != 2)
		return 0;
	if (mode == 1)
		size += 1;
	else if (mode == 2 || (mode == 0 && (base == 5 || (has_sib && (sib & 7) == 5))))
		size += 4;
	return size;
}

bool walk_is_return_address(struct walk *walk, uint64_t pc)
{
	enum { RELATIVE_CALL = 5, INDIRECT_CALL_MAX = 7 };
	uint8_t bytes[INDIRECT_CALL_MAX + 1] = {0}; /* the last stays 0: read as a SIB byte, it does not count */

	if (!module_map_find(walk->modules, pc - 1) ||
	    !page_cache_bytes(walk->memory, pc - INDIRECT_CALL_MAX, bytes, INDIRECT_CALL_MAX))
		return false;

	const uint8_t *end = bytes + INDIRECT_CALL_MAX;

	if (end[-RELATIVE_CALL] == 0xe8)
		return true;
	for (int size = 2; size <= INDIRECT_CALL_MAX; size++) {
		if (end[-size] == 0xff && indirect_call_size(end[1 - size], end[2 - size]) == (unsigned)size)
			return true;
	}
	return false;
}
