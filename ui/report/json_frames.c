/* The JSON text of stacks: see json_frames.h. */
#include "ui/report/json_frames.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ui/report/json_text.h"

struct frames_text {
	struct frames_text *newer, *older;
	uint64_t id;
	struct buffer text;
};

static void text_unlink(struct frames_cache *cache, struct frames_text *entry)
{
	*(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
	entry->newer = entry->older = NULL;
}

static void text_link(struct frames_cache *cache, struct frames_text *entry)
{
	entry->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
	cache->newest = entry;
}

static void text_drop(struct frames_cache *cache, struct frames_text *entry)
{
	text_unlink(cache, entry);
	map_remove(&cache->by_id, entry->id);
	cache->bytes -= entry->text.size;
	buffer_deinit(&entry->text);
	free(entry);
}

void frames_cache_deinit(struct frames_cache *cache)
{
	while (cache->newest)
		text_drop(cache, cache->newest);
	map_deinit(&cache->by_id);
}

static json_t *frame_json(const struct frame *frame)
{
	json_t *object = json_object();

	json_member(object, "pc", json_address(frame->pc));
	json_member(object, "symbol", json_text(frame->symbol));
	json_member(object, "offset", frame->symbol ? json_integer((json_int_t)frame->offset) : json_null());
	json_member(object, "module", json_text(frame->module));
	json_member(object, "build_id", json_text(frame->build_id));
	json_member(object, "file", json_text(frame->file));
	json_member(object, "line", frame->line > 0 ? json_integer(frame->line) : json_null());
	json_member(object, "inlined", json_boolean(frame->inlined));
	json_member(object, "method", json_text(frame_method_name(frame->method)));
	json_member(object, "certain", json_boolean(frame->certain));
	return object;
}

json_t *json_frames(const struct stack *stack)
{
	json_t *frames = stack ? json_array() : json_null();

	for (size_t i = 0; stack && i < stack->count; i++)
		json_array_append_new(frames, frame_json(&stack->frames[i]));
	return frames;
}

const struct buffer *frames_cache_text(struct frames_cache *cache, const struct stack *stack)
{
	struct frames_text *entry = map_get(&cache->by_id, stack->id);

	if (entry) {
		text_unlink(cache, entry);
		text_link(cache, entry);
		return &entry->text;
	}
	entry = memory_alloc(sizeof(*entry));
	entry->id = stack->id;
	json_append(&entry->text, json_frames(stack));
	text_link(cache, entry);
	map_put(&cache->by_id, entry->id, entry);
	cache->bytes += entry->text.size;
	while (cache->by_id.count > FRAMES_CACHE_STACKS ||
	       (cache->bytes > FRAMES_CACHE_BYTES && cache->oldest != entry))
		text_drop(cache, cache->oldest);
	return &entry->text;
}
