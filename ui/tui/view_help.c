/* The list of keys and words: drawn from the table of commands. */
#include <ncursesw/curses.h>
#include <stdio.h>
#include <string.h>

#include "ui/tui/tui.h"

enum { NAME_COLUMNS = 8, WORD_COLUMNS = 11, COLUMN_COLUMNS = 80 };

void key_label(int key, char name[16])
{
	static const struct {
		int key;
		const char *name;
	} names[] = {{'\t', "Tab"}, {KEY_BTAB, "S-Tab"}, {KEY_NONE, ""}, {KEY_ESCAPE, "Esc"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].key == key) {
			snprintf(name, 16, "%s", names[i].name);
			return;
		}
	}
	if (key < ' ')
		snprintf(name, 16, "Ctrl-%c", key + '@');
	else
		snprintf(name, 16, "%c", key);
}

/* Keys that are not in the table, because they take part in no command. */
static const char *const others[][3] = {
    {"1-9", "", "the process of that number"},
    {"arrows", "", "move in the pane whose title is bold; PgUp, Home, ... too"},
    {":", "", "the words of this list; what a key asks for follows the word"},
    {"Esc", "", "back: to the panes, or to where the process stands"},
};
enum { OTHERS = sizeof(others) / sizeof(others[0]) };

static int line_count(void)
{
	int count = OTHERS;

	for (const struct command *command = tui_commands; command->word; command++)
		count++;
	return count;
}

static void draw_line(const struct area *area, int row, int index)
{
	char name[16];
	const char *word, *help;

	if (index < OTHERS) {
		snprintf(name, sizeof(name), "%s", others[index][0]);
		word = others[index][1];
		help = others[index][2];
	} else {
		const struct command *command = &tui_commands[index - OTHERS];

		key_label(command->key, name);
		word = command->word;
		help = command->help;
	}
	screen_put(area, row, 0, -1, ROLE_KEY, name);
	screen_put(area, row, NAME_COLUMNS, -1, ROLE_SYMBOL, word);
	screen_put(area, row, NAME_COLUMNS + WORD_COLUMNS, -1, ROLE_TEXT, help);
}

/* In one column, or in two where there is room; what does not fit is scrolled to. */
static void draw(struct tui *tui, const struct area *area)
{
	int rows = area->rows - 1, count = line_count();
	int columns = area->columns >= 2 * COLUMN_COLUMNS ? 2 : 1;

	screen_rule(area, 0,
		    count > rows * columns ? "keys and words   (PgUp, PgDn: more; ? or Esc: back)"
					   : "keys and words   (? or Esc: back)",
		    ROLE_FOCUS);
	for (int i = 0; i < rows * columns && tui->sheet_scroll + i < count; i++) {
		struct area column = *area;

		column.columns = area->columns / columns - (columns > 1);
		column.column += i / rows * (area->columns / columns);
		draw_line(&column, i % rows + 1, tui->sheet_scroll + i);
	}
}

static void move_in(struct tui *tui, const struct area *area, int key)
{
	int columns = area->columns >= 2 * COLUMN_COLUMNS ? 2 : 1;

	tui->sheet_scroll = scroll_moved(tui->sheet_scroll, key, line_count(), (area->rows - 1) * columns, false);
}

const struct view view_help = {"help", 2, 20, draw, move_in, NULL};
