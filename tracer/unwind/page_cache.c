/* The memory of a stopped task in whole pages: see page_cache.h. */
#include "unwind/page_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { PAGE = 4096 };

struct page {
	uint64_t address;
	bool readable;
	uint8_t bytes[PAGE];
};

void page_cache_reset(struct page_cache *cache, const struct space *space, unsigned word_size)
{
	map_deinit(&cache->by_address);
	cache->space = space;
	cache->word_size = word_size;
	cache->last = NULL;
	cache->used = 0;
	cache->words.count = 0;
}

void page_cache_deinit(struct page_cache *cache)
{
	for (size_t i = 0; i < cache->pages.count; i++)
		free(cache->pages.items[i]);
	vector_deinit(&cache->pages);
	vector_deinit(&cache->words);
	map_deinit(&cache->by_address);
}

static const struct page *find_page(struct page_cache *cache, uint64_t address)
{
	uint64_t start = address & -(uint64_t)PAGE;

	if (cache->last && cache->last->address == start)
		return cache->last;

	struct page *page = map_get(&cache->by_address, start);

	if (!page) {
		if (cache->used == cache->pages.count)
			vector_push(&cache->pages, memory_alloc(sizeof(struct page)));
		page = cache->pages.items[cache->used++];
		page->address = start;

		struct error *error = space_read(cache->space, start, page->bytes, PAGE);

		page->readable = !error;
		error_destroy(error);
		map_put(&cache->by_address, start, page);
	}
	cache->last = page;
	return page;
}

bool page_cache_bytes(struct page_cache *cache, uint64_t address, void *bytes, size_t size)
{
	uint8_t *to = bytes;

	while (size) {
		const struct page *page = find_page(cache, address);
		size_t offset = address - page->address;
		size_t part = PAGE - offset < size ? PAGE - offset : size;

		if (!page->readable)
			return false;
		memcpy(to, page->bytes + offset, part);
		to += part;
		address += part;
		size -= part;
	}
	return true;
}

bool page_cache_word(struct page_cache *cache, uint64_t address, size_t frame, uint64_t *value)
{
	*value = 0;
	if (!page_cache_bytes(cache, address, value, cache->word_size))
		return false;
	vector_push(&cache->words, (struct page_word){address, *value, frame});
	return true;
}
