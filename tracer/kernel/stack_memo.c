/* Remembers which bytes gave which stack: see stack_memo.h. */
#include "kernel/stack_memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* A kernel has a handful of ways into fork; this bounds the memory where something makes them many. */
enum { MAX_ENTRIES = 1024 };

struct entry {
	struct stack *stack;
	size_t size;
	unsigned char bytes[];
};

static void entry_destroy(struct entry *entry)
{
	if (!entry)
		return;
	stack_unref(entry->stack);
	free(entry);
}

void stack_memo_deinit(struct stack_memo *memo)
{
	struct entry *entry;

	for (size_t i = 0; (entry = map_next(&memo->by_hash, &i));)
		entry_destroy(entry);
	map_deinit(&memo->by_hash);
}

struct stack *stack_memo_find(const struct stack_memo *memo, const void *bytes, size_t size)
{
	const struct entry *entry = map_get(&memo->by_hash, hash_bytes(0, bytes, size));

	return entry && entry->size == size && !memcmp(entry->bytes, bytes, size) ? entry->stack : NULL;
}

void stack_memo_add(struct stack_memo *memo, const void *bytes, size_t size, struct stack *stack)
{
	struct entry *entry = memory_alloc(sizeof(*entry) + size);

	if (memo->by_hash.count >= MAX_ENTRIES)
		stack_memo_deinit(memo);
	entry->stack = stack_ref(stack);
	entry->size = size;
	memcpy(entry->bytes, bytes, size);
	entry_destroy(map_put(&memo->by_hash, hash_bytes(0, bytes, size), entry));
}
