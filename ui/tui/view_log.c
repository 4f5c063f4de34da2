/* Lists of lines: what happened, and what the program printed. */
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "ui/tui/tui.h"

int scroll_moved(int scroll, int key, int count, int rows, bool from_end)
{
	int most = count > rows ? count - rows : 0;
	int by = key == KEY_PPAGE   ? -(rows > 1 ? rows - 1 : 1)
		 : key == KEY_NPAGE ? (rows > 1 ? rows - 1 : 1)
		 : key == KEY_UP    ? -1
		 : key == KEY_DOWN  ? 1
				    : 0;

	if (scroll > most)
		scroll = most;
	if (key == KEY_HOME || key == KEY_END)
		return (key == KEY_HOME) == from_end ? most : 0;
	scroll += from_end ? -by : by;
	return scroll < 0 ? 0 : scroll > most ? most : scroll;
}

/* --- rings of lines --- */

static const struct text_ring *ring_of(const struct tui *tui, enum pane pane)
{
	return pane == PANE_EVENTS ? &tui->log : &tui->terminal.text;
}

static int line_count(const struct tui *tui, enum pane pane)
{
	const struct text_ring *ring = ring_of(tui, pane);

	return (int)text_ring_count(ring) + (ring->open_size != 0);
}

/* The last line may have no end yet. */
static void draw_line(const struct text_ring *ring, const struct area *area, int row, int index)
{
	struct text_ring last = {0};

	if ((size_t)index < text_ring_count(ring)) {
		screen_put(area, row, 0, -1, ROLE_TEXT, text_ring_at(ring, (size_t)index));
		return;
	}
	text_ring_bytes(&last, ring->open, ring->open_size);
	text_ring_bytes(&last, "\n", 1);
	screen_put(area, row, 0, -1, ROLE_TEXT, text_ring_at(&last, 0));
	text_ring_deinit(&last);
}

static void draw_ring(const struct tui *tui, const struct area *area, enum pane pane)
{
	int rows = area->rows - 1, count = line_count(tui, pane);
	int most = count > rows ? count - rows : 0;
	int back = tui->scroll[pane] < most ? tui->scroll[pane] : most;
	int first = most - back;
	char title[64];

	if (back)
		snprintf(title, sizeof(title), "%s (%d more below)", tui_views[pane]->name, back);
	else
		snprintf(title, sizeof(title), "%s", tui_views[pane]->name);
	tui_title(tui, pane, area, title);
	for (int i = 0; i < rows && first + i < count; i++)
		draw_line(ring_of(tui, pane), area, i + 1, first + i);
}

static void move_ring(struct tui *tui, const struct area *area, enum pane pane, int key)
{
	tui->scroll[pane] = scroll_moved(tui->scroll[pane], key, line_count(tui, pane), area->rows - 1, true);
}

/* Backwards from the line above the last that is seen, then from the end. */
static bool search_ring(struct tui *tui, enum pane pane, const char *text)
{
	const struct text_ring *ring = ring_of(tui, pane);
	int count = (int)text_ring_count(ring), total = line_count(tui, pane);
	int rows = tui->layout.panes[pane].rows - 1;
	int last = total - 1 - tui->scroll[pane];

	for (int i = 1; i <= count; i++) {
		int at = ((last - i) % count + count) % count;

		if (!strstr(text_ring_at(ring, (size_t)at), text))
			continue;
		tui->scroll[pane] = total - 1 - at;
		if (total > rows && tui->scroll[pane] > total - rows)
			tui->scroll[pane] = total - rows;
		return true;
	}
	return false;
}

static void draw_events(struct tui *tui, const struct area *area)
{
	draw_ring(tui, area, PANE_EVENTS);
}

static void move_events(struct tui *tui, const struct area *area, int key)
{
	move_ring(tui, area, PANE_EVENTS, key);
}

static bool search_events(struct tui *tui, const char *text)
{
	return search_ring(tui, PANE_EVENTS, text);
}

static void draw_output(struct tui *tui, const struct area *area)
{
	draw_ring(tui, area, PANE_OUTPUT);
	if (!tui->program)
		screen_put(area, 1, 0, -1, ROLE_DIM, "(attached: it writes where it wrote before)");
}

static void move_output(struct tui *tui, const struct area *area, int key)
{
	move_ring(tui, area, PANE_OUTPUT, key);
}

static bool search_output(struct tui *tui, const char *text)
{
	return search_ring(tui, PANE_OUTPUT, text);
}

const struct view view_events = {"events", 2, 20, draw_events, move_events, search_events};
const struct view view_output = {"output", 2, 20, draw_output, move_output, search_output};
