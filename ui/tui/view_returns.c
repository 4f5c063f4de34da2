/* What fork returned so far, in both processes: from the fork records. */
#include <stdio.h>

#include "ui/tui/tui.h"

static void draw(struct tui *tui, const struct area *area)
{
	int rows = area->rows - 1, count = (int)tui->forks.count;

	screen_rule(area, 0, "what fork returned, the newest first   (r or Esc: back)", ROLE_FOCUS);
	if (!count)
		screen_put(area, 1, 0, -1, ROLE_DIM, "nothing has forked yet");
	for (int i = 0; i < rows && tui->sheet_scroll + i < count; i++) {
		size_t index = (size_t)(count - 1 - tui->sheet_scroll - i);

		screen_print(area, i + 1, 0, ROLE_DIM, "%5lu", tui->forks_dropped + index + 1);
		screen_put(area, i + 1, 7, -1, ROLE_TEXT, tui->forks.items[index].text);
	}
}

static void move_in(struct tui *tui, const struct area *area, int key)
{
	tui->sheet_scroll = scroll_moved(tui->sheet_scroll, key, (int)tui->forks.count, area->rows - 1, false);
}

const struct view view_returns = {"returns", 2, 20, draw, move_in, NULL};
