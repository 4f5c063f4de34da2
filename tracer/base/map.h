/* A hash map from 64-bit keys to pointers (open addressing, linear probing). */
#ifndef FORKTRACE_BASE_MAP_H
#define FORKTRACE_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

struct map {
	struct map_slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

/* Frees the table, not the values. */
void map_deinit(struct map *map);

/* The value at `key`, or NULL. */
void *map_get(const struct map *map, uint64_t key);

/* Puts `value` (never NULL) at `key`; returns the value it replaced, or NULL. */
void *map_put(struct map *map, uint64_t key, void *value);

/* Takes the value at `key` out; returns it, or NULL. */
void *map_remove(struct map *map, uint64_t key);

/* Calls for each occupied slot: for (size_t i = 0; (value = map_next(map, &i));). No order; do not change the map. */
void *map_next(const struct map *map, size_t *position);

/* A well-mixed hash of a word, and of a run of bytes (seedable, to chain). */
uint64_t hash_word(uint64_t word);
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size);

#endif
