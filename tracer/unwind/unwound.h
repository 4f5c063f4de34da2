/* An unwound stack without names, shared by reference. Internal to unwind/; others hold it as an opaque thing. */
#ifndef FORKTRACE_UNWIND_UNWOUND_H
#define FORKTRACE_UNWIND_UNWOUND_H

#include "unwind/walk.h"

struct unwound {
	unsigned references;
	struct module_map *modules; /* what the frames point into; NULL: only a bare pc is known */
	bool truncated;
	const char *reason;  /* as in struct stack */
	struct stack *named; /* NULL until somebody asks */
	size_t count;
	struct walk_frame frames[];
};

/* One reference, the caller's; the frames are copied from `walk`. */
struct unwound *unwound_create(const struct walk *walk);

/* A single frame of which the pc alone is known. */
struct unwound *unwound_create_bare(uint64_t pc);
struct unwound *unwound_ref(struct unwound *unwound);

#endif
