/* The kernel's tables of sockets: see socket_table.h. */
#include "parse/socket_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_SIZE = 512 };

/* Copies the next line, cut where it is too long; false: there is none. */
static bool next_line(const char **text, size_t *left, char line[LINE_MAX_SIZE])
{
	const char *end = *left ? memchr(*text, '\n', *left) : NULL;
	size_t size = end ? (size_t)(end - *text) : *left, kept = size < LINE_MAX_SIZE - 1 ? size : LINE_MAX_SIZE - 1;

	if (!*left)
		return false;
	memcpy(line, *text, kept);
	line[kept] = '\0';
	size += end ? 1 : 0;
	*text += size;
	*left -= size;
	return true;
}

bool socket_table_next_accepted(const char **text, size_t *left, char path[SOCKET_PATH_MAX])
{
	/* SS_CONNECTING: not accepted yet; SS_CONNECTED (linux/net.h). Only an accepted one has its listener's path. */
	enum { CONNECTING = 2, CONNECTED = 3 };
	char line[LINE_MAX_SIZE];

	while (next_line(text, left, line)) {
		unsigned state;
		int at = 0;

		if (sscanf(line, "%*[^:]: %*x %*x %*x %*x %x %*u %n", &state, &at) != 1 || !at || line[at] != '/' ||
		    (state != CONNECTING && state != CONNECTED) || strlen(line + at) >= SOCKET_PATH_MAX)
			continue;
		memcpy(path, line + at, strlen(line + at) + 1);
		return true;
	}
	return false;
}

/* Words of 32 bits in the machine's order, eight digits each. */
static void address_text(char text[33], const void *address, size_t size)
{
	for (size_t i = 0; i < size / 4; i++) {
		uint32_t word;

		memcpy(&word, (const char *)address + 4 * i, sizeof(word));
		snprintf(text + 8 * i, 9, "%08" PRIX32, word);
	}
}

bool socket_table_has_tcp(const char *text, size_t size, const void *address, size_t address_size, uint16_t port)
{
	enum { ESTABLISHED = 1 }; /* net/tcp_states.h */
	char line[LINE_MAX_SIZE], wanted[33] = "", found[33];

	address_text(wanted, address, address_size);
	while (next_line(&text, &size, line)) {
		unsigned own_port, state;

		if (sscanf(line, " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", found, &own_port, &state) == 3 &&
		    state == ESTABLISHED && own_port == port && !strcmp(found, wanted))
			return true;
	}
	return false;
}
