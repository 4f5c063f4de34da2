/* A hash map from 64-bit keys to pointers: see map.h. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { LANES = 8, LONG_ENOUGH = 256 }; /* of hash_bytes */

/* The finaliser of SplitMix64: every input bit reaches every output bit. */
uint64_t hash_word(uint64_t word)
{
	word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
	return word ^ (word >> 31);
}

/* Megabytes go through several chains side by side: in one, each multiplication waits for the one before it. Returns
 * where the rest begins. */
static const unsigned char *hash_blocks(uint64_t *hash, const unsigned char *at, size_t *size)
{
	uint64_t lanes[LANES];

	for (size_t i = 0; i < LANES; i++)
		lanes[i] = *hash + i;
	for (; *size >= sizeof(lanes); at += sizeof(lanes), *size -= sizeof(lanes)) {
		uint64_t words[LANES];

		memcpy(words, at, sizeof(words));
		for (size_t i = 0; i < LANES; i++)
			lanes[i] = hash_word(lanes[i] ^ words[i]);
	}
	for (size_t i = 0; i < LANES; i++)
		*hash = hash_word(*hash ^ lanes[i]);
	return at;
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;
	uint64_t hash = seed ^ (size * UINT64_C(0x9e3779b97f4a7c15));

	if (size >= LONG_ENOUGH)
		at = hash_blocks(&hash, at, &size);
	for (; size >= 8; at += 8, size -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		hash = hash_word(hash ^ word);
	}
	uint64_t tail = 0;

	memcpy(&tail, at, size);
	return hash_word(hash ^ tail);
}

void map_deinit(struct map *map)
{
	free(map->slots);
	*map = (struct map){0};
}

/* The slot that holds `key`, or the free one where it would go. */
static struct map_slot *find_slot(const struct map *map, uint64_t key)
{
	size_t mask = map->capacity - 1;

	for (size_t i = hash_word(key) & mask;; i = (i + 1) & mask) {
		struct map_slot *slot = &map->slots[i];

		if (!slot->value || slot->key == key)
			return slot;
	}
}

static void grow(struct map *map)
{
	struct map larger = {.capacity = map->capacity ? map->capacity * 2 : 16, .count = map->count};

	larger.slots = memory_calloc(larger.capacity, sizeof(*larger.slots));
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->slots[i].value)
			*find_slot(&larger, map->slots[i].key) = map->slots[i];
	}
	free(map->slots);
	*map = larger;
}

void *map_get(const struct map *map, uint64_t key)
{
	return map->capacity ? find_slot(map, key)->value : NULL;
}

void *map_put(struct map *map, uint64_t key, void *value)
{
	if ((map->count + 1) * 4 > map->capacity * 3)
		grow(map);

	struct map_slot *slot = find_slot(map, key);
	void *old = slot->value;

	if (!old)
		map->count++;
	slot->key = key;
	slot->value = value;
	return old;
}

/* Moves later entries of the same run up into the hole, so that no tombstones are needed. */
static void close_hole(struct map *map, size_t hole)
{
	size_t mask = map->capacity - 1;

	for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
		size_t home = hash_word(map->slots[i].key) & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = (struct map_slot){0};
}

void *map_remove(struct map *map, uint64_t key)
{
	if (!map->capacity)
		return NULL;

	struct map_slot *slot = find_slot(map, key);
	void *value = slot->value;

	if (value) {
		map->count--;
		close_hole(map, (size_t)(slot - map->slots));
	}
	return value;
}

void *map_next(const struct map *map, size_t *position)
{
	while (*position < map->capacity) {
		void *value = map->slots[(*position)++].value;

		if (value)
			return value;
	}
	return NULL;
}
