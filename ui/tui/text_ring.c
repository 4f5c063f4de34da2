/* The last lines of a text: see text_ring.h. */
#include "ui/tui/text_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "ui/escape.h"

enum { PLAIN, AFTER_ESCAPE, IN_CONTROL, IN_STRING, AFTER_STRING_ESCAPE };

void text_ring_deinit(struct text_ring *ring)
{
	for (size_t i = 0; i < TEXT_RING_LINES; i++)
		free(ring->lines[i]);
	*ring = (struct text_ring){0};
}

void text_ring_line(struct text_ring *ring, const char *line)
{
	_cleanup_(buffer_deinit) struct buffer safe = {0};
	size_t place = (ring->first + ring->count) % TEXT_RING_LINES;

	buffer_append_text(&safe, "");
	escape_fit(&safe, line, TEXT_RING_LINE_BYTES, KEEP_HEAD);
	if (ring->count == TEXT_RING_LINES)
		ring->first = (ring->first + 1) % TEXT_RING_LINES;
	else
		ring->count++;
	free(ring->lines[place]);
	ring->lines[place] = memory_strdup(safe.data);
}

static void end_line(struct text_ring *ring)
{
	ring->open[ring->open_size] = '\0';
	text_ring_line(ring, ring->open);
	ring->open_size = 0;
}

static void take_plain(struct text_ring *ring, char byte)
{
	if (ring->returned && byte != '\n' && byte != '\r')
		ring->open_size = 0;
	ring->returned = byte == '\r';
	if (byte == '\033') {
		ring->skipping = AFTER_ESCAPE;
	} else if (byte == '\n') {
		end_line(ring);
	} else if (byte == '\b') {
		ring->open_size -= ring->open_size > 0;
	} else if (byte == '\t') {
		do
			take_plain(ring, ' ');
		while (ring->open_size % 8 && ring->open_size + 1 < TEXT_RING_LINE_BYTES);
	} else if (byte != '\r') {
		if (ring->open_size + 1 == TEXT_RING_LINE_BYTES)
			end_line(ring);
		ring->open[ring->open_size++] = byte;
	}
}

/* ECMA-48: ESC [ … final; ESC ] … BEL or ESC \; ESC and one more. */
static void take(struct text_ring *ring, char byte)
{
	switch (ring->skipping) {
	case AFTER_ESCAPE:
		if (byte == '[')
			ring->skipping = IN_CONTROL;
		else if (byte >= 0x20 && byte <= 0x2f)
			break; /* as in ESC ( B: one more follows */
		else
			ring->skipping = byte == ']' || byte == 'P' || byte == '_' || byte == '^' ? IN_STRING : PLAIN;
		break;
	case IN_CONTROL:
		if (byte >= 0x40 && byte <= 0x7e)
			ring->skipping = PLAIN;
		break;
	case IN_STRING:
		if (byte == '\a')
			ring->skipping = PLAIN;
		else if (byte == '\033')
			ring->skipping = AFTER_STRING_ESCAPE;
		break;
	case AFTER_STRING_ESCAPE:
		ring->skipping = byte == '\\' ? PLAIN : IN_STRING;
		break;
	default:
		take_plain(ring, byte);
		break;
	}
}

void text_ring_bytes(struct text_ring *ring, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		take(ring, ((const char *)bytes)[i]);
}

size_t text_ring_count(const struct text_ring *ring)
{
	return ring->count;
}

const char *text_ring_at(const struct text_ring *ring, size_t index)
{
	return ring->lines[(ring->first + index) % TEXT_RING_LINES];
}
