/* What a finished walk depended on: see dependencies.h. */
#include "unwind/dependencies.h"

#include <string.h>

static const uint32_t all_registers = (UINT32_C(1) << REGISTER_MAX) - 1;

static uint32_t bit(unsigned number)
{
	return UINT32_C(1) << number;
}

/* The registers at a frame by which CFI finds `needed`, those of its caller, and the return address. */
static uint32_t cfi_sources(const struct cfi *cfi, const struct arch *arch, uint32_t needed)
{
	uint32_t sources = cfi->cfa_registers;

	for (unsigned i = 0; i < arch->register_count; i++) {
		const struct cfi_register *rule = &cfi->registers[i];

		if (i != arch->pc && !(needed & bit(i)))
			continue;
		if (rule->place == CFI_SAME)
			sources |= bit(i);
		else if (rule->place == CFI_COMPUTED)
			sources |= rule->registers;
	}
	return sources;
}

/* Was the frame found by the rules that cfi_lookup tells? libunwind follows the same ones as libdw. */
static bool by_cfi(const struct walk_frame *caller)
{
	return caller->method == METHOD_DWARF || caller->method == METHOD_VDSO_CFI ||
	       caller->method == METHOD_LIBUNWIND;
}

/* The same for the step from `frame`, whichever method took it. */
static uint32_t step_sources(const struct walk_frame *frame, const struct walk_frame *caller, const struct arch *arch,
			     uint32_t needed)
{
	if (by_cfi(caller))
		return cfi_sources(frame->cfi, arch, needed);
	switch (caller->method) {
	case METHOD_SYSCALL_STUB:
		return (needed & ~frame->restored) | bit(arch->sp);
	case METHOD_FRAME_POINTER:
		return bit(arch->frame_pointer) | bit(arch->sp);
	default:
		return all_registers; /* it keeps its secrets */
	}
}

/* Is `word` but the saved value of a register that no caller needs? */
static bool is_idle(const struct page_word *word, const struct walk_frame *frame, const struct walk_frame *caller,
		    const struct arch *arch, uint32_t needed)
{
	if (!by_cfi(caller))
		return false;

	const struct cfi *cfi = frame->cfi;
	const struct cfi_register *sp = &cfi->registers[arch->sp];

	/* The caller's stack pointer is the canonical frame address, unless CFI says otherwise. */
	if (sp->place != CFI_COMPUTED || sp->registers)
		return false;
	for (unsigned i = 0; i < arch->register_count; i++) {
		const struct cfi_register *rule = &cfi->registers[i];

		if (rule->place == CFI_SAVED && caller->sp + (uint64_t)rule->offset == word->address)
			return i != arch->pc && !(needed & bit(i));
	}
	return false;
}

uint32_t dependencies_find(const struct walk *walk, bool whole)
{
	struct page_cache *memory = walk->memory;
	uint32_t needed = whole ? 0 : all_registers;
	size_t at = memory->words.count;
	size_t kept = at; /* words that matter gather at the end, as the walk is gone through backwards */

	for (size_t i = walk->frames.count - 1; i-- > 0;) {
		const struct walk_frame *frame = &walk->frames.items[i];

		for (; at > 0 && memory->words.items[at - 1].frame >= i; at--) {
			const struct page_word *word = &memory->words.items[at - 1];

			if (word->frame > i || !is_idle(word, frame, frame + 1, walk->arch, needed))
				memory->words.items[--kept] = *word;
		}
		needed = step_sources(frame, frame + 1, walk->arch, needed);
	}
	while (at > 0) /* of a single frame, behind which something was tried */
		memory->words.items[--kept] = memory->words.items[--at];
	memory->words.count -= kept;
	if (!memory->words.count)
		return needed;
	memmove(memory->words.items, memory->words.items + kept, memory->words.count * sizeof(*memory->words.items));
	return needed;
}
