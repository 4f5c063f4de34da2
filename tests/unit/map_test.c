/* Hash map and string pool: collisions of both kinds, and random operations against a simple model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/intern.h"
#include "base/map.h"

static void map_empty(void **state)
{
	struct map map = {0};
	size_t position = 0;

	(void)state;
	assert_null(map_get(&map, 0));
	assert_null(map_remove(&map, 0));
	assert_null(map_next(&map, &position));
	map_deinit(&map);
}

static void map_replaces(void **state)
{
	struct map map = {0};
	int first, second;

	(void)state;
	assert_null(map_put(&map, 0, &first));
	assert_null(map_put(&map, UINT64_MAX, &first));
	assert_ptr_equal(map_put(&map, 0, &second), &first);
	assert_int_equal(map.count, 2);
	assert_ptr_equal(map_get(&map, 0), &second);
	assert_ptr_equal(map_get(&map, UINT64_MAX), &first);
	assert_null(map_get(&map, 1));
	assert_ptr_equal(map_remove(&map, 0), &second);
	assert_null(map_remove(&map, 0));
	assert_null(map_get(&map, 0));
	assert_int_equal(map.count, 1);
	map_deinit(&map);
	assert_int_equal(map.count, 0);
	assert_null(map_get(&map, UINT64_MAX));
}

enum { RUN = 6 };

/* Keys that want slots 14, 14, 15, 15, 0 and 0 of the smallest table: one run that goes round its end. */
static void colliding_keys(uint64_t keys[RUN])
{
	static const uint64_t homes[RUN] = {14, 14, 15, 15, 0, 0};
	uint64_t key = 0;

	for (size_t i = 0; i < RUN; i++) {
		while ((hash_word(key) & 15) != homes[i])
			key++;
		keys[i] = key++;
	}
}

/* The `index`th order of 0 .. RUN - 1. */
static void nth_order(unsigned index, unsigned order[RUN])
{
	unsigned left[RUN] = {0, 1, 2, 3, 4, 5};

	for (unsigned i = 0; i < RUN; i++) {
		unsigned taken = index % (RUN - i);

		index /= RUN - i;
		order[i] = left[taken];
		memmove(left + taken, left + taken + 1, (RUN - i - taken - 1) * sizeof(left[0]));
	}
}

static void map_removes_from_a_run(void **state)
{
	enum { ORDERS = 720 };
	uint64_t keys[RUN];

	(void)state;
	colliding_keys(keys);
	for (unsigned index = 0; index < ORDERS; index++) {
		struct map map = {0};
		unsigned order[RUN];

		nth_order(index, order);
		for (unsigned i = 0; i < RUN; i++)
			map_put(&map, keys[i], &keys[i]);
		assert_int_equal(map.capacity, 16);
		for (unsigned i = 0; i < RUN; i++) {
			assert_ptr_equal(map_remove(&map, keys[order[i]]), &keys[order[i]]);
			assert_int_equal(map.count, RUN - i - 1);
			for (unsigned j = 0; j < RUN; j++)
				assert_ptr_equal(map_get(&map, keys[order[j]]), j > i ? &keys[order[j]] : NULL);
		}
		map_deinit(&map);
	}
}

static uint64_t next_random(uint64_t *seed)
{
	return hash_word(*seed += UINT64_C(0x9e3779b97f4a7c15));
}

/* Every value stands where the model has it, and a walk meets each of them once. */
static void assert_map_is(const struct map *map, char *const model[], const uint64_t keys[], size_t count)
{
	size_t present = 0, met = 0, position = 0;
	uintptr_t sum = 0;
	void *value;

	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(map_get(map, keys[i]), model[i]);
		present += model[i] != NULL;
		sum += (uintptr_t)model[i];
	}
	for (; (value = map_next(map, &position)); met++)
		sum -= (uintptr_t)value;
	assert_int_equal(map->count, present);
	assert_int_equal(met, present);
	assert_int_equal(sum, 0);
}

static void map_agrees_with_a_model(void **state)
{
	enum { KEYS = 700, OPERATIONS = 60000, VALUES = 1000 };
	static char values[VALUES];
	static char *model[KEYS];
	static uint64_t keys[KEYS];
	struct map map = {0};
	uint64_t seed = 1;

	(void)state;
	/* Small neighbours as pids are, and words from anywhere. */
	for (size_t i = 0; i < KEYS; i++)
		keys[i] = i < KEYS / 2 ? i : next_random(&seed);
	for (unsigned i = 0; i < OPERATIONS; i++) {
		size_t at = next_random(&seed) % KEYS;
		/* It fills for a while, then it empties, and so on. */
		bool put = next_random(&seed) % 10 < (i / 5000 % 2 ? 3 : 7);

		if (put) {
			char *value = &values[next_random(&seed) % VALUES];

			assert_ptr_equal(map_put(&map, keys[at], value), model[at]);
			model[at] = value;
		} else {
			assert_ptr_equal(map_remove(&map, keys[at]), model[at]);
			model[at] = NULL;
		}
		if (i % 997 == 0)
			assert_map_is(&map, model, keys, KEYS);
	}
	assert_map_is(&map, model, keys, KEYS);
	map_deinit(&map);
}

