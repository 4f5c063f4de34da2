/* The memory of a stopped task, read in whole pages during one unwind; tells afterwards which words were read. */
#ifndef FORKTRACE_UNWIND_PAGE_CACHE_H
#define FORKTRACE_UNWIND_PAGE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"
#include "base/vector.h"
#include "target/space.h"

struct page;

/* A word that the unwind read. */
struct page_word {
	uint64_t address, value;
	size_t frame; /* the frame it was read for, counted from the innermost */
};

struct page_cache {
	const struct space *space;
	unsigned word_size; /* bytes: 4 or 8 */
	struct map by_address;
	struct page *last; /* where the last word was found */
	VECTOR(struct page *) pages;
	size_t used; /* of pages, in this unwind */
	VECTOR(struct page_word) words;
};

/* Forgets what was read, and reads from `space` from now on. The memory is kept for the next unwind. */
void page_cache_reset(struct page_cache *cache, const struct space *space, unsigned word_size);
void page_cache_deinit(struct page_cache *cache);

/* Reads the word at `address`, zero-extended, and notes it as read for `frame`. false: not readable. */
bool page_cache_word(struct page_cache *cache, uint64_t address, size_t frame, uint64_t *value);

/* Reads bytes without noting them. false: not readable. */
bool page_cache_bytes(struct page_cache *cache, uint64_t address, void *bytes, size_t size);

#endif
