/* What the dynamic loader leaves: see guest_links.h. */
#include "kernel/guest_links.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { PAGE = 4096, DYNAMIC_MAX = 256, LINK_MAPS_MAX = 1024 };

static bool read_words(const struct space *space, uint64_t address, uint32_t *words, size_t count)
{
	struct error *error = space_read(space, address, words, count * sizeof(*words));

	error_destroy(error);
	return !error;
}

bool guest_string_read(const struct space *space, uint64_t address, char *text, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t piece = PAGE - (address + done) % PAGE;

		if (piece > size - done)
			piece = size - done;

		struct error *error = space_read(space, address + done, text + done, piece);

		error_destroy(error);
		if (error)
			break;
		if (memchr(text + done, '\0', piece))
			return true;
		done += piece;
	}
	text[0] = '\0';
	return false;
}

/* The address of r_debug that the loader left in the dynamic section (DT_DEBUG); 0: none yet. */
static uint32_t find_r_debug(const struct space *space, uint64_t dynamic)
{
	uint32_t entry[2];

	for (size_t i = 0; i < DYNAMIC_MAX; i++) {
		uint64_t address = dynamic + i * sizeof(entry);

		if (!read_words(space, address & UINT32_MAX, entry, 2) || entry[0] == DT_NULL)
			return 0;
		if (entry[0] == DT_DEBUG)
			return entry[1];
	}
	return 0;
}

/* struct r_debug: r_version, r_map; struct link_map: l_addr, l_name, l_ld, l_next, l_prev. */
void guest_links_read(const struct space *space, uint64_t dynamic, guest_links *links)
{
	uint32_t r_debug = find_r_debug(space, dynamic), debug[2], map[4];

	if (!r_debug || !read_words(space, r_debug, debug, 2))
		return;
	for (uint32_t at = debug[1], i = 0; at && i < LINK_MAPS_MAX && read_words(space, at, map, 4);
	     at = map[3], i++) {
		char path[GUEST_PATH_MAX];

		if (i && guest_string_read(space, map[1], path, sizeof(path)) && path[0] == '/')
			vector_push(links, (struct guest_link){.bias = map[0], .path = memory_strdup(path)});
	}
}

void guest_links_deinit(guest_links *links)
{
	for (size_t i = 0; i < links->count; i++)
		free(links->items[i].path);
	vector_deinit(links);
}
