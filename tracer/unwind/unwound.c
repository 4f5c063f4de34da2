/* An unwound stack without names: see unwound.h. */
#include "unwind/unwound.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "target/module.h"

static struct unwound *create(size_t count)
{
	struct unwound *unwound = memory_alloc(sizeof(*unwound) + count * sizeof(unwound->frames[0]));

	unwound->references = 1;
	unwound->count = count;
	return unwound;
}

struct unwound *unwound_create(const struct walk *walk)
{
	struct unwound *unwound = create(walk->frames.count);

	unwound->modules = module_map_ref(walk->modules);
	memcpy(unwound->frames, walk->frames.items, walk->frames.count * sizeof(unwound->frames[0]));
	return unwound;
}

struct unwound *unwound_create_bare(uint64_t pc)
{
	struct unwound *unwound = create(1);

	unwound->frames[0] = (struct walk_frame){.pc = pc, .exact = true, .certain = true, .method = METHOD_PT_REGS};
	return unwound;
}

struct unwound *unwound_ref(struct unwound *unwound)
{
	unwound->references++;
	return unwound;
}

void unwound_unref(struct unwound *unwound)
{
	if (!unwound || --unwound->references)
		return;
	stack_unref(unwound->named);
	module_map_unref(unwound->modules);
	free(unwound);
}
