/* A pool of strings: see intern.h. */
#include "base/intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/memory.h"

/* Strings whose hashes are equal hang in one list. */
struct entry {
	struct entry *next;
	char text[];
};

struct string_pool {
	struct map by_hash;
};

struct string_pool *string_pool_create(void)
{
	return memory_alloc(sizeof(struct string_pool));
}

void string_pool_destroy(struct string_pool *pool)
{
	struct entry *entry;

	if (!pool)
		return;
	for (size_t i = 0; (entry = map_next(&pool->by_hash, &i));) {
		while (entry) {
			struct entry *next = entry->next;

			free(entry);
			entry = next;
		}
	}
	map_deinit(&pool->by_hash);
	free(pool);
}

const char *string_intern(struct string_pool *pool, const char *text)
{
	if (!text)
		return NULL;

	size_t length = strlen(text);
	uint64_t hash = hash_bytes(0, text, length);
	struct entry *first = map_get(&pool->by_hash, hash);

	for (struct entry *entry = first; entry; entry = entry->next) {
		if (!strcmp(entry->text, text))
			return entry->text;
	}

	struct entry *entry = memory_alloc(sizeof(*entry) + length + 1);

	memcpy(entry->text, text, length + 1);
	entry->next = first;
	map_put(&pool->by_hash, hash, entry);
	return entry->text;
}
