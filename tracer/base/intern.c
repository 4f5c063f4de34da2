/* A pool of strings: see intern.h. */
#include "base/intern.h"

#include <pthread.h>
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
	pthread_mutex_t lock;
	struct map by_hash;
};

struct string_pool *string_pool_create(void)
{
	struct string_pool *pool = memory_alloc(sizeof(*pool));

	pthread_mutex_init(&pool->lock, NULL);
	return pool;
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
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static const char *find_or_add(struct map *by_hash, const char *text)
{
	size_t length = strlen(text);
	uint64_t hash = hash_bytes(0, text, length);
	struct entry *first = map_get(by_hash, hash);

	for (struct entry *entry = first; entry; entry = entry->next) {
		if (!strcmp(entry->text, text))
			return entry->text;
	}

	struct entry *entry = memory_alloc(sizeof(*entry) + length + 1);

	memcpy(entry->text, text, length + 1);
	entry->next = first;
	map_put(by_hash, hash, entry);
	return entry->text;
}

const char *string_intern(struct string_pool *pool, const char *text)
{
	const char *interned;

	if (!text)
		return NULL;
	pthread_mutex_lock(&pool->lock);
	interned = find_or_add(&pool->by_hash, text);
	pthread_mutex_unlock(&pool->lock);
	return interned;
}
