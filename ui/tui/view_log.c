/* What happened, and what the program printed. */
#include <stdio.h>

#include "ui/tui/tui.h"

static void draw_ring(const struct tui *tui, const struct area *area, const struct text_ring *ring, const char *title)
{
	size_t rows = area->rows > 1 ? (size_t)area->rows - 1 : 0;
	size_t count = text_ring_count(ring);
	size_t back = (size_t)tui->scroll < count ? (size_t)tui->scroll : count;
	size_t end = count - back, first = end > rows ? end - rows : 0;
	char text[64];

	if (back)
		snprintf(text, sizeof(text), "%s (%zu lines back)", title, back);
	else
		snprintf(text, sizeof(text), "%s", title);
	screen_title(area, 0, text);
	for (size_t i = first; i < end; i++)
		screen_put(area, (int)(i - first) + 1, 0, -1, ROLE_TEXT, text_ring_at(ring, i));
}

static void draw_log(struct tui *tui, const struct area *area)
{
	draw_ring(tui, area, &tui->log, "events");
}

static void draw_output(struct tui *tui, const struct area *area)
{
	const struct text_ring *ring = &tui->terminal.text;

	draw_ring(tui, area, ring, "output");
	/* A line that has no end yet, where nothing is scrolled back. */
	if (ring->open_size && !tui->scroll) {
		struct text_ring last = {0};
		int row = (int)text_ring_count(ring) + 1;

		text_ring_bytes(&last, ring->open, ring->open_size);
		text_ring_bytes(&last, "\n", 1);
		if (row < area->rows)
			screen_put(area, row, 0, -1, ROLE_TEXT, text_ring_at(&last, 0));
		text_ring_deinit(&last);
	}
}

const struct view view_log = {"events", draw_log};
const struct view view_output = {"output", draw_output};

static void draw_returns(struct tui *tui, const struct area *area)
{
	int row = 2;

	screen_title(area, 0, "what fork returned");
	screen_put(area, 1, 0, -1, ROLE_DIM, "the newest first");
	for (size_t i = tui->forks.count; i-- > 0 && row < area->rows; row++) {
		const struct fork_note *note = &tui->forks.items[i];

		screen_print(area, row, 0, ROLE_TEXT, "fork %-4zu %s", i + 1, note->text);
	}
	if (!tui->forks.count)
		screen_put(area, 2, 0, -1, ROLE_TEXT, "nothing has forked yet");
}

const struct view view_returns = {"returns", draw_returns};
