/* The last lines of a text that goes on and on, each escaped and cut to a bounded length. */
#ifndef FORKTRACE_UI_TUI_TEXT_RING_H
#define FORKTRACE_UI_TUI_TEXT_RING_H

#include <stddef.h>

enum { TEXT_RING_LINES = 2000, TEXT_RING_LINE_BYTES = 400 };

struct text_ring {
	char *lines[TEXT_RING_LINES];
	size_t first, count;
	char open[TEXT_RING_LINE_BYTES]; /* the line that has no end yet, as it came */
	size_t open_size;
	int returned; /* a carriage return came: what follows, but for the line's end, begins the line anew */
	int skipping; /* in an escape sequence of a terminal: see text_ring_bytes */
};

void text_ring_deinit(struct text_ring *ring);
/* A whole line, untrusted. */
void text_ring_line(struct text_ring *ring, const char *line);
/* Bytes as a program writes them to a terminal: escape sequences are left out, a carriage return begins the line
 * anew. */
void text_ring_bytes(struct text_ring *ring, const void *bytes, size_t size);
/* Line `index` from the oldest; the open line is the last where it is not empty. */
size_t text_ring_count(const struct text_ring *ring);
const char *text_ring_at(const struct text_ring *ring, size_t index);

#endif
