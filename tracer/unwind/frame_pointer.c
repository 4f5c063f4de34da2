/* One step by the saved frame pointer: a guess, taken where nothing better is known. */
#include "unwind/walk.h"

/* Beyond this many bytes a frame is no longer believed. */
static const uint64_t frame_size_max = UINT64_C(16) * 1024 * 1024;

bool walk_frame_pointer(struct walk *walk)
{
	const struct arch *arch = walk->arch;
	struct registers *registers = &walk->registers;
	unsigned word = walk->memory->word_size;
	uint64_t frame = registers->value[arch->frame_pointer];
	uint64_t sp = registers->value[arch->sp];
	size_t index = walk->frames.count - 1;
	uint64_t caller, pc;

	if (!(registers->known & (UINT32_C(1) << arch->frame_pointer)))
		return false;
	if (frame % word || frame < sp || frame - sp > frame_size_max)
		return false;
	if (!page_cache_word(walk->memory, frame, index, &caller) ||
	    !page_cache_word(walk->memory, frame + word, index, &pc) || !walk_is_return_address(walk, pc))
		return false;

	registers->value[arch->frame_pointer] = caller;
	registers->value[arch->sp] = frame + 2 * (uint64_t)word;
	registers->value[arch->pc] = pc;
	registers->known = UINT32_C(1) << arch->frame_pointer | UINT32_C(1) << arch->sp | UINT32_C(1) << arch->pc;
	return true;
}
