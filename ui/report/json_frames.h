/* The JSON text of a stack's frames, kept for stacks that come again: most forks of a program have the same two. */
#ifndef FORKTRACE_UI_REPORT_JSON_FRAMES_H
#define FORKTRACE_UI_REPORT_JSON_FRAMES_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/map.h"
#include "unwind/stack.h"

/* What is kept at most; the stack that was not asked for longest goes first. */
enum { FRAMES_CACHE_STACKS = 256, FRAMES_CACHE_BYTES = 8 * 1024 * 1024 };

struct frames_text;

struct frames_cache {
	struct map by_id; /* stack id -> struct frames_text; ids are never used twice, so no stack is held */
	struct frames_text *newest, *oldest;
	size_t bytes;
};

void frames_cache_deinit(struct frames_cache *cache);

/* The array of `stack`'s frames, innermost first. Valid until the next call. */
const struct buffer *frames_cache_text(struct frames_cache *cache, const struct stack *stack);

/* The same array as a new value (owned by the caller); null for NULL. */
json_t *json_frames(const struct stack *stack);

#endif
