/* The drawn stacks of forks: see fork_cache.h. */
#include "ui/report/fork_cache.h"

#include <string.h>

#include "base/map.h"

void fork_cache_deinit(struct fork_cache *cache)
{
	for (size_t i = 0; i < FORK_CACHE_ENTRIES; i++)
		buffer_deinit(&cache->entries[i].text);
}

static uint64_t stack_id(const struct stack *stack)
{
	return stack ? stack->id : 0;
}

struct fork_cache_key fork_cache_key_of(const struct fork_record *fork)
{
	return (struct fork_cache_key){
	    .stacks = {stack_id(fork->parent.frames), stack_id(fork->child.frames),
		       stack_id(fork->kernel.parent_frames), stack_id(fork->kernel.child_frames)},
	    .release = fork->kernel.release,
	    .reason = fork->kernel.reason,
	    .entry = fork->entry,
	    .entry_certain = fork->entry_certain,
	    .source = fork->kernel.source,
	    .own_stack = fork->call.child_stack != 0,
	};
}

struct fork_cache_entry *fork_cache_find(struct fork_cache *cache, const struct fork_cache_key *key)
{
	struct fork_cache_entry *entry = &cache->entries[hash_bytes(0, key, sizeof(*key)) % FORK_CACHE_ENTRIES];

	if (memcmp(&entry->key, key, sizeof(*key)) != 0) {
		entry->key = *key;
		buffer_clear(&entry->text);
	}
	return entry;
}