static void hashes_tell_apart(void **state)
{
	(void)state;
	assert_int_equal(hash_bytes(1, "abcdefghij", 10), hash_bytes(1, "abcdefghij", 10));
	assert_true(hash_bytes(1, "abcdefghij", 10) != hash_bytes(2, "abcdefghij", 10));
	assert_true(hash_bytes(1, "abcdefghij", 10) != hash_bytes(1, "abcdefghik", 10));
	assert_true(hash_bytes(1, "a\0", 1) != hash_bytes(1, "a\0", 2));
	assert_true(hash_bytes(0, "", 0) != hash_bytes(1, "", 0));
}

/* Texts of all lengths around those that are hashed in blocks: each byte counts, at its place. */
static void hashes_long_texts(void **state)
{
	enum { LONGEST = 700 };
	unsigned char text[LONGEST];

	(void)state;
	for (size_t i = 0; i < LONGEST; i++)
		text[i] = (unsigned char)hash_word(i);
	for (size_t size = 1; size < LONGEST; size++) {
		uint64_t hash = hash_bytes(7, text, size);

		assert_int_equal(hash_bytes(7, text, size), hash);
		assert_true(hash_bytes(8, text, size) != hash);
		assert_true(hash_bytes(7, text, size + 1) != hash);
		for (size_t at = 0; at < size; at++) {
			text[at] ^= 0x10;
			assert_true(hash_bytes(7, text, size) != hash);
			text[at] ^= 0x10;
		}
		for (size_t at = 0; at + 16 <= size; at += 8) {
			uint64_t words[2];

			memcpy(words, text + at, 16);
			memcpy(text + at, &words[1], 8);
			memcpy(text + at + 8, &words[0], 8);
			assert_true(hash_bytes(7, text, size) != hash);
			memcpy(text + at, words, 16);
		}
	}
}

static void intern_keeps_each_once(void **state)
{
	enum { COUNT = 5000 };
	static const char *kept[COUNT];
	struct string_pool *pool = string_pool_create();
	char text[32];

	(void)state;
	assert_null(string_intern(pool, NULL));
	for (int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "symbol_%d", i);
		kept[i] = string_intern(pool, text);
		assert_true(kept[i] != text);
	}
	for (int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "symbol_%d", i);
		assert_ptr_equal(string_intern(pool, text), kept[i]);
		assert_string_equal(kept[i], text);
	}
	assert_string_equal(string_intern(pool, ""), "");
	assert_ptr_equal(string_intern(pool, ""), string_intern(pool, ""));
	string_pool_destroy(pool);
	string_pool_destroy(NULL);
}

/* Two texts of 16 bytes that hash_bytes cannot tell apart: the second word undoes what the first one changed. */
static void make_colliding(char first[17], char second[17])
{
	uint64_t words[2], changed[2];

	memset(first, 'a', 16);
	memcpy(words, first, 16);
	changed[0] = words[0];
	do {
		changed[0] += 1;
		uint64_t seed = 16 * UINT64_C(0x9e3779b97f4a7c15);

		changed[1] = words[1] ^ hash_word(seed ^ words[0]) ^ hash_word(seed ^ changed[0]);
		memcpy(second, changed, 16);
	} while (memchr(second, '\0', 16));
	first[16] = second[16] = '\0';
}

static void intern_survives_equal_hashes(void **state)
{
	struct string_pool *pool = string_pool_create();
	char first[17], second[17];

	(void)state;
	make_colliding(first, second);
	assert_string_not_equal(first, second);
	assert_true(hash_bytes(0, first, 16) == hash_bytes(0, second, 16));

	const char *kept_first = string_intern(pool, first), *kept_second = string_intern(pool, second);

	assert_string_equal(kept_first, first);
	assert_string_equal(kept_second, second);
	assert_ptr_equal(string_intern(pool, first), kept_first);
	assert_ptr_equal(string_intern(pool, second), kept_second);
	string_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(map_empty),
	    cmocka_unit_test(map_replaces),
	    cmocka_unit_test(map_removes_from_a_run),
	    cmocka_unit_test(map_agrees_with_a_model),
	    cmocka_unit_test(hashes_tell_apart),
	    cmocka_unit_test(hashes_long_texts),
	    cmocka_unit_test(intern_keeps_each_once),
	    cmocka_unit_test(intern_survives_equal_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
